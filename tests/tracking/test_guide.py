"""The guide's own lines, run."""

from __future__ import annotations

import re

from rlp_core.params import Params
from rlp_core.tracking import open_run
from rlp_core.workspace import Workspace
from tests.tracking.runs import ROOT, run_apart


def test_the_guide_compares_arms(workspace: Workspace, params: Params) -> None:
    for stage in ("base", "evaluate@rlp", "evaluate@cpt"):
        with open_run(stage, params, workspace) as tracker:
            tracker.metrics({"pass_at_1_thinking": 0.5, "information_gain": 1.0})
    page = (ROOT / "docs" / "guides" / "what-is-tracked.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(code) == 1
    done = run_apart(f"import os, sys; os.chdir(sys.argv[1])\n{code[0]}", workspace)
    assert done.returncode == 0, done.stderr
    assert "metrics.eval/overall/thinking/pass_at_1" in done.stdout
    assert "information_gain" not in done.stdout
    assert "cpt" in done.stdout
    assert "base" not in done.stdout

"""What the last stages open is what `dvc.yaml` says that they depend on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rlp_core.params import load
from rlp_core.tracking.lineage import stage_spec
from rlp_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]

TRACE = """
import json, os, sys
from pathlib import Path
from tests.reporting import run as made_up
from rlp_core.stage import StageContext
from rlp_core.stages import compare, promote
from rlp_core.tracking.tracker import Tracker
from rlp_core.workspace import Workspace

stage, root, code = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
made = made_up.make(root)
workspace, tracker = Workspace(root), Tracker(None, None, Workspace(root))
context = lambda name: StageContext(name, made.params, workspace, tracker)
if stage == "promote":
    compare.run(context("compare"))
    for arm in made.params.promote.candidates:
        workspace.model(arm).mkdir(parents=True)
        (workspace.model(arm) / "config.json").write_text("{}")
opened = set()
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        mode, flags = arguments[1], arguments[2]
        if not flags & (os.O_WRONLY | os.O_RDWR):
            opened.add(os.path.abspath(os.fsdecode(arguments[0])))
sys.addaudithook(hook)
{"compare": compare, "promote": promote}[stage].run(context(stage))
read = set(opened)
def below(folder):
    paths = (Path(p) for p in read)
    return sorted(p.relative_to(folder).as_posix() for p in paths if p.is_relative_to(folder))
inside = [p for p in below(code) if p.startswith("rlp_core/") and not p.endswith((".py", ".pyc"))]
print("TRACE" + json.dumps([below(root), inside]))
"""


@pytest.mark.parametrize("stage", ["compare", "promote"])
def test_whatever_is_read_is_a_dependency(stage: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRACE, stage, str(tmp_path), str(ROOT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    data, package = json.loads(done.stdout.rpartition("TRACE")[2])
    spec = stage_spec(stage, load(ROOT / "profiles" / "tiny.yaml"), Workspace(ROOT))
    assert spec is not None

    def undeclared(paths: list[str]) -> list[str]:
        declared = [Path(dep) for dep in spec.deps]
        return [p for p in paths if not any(Path(p).is_relative_to(dep) for dep in declared)]

    own = [p for p in data if not any(Path(p).is_relative_to(out) for out in spec.outs)]
    assert own  # the trace sees what is read at all
    assert undeclared([p for p in own if not Path(p).name.startswith(".")]) == []
    assert undeclared(package) == []

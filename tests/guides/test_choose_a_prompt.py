"""docs/guides/choose-a-prompt.md, followed to the letter on a tiny model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rlp_core.cli.prompts import rank_prompts
from rlp_core.data.thinking import Thinking
from rlp_core.evaluation.prompt_ranking import NO_PROMPT
from rlp_core.policy.model import save
from rlp_core.reporting.prompts import HEADINGS
from tests import models
from tests.guides.follow import GUIDES, Follower

TEXT = (GUIDES / "choose-a-prompt.md").read_text(encoding="utf-8")


def bring(root: Path) -> None:
    """A model that reads long prompts, and texts."""
    folder = root / "models" / "base"
    folder.mkdir(parents=True)
    save(models.model(6, context=2048), models.tokenizer(), folder)
    Thinking(*models.DELIMITERS, 5).write(folder)
    rows = (json.dumps({"text": f"Q: {i}+{9 - i}-4\nW: so it is 5\nA:5\n"}) for i in range(9))
    (root / "data" / "texts.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.mark.e2e
def test_the_guide_ranks_two_prompts(tmp_path: Path) -> None:
    followed = Follower("choose-a-prompt.md", tmp_path / "copy", bring)
    (said,) = followed.said.values()
    made = followed.root / "reports" / "prompts"
    tree = json.loads((made / "ranking.json").read_text(encoding="utf-8"))
    assert set(tree["order"]) == {NO_PROMPT, "terse", "shown-thoughts"}
    assert tree["asked"]["texts"] == 8
    assert "8 of 9 pieces of 9 texts drawn" in said
    assert said.splitlines()[-1] == str(made / "ranking.md")
    assert {path.name for path in made.iterdir()} == {
        *("ranking.md", "ranking.json", "figures", "rows")
    }
    assert (followed.root / ".rlp" / "mlflow.db").is_file()


def test_the_guide_knows_every_option_and_column() -> None:
    for option in rank_prompts.params:
        names = [name for name in (*option.opts, *option.secondary_opts) if name.startswith("--")]
        assert not names or any(f"`{name}`" in TEXT for name in names), option.name
    columns = re.findall(r"^\| ([\w ]+) \|", TEXT, re.MULTILINE)
    assert {HEADINGS[name] for name in ("true_gain", "horizon_gain", "content_gain")} <= {*columns}

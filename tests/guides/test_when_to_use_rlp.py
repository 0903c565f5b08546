"""docs/guides/when-to-use-rlp.md: its commands, on the default profile's data and a small model."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from rlp_core.advising.criteria import THRESHOLDS
from rlp_core.advising.rule import WORDS
from rlp_core.cli import main
from rlp_core.data.procedural import records
from rlp_core.data.procedural_config import Procedural
from rlp_core.data.thinking import Thinking
from rlp_core.files import write_jsonl
from rlp_core.policy.model import save
from tests import models
from tests.guides.library import GUIDE

PAGE = (GUIDE.parent / "when-to-use-rlp.md").read_text(encoding="utf-8")
WHY = (GUIDE.parents[1] / "explanation" / "imitation-or-rlp.md").read_text(encoding="utf-8")
PROFILE = GUIDE.parents[2] / "profiles" / "tiny.yaml"
COMMANDS = re.findall(r"^(rlp advise .*)$", PAGE, re.M)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the guide takes for granted: validated parts and a base."""
    made = tmp_path_factory.mktemp("advise")
    sources = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))["prepare"]
    for part in ("rlp", "bootstrap"):
        _write(made, part, sources[part][0])
    _write(made, "problems", {"kind": "procedural", "world": "arithmetic", "count": 50})
    base = made / "models" / "base"
    base.mkdir(parents=True)
    save(models.model(6, spread=1.0), models.tokenizer(), base)
    Thinking(*models.DELIMITERS, 8).write(base)
    return made


def _write(folder: Path, part: str, source: dict[str, object]) -> None:
    common = {"benchmark": "arithmetic", "rule": "verified"} if part == "problems" else None
    made = records(
        Procedural.model_validate(source), part=part, index=0, seed=1, share=0.1, common=common
    )
    path = folder / "data" / "validated" / f"{part}.jsonl"
    write_jsonl(path, (record.model_dump(mode="json") for record in made))


@pytest.fixture(scope="module")
def said(folder: Path) -> list[str]:
    """What each command prints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = [CliRunner().invoke(main, shlex.split(one)[1:]) for one in COMMANDS]
    assert [one.exit_code for one in done] == [0, 0, 0], [one.output for one in done]
    return [one.stdout for one in done]


def test_the_profile_prints_the_advice_that_the_guide_shows(said: list[str]) -> None:
    shown = re.search(r"^```\n(both: .*?)^```$", PAGE, re.S | re.M)
    assert shown is not None
    assert shown[1] in said[0]
    assert "not tried" in said[0]


def test_the_trial_tells_what_the_model_can_do(said: list[str]) -> None:
    assert re.search(r"pass@1 thinking +0\.\d+ \[", said[1])
    assert re.search(r"thoughts that help +-?0\.\d+ \[", said[1])


def test_the_problems_are_those_that_were_given(said: list[str]) -> None:
    tree = json.loads(said[2])
    assert (tree["model"]["asked"], tree["model"]["asked_from"]) == (50, "problems")
    assert tree["demonstrations"]["demonstrations"] == 0
    assert tree["recommendation"] == "neither"


def test_every_option_and_every_advice_has_its_row() -> None:
    listed = set(re.findall(r"`(--[\w-]+)`", PAGE))
    command = main.commands["advise"]
    assert listed == {option for one in command.params for option in one.opts if option[0] == "-"}
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.M)
    assert [row for row in rows if row in WORDS] == ["imitation", "both", "rlp", "neither",
                                                     "undecided"]  # fmt: skip
    assert set(rows) >= set(WORDS)


@pytest.mark.parametrize("name", THRESHOLDS)
def test_the_explanation_shows_the_thresholds_of_the_code(name: str) -> None:
    one = THRESHOLDS[name]
    (row,) = re.findall(rf"^\| `{name}` \|.*$", WHY, re.M)
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[3:5] == [f"{one.value:g}", f"{one.low:g}, {one.high:g}"]

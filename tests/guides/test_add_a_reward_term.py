"""docs/guides/add-a-reward-term.md, followed to the letter: one file, and a run that logs it."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest

from tests.guides.follow import Follower

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
WEIGHT = -0.5


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory, by_dvc: Path) -> Follower:
    def bring(root: Path) -> None:
        """What ran before: `dvc repro` takes the stages that the term does not touch from it."""
        shutil.copytree(by_dvc / ".dvc" / "cache", root / ".dvc" / "cache")

    return Follower("add-a-reward-term.md", tmp_path_factory.mktemp("term") / "copy", bring)


def test_one_file_is_added_and_none_is_changed(followed: Follower) -> None:
    changed = followed.changed()
    assert changed.pop("rlp_core/objective/reward_terms/repeated.py") == "??"
    changed = {name: how for name, how in changed.items() if not name.startswith("reports/")}
    # what the run leaves, a user's parameters, and the page that is made from the declarations
    assert changed.pop("dvc.lock") == "??"
    assert changed == {"params.yaml": "M", "docs/reference/reward-terms.md": "M"}


def test_the_parameters_know_it(followed: Follower) -> None:
    assert "all parameters are known" in followed.said["rlp params check"]


def test_the_page_says_what_it_measures(followed: Follower) -> None:
    page = (followed.root / "docs/reference/reward-terms.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if "`repeated`" in line)
    assert row == (
        "| `repeated` | share, 0 to 1 | Share of the thought's tokens that stood in it before. |"
    )


def test_the_tests_of_every_term_are_of_it_too(followed: Follower) -> None:
    (said,) = (text for command, text in followed.said.items() if "pytest" in command)
    found = re.findall(r"::(\w+)\[repeated\] PASSED", said)
    assert sorted(found) == [
        "test_a_term_gives_the_same_finite_number_for_the_same_thought",
        "test_a_term_says_its_unit_and_what_it_measures",
    ]


def test_a_run_logs_it_at_every_step(followed: Follower) -> None:
    with (followed.root / "reports" / "rlp" / "steps.csv").open(encoding="utf-8") as file:
        steps = list(csv.DictReader(file))
    assert len(steps) == 2
    for step in steps:
        assert 0 <= float(step["reward_repeated"]) < 1
        assert float(step["shaping"]) == pytest.approx(WEIGHT * float(step["reward_repeated"]))
    assert any(float(step["reward_repeated"]) > 0 for step in steps)

"""docs/guides/add-an-estimator.md, followed to the letter: one file, and all else reads it."""

from __future__ import annotations

import re

import pytest

from tests.guides.follow import Follower

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Follower:
    return Follower("add-an-estimator.md", tmp_path_factory.mktemp("estimator") / "copy")


def test_one_file_is_added_and_none_is_changed(followed: Follower) -> None:
    changed = followed.changed()
    assert changed.pop("rlp_core/objective/estimators/median_centred.py") == "??"
    # a user's parameters, and the page that is made from the declarations
    assert changed == {"params.yaml": "M", "docs/reference/estimators.md": "M"}


def test_the_parameters_know_it(followed: Follower) -> None:
    assert "all parameters are known" in followed.said["rlp params check"]


def test_the_page_says_what_it_declares(followed: Follower) -> None:
    page = (followed.root / "docs/reference/estimators.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if "`median_centred`" in line)
    assert row.startswith("| `median_centred` | r_i minus median_j r_j")
    assert row.endswith("| yes | no | no |")


def test_the_tests_of_every_estimator_are_of_it_too(followed: Follower) -> None:
    (said,) = (text for command, text in followed.said.items() if "pytest" in command)
    found = re.findall(r"::(\w+)\[.*\bmedian_centred\b.*\] PASSED", said)
    assert {
        "test_every_estimator_equals_the_textbook",
        "test_where_it_is_declared_so_s_ema_changes_no_advantage",
        "test_one_thought_has_nothing_to_be_compared_with",
        "test_a_step_is_that_of_the_textbook",
    } <= set(found)
    assert re.search(r"\b(failed|skipped|error)", said) is None


def test_the_ablations_have_a_row_of_it(followed: Follower) -> None:
    program = "from benchmarks.ablations import TABLES; print(*TABLES['estimator'].rows)"
    assert "median_centred" in followed.python("-c", program).split()

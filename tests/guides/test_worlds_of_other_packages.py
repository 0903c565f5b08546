"""docs/guides/worlds-of-other-packages.md, followed to the letter: the graph reads such worlds."""

from __future__ import annotations

import re

import pytest

from rlp_core.environments._reasoning_gym_refused import TASKS_REFUSED
from rlp_core.files import read_jsonl
from tests.guides.follow import GUIDES, Follower

pytest.importorskip("gymnasium", reason="the extra gym is not installed")
pytest.importorskip("reasoning_gym", reason="the extra reasoning-gym is not installed")

PAGE = (GUIDES / "worlds-of-other-packages.md").read_text(encoding="utf-8")
e2e = pytest.mark.e2e


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Follower:
    return Follower("worlds-of-other-packages.md", tmp_path_factory.mktemp("worlds") / "copy")


@e2e
def test_the_worlds_are_listed_and_shown(followed: Follower) -> None:
    listed = followed.said["rlp worlds list"]
    assert "\ntaxi " in listed
    assert "\nreasoning_gym " in listed
    assert "Not installed: pip install 'rlp[gym]'" not in listed
    assert "Q: taxi at " in followed.said["rlp worlds show taxi --seed 3"]
    (shown,) = (said for command, said in followed.said.items() if "knights_knaves" in command)
    assert "Q: knights_knaves " in shown


@e2e
def test_their_records_pass_what_validates_every_record(followed: Follower) -> None:
    """But those of the same words as a problem: few words differ in a task of the package."""
    counts = {
        "base": {"taxi": 200, "reasoning_gym": 200},
        "bootstrap": {"taxi": 60, "reasoning_gym": 0},
        "heldout": {"taxi": 20, "reasoning_gym": 0},
        "problems": {"taxi": 0, "reasoning_gym": 20},
    }
    data = followed.root / "data"
    for part, wanted in counts.items():
        rows = list(read_jsonl(data / "validated" / f"{part}.jsonl"))
        held = list(read_jsonl(data / "quarantine" / f"{part}.jsonl"))
        mine = [row for row in held if row["record"]["source"] in wanted]
        assert {rule for row in mine for rule in row["rules"]} <= {"contamination"}
        assert len(mine) < 20
        sources = [row["source"] for row in [*rows, *(row["record"] for row in mine)]]
        assert {name: sources.count(name) for name in wanted} == wanted


@e2e
def test_the_problems_are_asked_with_their_address(followed: Follower) -> None:
    rows = read_jsonl(followed.root / "data" / "validated" / "problems.jsonl")
    asked = [row["prompt"] for row in rows if row["source"] == "reasoning_gym"]
    address = re.compile(r"Q: chain_sum max_digits=2 max_terms=3 \d+: .+\nA:")
    assert [prompt for prompt in asked if not address.fullmatch(prompt)] == []


def test_the_page_names_every_task_that_is_left_out_with_the_reason() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (its? .*) \|$", PAGE, re.M))
    assert rows == TASKS_REFUSED

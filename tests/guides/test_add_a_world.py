"""docs/guides/add-a-world.md, followed to the letter: one source file, and the graph reads it."""

from __future__ import annotations

import json

import pytest

from rlp_core.files import read_jsonl
from tests.guides.follow import Follower

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Follower:
    return Follower("add-a-world.md", tmp_path_factory.mktemp("world") / "copy")


def test_one_source_file_is_touched(followed: Follower) -> None:
    changed = followed.changed()
    assert changed.pop("rlp_core/environments/largest.py") == "??"
    assert changed.pop("data/benchmarks/largest.yaml") == "??"  # a user's, as the parameters are
    # a user's parameters, and the pages that are made from the models and the worlds
    pages = ("docs/reference/params.md", "docs/reference/worlds.md")
    assert changed == {"params.yaml": "M", **dict.fromkeys(pages, "M")}


def test_the_page_of_worlds_has_a_task_of_it(followed: Follower) -> None:
    page = (followed.root / "docs/reference/worlds.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith("| `largest` |"))
    assert "The largest of some numbers." in row
    assert "`Q: largest of " in row


def test_the_page_of_the_parameters_has_its_settings(followed: Follower) -> None:
    page = (followed.root / "docs/reference/params.md").read_text(encoding="utf-8")
    section = page.partition("## World `largest`")[2].partition("## ")[0]
    assert "| `numbers` | whole number, ≥ 2, ≤ 9 | `4` | How many numbers. |" in section


def test_its_records_pass_its_own_verifier(followed: Follower) -> None:
    counts = {"base": 200, "bootstrap": 60, "heldout": 20, "problems": 20}
    for part, count in counts.items():
        rows = read_jsonl(followed.root / "data" / "validated" / f"{part}.jsonl")
        assert sum(row["source"] == "largest" for row in rows) == count


def test_a_wrong_answer_and_an_unsound_step_are_quarantined(followed: Follower) -> None:
    root = followed.root
    path = root / "data" / "prepared" / "bootstrap.jsonl"
    rows = list(read_jsonl(path))
    mine = [row for row in rows if row["source"] == "largest"]
    wrong = next(row for row in mine if not row["thought"])
    unsound = next(row for row in mine if row["thought"])
    wrong["continuation"] = "7777\n"
    unsound["thought"] = unsound["thought"].rsplit(" ", 1)[0] + " 7777"
    changed = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(changed, encoding="utf-8")
    followed.python("-m", "rlp_core.cli", "stage", "validate")
    held = {row["id"]: row for row in read_jsonl(root / "data" / "quarantine" / "bootstrap.jsonl")}
    assert held[wrong["id"]]["rules"] == ["answer_holds"]
    assert held[unsound["id"]]["rules"] == ["steps_hold"]

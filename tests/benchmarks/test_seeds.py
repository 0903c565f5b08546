"""The tables of the results' page are made from the seeds' comparisons."""

from __future__ import annotations

import copy
import re

import pytest

from benchmarks.seeds import HELD_OUT, tables
from tests.e2e.checkout import REPOSITORY

METRICS = ("pass_at_1_thinking", *HELD_OUT.values())


def comparison(shift: float) -> dict:
    value = {"value": 0.25 + shift, "low": 0.125 + shift, "high": 0.5 + shift}
    return {"arms": {arm: dict.fromkeys(METRICS, value) for arm in ("base", "rlp")}}


def test_a_row_for_each_arm_and_a_column_for_each_seed() -> None:
    first, second = tables([comparison(0.0), comparison(1.0)]).split("\n\n")
    assert first.splitlines() == [
        "| arm | seed 1 | seed 2 |",
        "|---|---|---|",
        "| base | 0.250 [0.125, 0.500] | 1.250 [1.125, 1.500] |",
        "| rlp | 0.250 [0.125, 0.500] | 1.250 [1.125, 1.500] |",
    ]
    assert second.splitlines()[2] == "| base | 0.25, 1.25 | 0.25, 1.25 | 0.25, 1.25 |"


def test_seeds_of_other_arms_are_refused() -> None:
    other = copy.deepcopy(comparison(0.0))
    other["arms"].pop("rlp")
    for seeds in ([], [comparison(0.0), other]):
        with pytest.raises(ValueError, match="same arms"):
            tables(seeds)


def test_the_page_has_tables_of_this_form() -> None:
    page = (REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8")
    head, *_ = tables([comparison(0.0)] * 3).splitlines()
    assert head in page
    assert f"| arm | {' | '.join(HELD_OUT)} |" in page
    assert re.search(r"^\| \*\*rlp\*\* \| [01]\.\d{3} \[", page, re.M)

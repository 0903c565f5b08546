"""Pass@1 by difficulty: levels, whole clusters, what is too few, and where thinking was planted."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.arms import declared
from rlp_core.errors import DataError
from rlp_core.evaluation.bias.forms import FEWEST_CLUSTERS
from rlp_core.evaluation.comparison import compare
from rlp_core.evaluation.difficulty import MOST_LEVELS, by_difficulty, level_name, levels_of
from rlp_core.evaluation.item_files import ArmItems
from rlp_core.evaluation.statistics import Resampler
from rlp_core.files import read_jsonl, write_jsonl
from tests.evaluation import arms

RESAMPLER = Resampler(seed=1, resamples=500)


def row(name: int, difficulty: int | None, thinking: float, **more: Any) -> dict[str, Any]:
    """A problem asked ten times in each mode; without thinking one in five answers is right."""
    right = round(10 * thinking)
    made: dict[str, Any] = {"id": f"p{name}", "key": f"p{name}", "benchmark": "zebras"}
    made |= {"thinking": [1] * right + [0] * (10 - right), "direct": [1, 1] + [0] * 8}
    return made | ({} if difficulty is None else {"difficulty": difficulty}) | more


def measured(rows: list[dict[str, Any]]) -> Any:
    return by_difficulty({"base": ArmItems(tuple(rows), (), ())}, RESAMPLER)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=200))
def test_levels_part_all_difficulties_from_easy_to_hard(difficulties: list[int]) -> None:
    found = levels_of(difficulties)
    assert 1 <= len(found) <= MOST_LEVELS
    ends = [end for level in found for end in level]
    assert ends == sorted(ends)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(found))
    for value in difficulties:
        assert sum(lowest <= value <= highest for lowest, highest in found) == 1
    for lowest, highest in found:
        assert lowest in difficulties
        assert highest in difficulties


def test_many_levels_are_told_together_about_evenly() -> None:
    assert levels_of([3, 1, 3]) == [(1, 1), (3, 3)]
    found = levels_of(range(10 * MOST_LEVELS))
    assert len(found) == MOST_LEVELS
    assert {highest - lowest for lowest, highest in found} == {9}
    assert level_name({"lowest": 3, "highest": 3}) == "3"
    assert level_name({"lowest": 3, "highest": 5}) == "3 to 5"


def test_thinking_that_helps_with_the_hard_ones_is_found_there_alone() -> None:
    rng = random.Random(3)
    easy = [row(i, 2, rng.choice((0.1, 0.3))) for i in range(60)]
    hard = [row(60 + i, 4, rng.choice((0.6, 1.0))) for i in range(60)]
    of = measured(easy + hard)["zebras"]
    low, high = of["levels"]
    assert (low["lowest"], low["highest"], low["n"], high["lowest"]) == (2, 2, 60, 4)
    assert low["arms"]["base"]["gain"].low < 0 < low["arms"]["base"]["gain"].high
    assert 0.5 < high["arms"]["base"]["gain"].low < 0.6 < high["arms"]["base"]["gain"].high
    assert low["arms"]["base"]["direct"].value == pytest.approx(0.2)
    assert of["untold"] == 0


def test_clusters_are_drawn_whole() -> None:
    """Problems of one story that all succeed or fail together: as many facts as stories."""
    right = [float(i % 2) for i in range(12) for _ in range(5)]
    alone = [row(i, 1, value) for i, value in enumerate(right)]
    stories = [row(i, 1, value, cluster=f"s{i // 5}") for i, value in enumerate(right)]
    one, other = (
        measured(rows)["zebras"]["levels"][0]["arms"]["base"]["thinking"]
        for rows in (alone, stories)
    )
    assert (other.n, other.clusters, one.clusters) == (60, 12, 60)
    assert other.high - other.low > 1.8 * (one.high - one.low)


def test_too_few_problems_say_nothing_but_how_many() -> None:
    few = FEWEST_CLUSTERS - 1
    rows = [row(i, 1, 1.0) for i in range(few)]
    rows += [row(few + i, 2, 1.0, cluster=f"s{i % few}") for i in range(40)]
    rows += [row(100 + i, 3, 1.0) for i in range(FEWEST_CLUSTERS)]
    levels = measured(rows)["zebras"]["levels"]
    told = [level["arms"]["base"]["thinking"] for level in levels]
    assert [(of.n, of.clusters) for of in told] == [(few, few), (40, few), (few + 1, few + 1)]
    assert [of.value == of.value for of in told] == [False, False, True]


def test_problems_that_do_not_tell_are_counted_and_benchmarks_of_them_left_out() -> None:
    rows = [row(i, None if i < 4 else 1, 1.0) for i in range(20)]
    rows += [row(100 + i, None, 1.0, benchmark="apples") for i in range(9)]
    found = measured(rows)
    assert list(found) == ["zebras"]
    assert found["zebras"]["untold"] == 4
    assert found["zebras"]["levels"][0]["n"] == 16


def test_an_arm_that_was_asked_other_problems_is_told() -> None:
    rows = [row(i, 1, 1.0) for i in range(9)]
    items = {"base": ArmItems(tuple(rows), (), ()), "rlp": ArmItems(tuple(rows[1:]), (), ())}
    with pytest.raises(ValueError, match="rlp was not asked the problem 'p0'"):
        by_difficulty(items, RESAMPLER)


def test_it_stands_in_the_comparison_as_plain_numbers(tmp_path: Path) -> None:
    folders = arms.write_all(tmp_path)
    arms.add_difficulty(folders)
    [level, _, few] = compare(folders, RESAMPLER, declared()).tree["difficulty"]["arithmetic"][
        "levels"
    ]
    assert (level["lowest"], level["n"], level["clusters"]) == (2, 29, 29)
    assert set(level["arms"]) == set(declared().names)
    assert set(level["arms"]["rlp"]["gain"]) == {"value", "low", "high", "n", "clusters"}
    assert few["arms"]["rlp"]["thinking"] == {
        "value": None, "low": None, "high": None, "n": 3, "clusters": 3
    }  # fmt: skip


def test_a_difficulty_that_is_no_number_is_told(tmp_path: Path) -> None:
    folders = arms.write_all(tmp_path)
    path = folders["cpt"] / "problems.jsonl"
    first, *rest = read_jsonl(path)
    write_jsonl(path, [first | {"difficulty": "hard"}, *rest])
    with pytest.raises(DataError, match="no whole number"):
        compare(folders, RESAMPLER, declared())

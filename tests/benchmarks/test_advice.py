"""The grid of `benchmarks.advice`: experts slip as they should, and its cells are made and read."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import advice
from benchmarks.advice_cell import QUALITIES, Calibration, demonstrations, slipped
from benchmarks.advice_figure import drawn
from benchmarks.advice_results import best, summary, table
from rlp_core.advising.profile import profile_demonstrations
from rlp_core.advising.rule import WORDS
from rlp_core.advising.soundness import checked
from rlp_core.errors import TrainingError
from tests.e2e.checkout import REPOSITORY

SMALL = Calibration(
    base_texts=200,
    base_steps=2,
    corpus=40,
    problems=4,
    samples=2,
    imitation_steps=2,
    rlp_steps=1,
    skill=0.0,
    changes={"base.batch": 4, "bootstrap.batch": 4, "rlp.documents": 2, "rlp.group_size": 2},
)


def test_an_expert_who_slips_has_one_false_step_and_a_false_answer() -> None:
    for demo in demonstrations(60, QUALITIES["sound"], 1):
        wrong = slipped(demo, random.Random(demo.id))
        (before,), (after,) = checked([demo]), checked([wrong])
        assert before.sound
        assert after.answer_right is False
        assert len(after.steps) == len(before.steps)
        assert after.false_step
        assert wrong.context == demo.context


@pytest.mark.parametrize("name", QUALITIES)
def test_experts_are_as_good_as_their_quality_says(name: str) -> None:
    many = demonstrations(1000, QUALITIES[name], 2)
    found = profile_demonstrations(many, [])
    thinking = [demo for demo in many if demo.thought]
    judged = checked(thinking)
    assert len(thinking) / 1000 == pytest.approx(QUALITIES[name].shown, abs=0.05)
    sound = sum(bool(one.sound) for one in judged) / len(judged)
    assert sound == pytest.approx(QUALITIES[name].sound, abs=0.05)
    assert found.not_checkable == 0
    assert many[:50] == demonstrations(50, QUALITIES[name], 2)


def test_the_grid_has_one_cell_without_demonstrations() -> None:
    found = advice.cells((1, 2), (0, 50), ("sound", "bare"))
    assert len(found) == len(set(found)) == 2 * 3
    assert [cell for cell in found if not cell[1]] == [(1, 0, "sound"), (2, 0, "sound")]


@pytest.mark.e2e
def test_a_base_and_its_cells_are_made_once_and_gathered(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "tiny.yaml").write_bytes(
        (REPOSITORY / "profiles" / "tiny.yaml").read_bytes()
    )
    wanted = advice.cells((1,), (0, 8), ("unsound",))
    for one in (1, *wanted):
        advice.make(tmp_path, SMALL, one)
    folder = advice.folder_of(tmp_path, SMALL)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.json")}
    for one in (1, *wanted):
        advice.make(tmp_path, SMALL, one)
    assert times == {path: path.stat().st_mtime_ns for path in folder.rglob("*.json")}
    result = advice.gathered(tmp_path, SMALL, [*wanted, (2, 0, "unsound")])
    assert result["missing_cells"] == 1
    assert len(result["cells"]) == 2
    assert [row["amount"] for row in result["summary"]] == [0, 8]
    assert result["cells"][0]["imitation"]["thinking"] == result["bases"]["1"]["thinking"]
    assert {cell["advice"] for cell in result["cells"]} <= set(WORDS)
    json.dumps(result, allow_nan=False)
    assert advice.folder_of(tmp_path, Calibration()) != folder
    with pytest.raises(TrainingError, match="the base works 0%"):
        advice.make(tmp_path, replace(SMALL, skill=0.9), 1)


def cell(seed: int, amount: int, quality: str, imitation: float, both: float) -> dict[str, Any]:
    def of(value: float) -> dict[str, Any]:
        right = round(20 * value)
        return {"thinking": [1.0] * right + [0.0] * (20 - right), "helpful": value}

    return {
        "seed": seed, "amount": amount, "quality": quality, "imitation": of(imitation),
        "both": of(both), "advice": "both", "borderline": ["plenty"] if seed == 2 else [],
    }  # fmt: skip


@pytest.fixture
def result() -> dict[str, Any]:
    found = [
        made
        for seed in (1, 2)
        for made in (
            cell(seed, 0, "sound", 0.1, 0.1),
            cell(seed, 50, "sound", 0.2, 0.9),
            cell(seed, 4000, "sound", 0.95, 0.95),
            cell(seed, 50, "bare", 0.15, 0.8),
        )
    ]
    bases = {str(seed): cell(seed, 0, "sound", 0.1, 0.1)["imitation"] for seed in (1, 2)}
    return {
        "summary": summary(bases, found), "missing_cells": 0,
        "qualities": {"sound": {}, "bare": {}},
    }  # fmt: skip


def test_the_summary_tells_where_rlp_overtakes(result: dict[str, Any]) -> None:
    rows = {(row["amount"], row["quality"]): row for row in result["summary"]}
    few, many = rows[50, "sound"], rows[4000, "sound"]
    assert few["both_over_imitation"]["value"] == pytest.approx(0.7)
    assert few["both_over_imitation"]["low"] > 0.3
    assert (few["best"], many["best"], rows[0, "sound"]["best"]) == ("both", "imitation", "neither")
    assert many["rlp_over_imitation"]["value"] == pytest.approx(-0.85)
    assert few["borderline"] == ["plenty"]
    said = table(result)
    assert "| sound | 50 | 0.100 [" in said
    assert "in 2 of 4 cells" in said


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"base": 0.1, "imitation": 0.9, "rlp": 0.9, "both": 0.92}, "imitation"),
        ({"base": 0.1, "imitation": 0.2, "rlp": 0.9, "both": 0.92}, "rlp"),
        ({"base": 0.1, "imitation": 0.2, "rlp": 0.1, "both": 0.92}, "both"),
        ({"base": 0.1, "imitation": 0.12, "rlp": 0.1, "both": 0.14}, "neither"),
        ({"base": 0.96, "imitation": 0.97, "rlp": 1.0, "both": 1.0}, "neither"),
        ({"base": 0.1, "imitation": 0.2, "both": 0.9}, "both"),
    ],
)
def test_the_cheapest_way_that_is_as_good_is_the_best(
    values: dict[str, float], expected: str
) -> None:
    assert best(values) == expected


def test_the_figure_is_drawn_alike_each_time(result: dict[str, Any]) -> None:
    figure = drawn(result)
    assert figure.document() == drawn(result).document()
    assert "50 sound: imitation 0.20, both 0.90" in figure.alt
    assert re.search(r"^<\?xml", figure.document())
    with pytest.raises(ValueError, match="no cell"):
        drawn({**result, "summary": []})

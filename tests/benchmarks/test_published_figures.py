"""Options are weighed as text by text, shares counted, and a real model's are near those told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import published_figures
from rlp_core.data.records import Problem
from rlp_core.objective.reference import logprob
from tests import models

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
MODEL = ROOT / "data" / "checkpoints" / "smollm2-135m"


def problem(number: int, answer: str, choices: list[str]) -> Problem:
    return Problem(
        id=f"p{number}", key=f"{number:032x}", source="s", licence="MIT", benchmark="b",
        prompt=f"Q: {number}+1\nA:", answer=answer, choices=choices, rule="acc",
    )  # fmt: skip


PROBLEMS = [problem(1, "2", ["2", "31"]), problem(2, "3", ["4", "3", "5"])]


@pytest.mark.parametrize("start", [True, False])
def test_options_are_weighed_as_one_text_after_another(start: bool) -> None:
    model, codec = models.model(3), models.codec()
    found = published_figures.weigh(model, codec, PROBLEMS, start)
    for one, values in zip(PROBLEMS, found, strict=True):
        for (context, text), value in zip(one.weighed(), values, strict=True):
            before = codec.context(context) if start else codec.encode(context)
            total = 0.0
            for token in codec.encode(text):
                total += logprob(model, before, token, 1.0).item()
                before = [*before, token]
            assert value == pytest.approx(total, abs=1e-4)


def test_a_share_counts_the_likeliest_of_all_and_per_character() -> None:
    values = [[-4.0, -5.0], [-1.0, -2.0, -3.0]]
    found = published_figures.shares(PROBLEMS, values)
    assert found == {"acc": [0.5, 0.3536], "acc_norm": [0.0, 0.0]}


@pytest.mark.e2e
def test_the_real_model_is_near_what_is_published_for_it() -> None:
    """48 questions of ARC easy: within three standard errors, as far as so few can say."""
    if not (MODEL / "config.json").is_file() or not (DATA / "arc").is_dir():
        pytest.skip(f"{MODEL} or {DATA}/arc is absent")
    options = [str(MODEL), "--data", str(DATA), "--sets", "arc-easy", "--limit", "48"]
    done = CliRunner().invoke(published_figures.main, options, catch_exceptions=False)
    of = json.loads(done.stdout.splitlines()[-1])["sets"]["arc-easy"]
    for way in ("with_start", "without_start"):
        share, error = of[way]["acc"]
        assert abs(share - of["published"]["acc"]) < 3 * error

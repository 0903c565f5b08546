"""Reports of earlier stages: read, or refused with their name."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from rlp_core.errors import DataError, MissingInputError
from rlp_core.reporting.sources import read_curve, read_json


def test_curve(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    path.write_text("step,loss,extra\n0,1.5,\n1,1.25,7\n")
    curve = read_curve(path)
    assert curve["step"] == [0.0, 1.0]
    assert curve["loss"] == [1.5, 1.25]
    assert math.isnan(curve["extra"][0])


def test_curve_of_no_steps(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    path.write_text("step,loss\n")
    assert read_curve(path) == {"step": [], "loss": []}


@pytest.mark.parametrize(
    "text", ["", "loss\n1\n", "step,loss\n0\n", "step,loss\n0,1,2\n", "step,loss\n0,one\n"]
)
def test_malformed_curve_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "steps.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"steps\.csv"):
        read_curve(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_malformed_json_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"metrics\.json"):
        read_json(path)


def test_absent_report_is_named(tmp_path: Path) -> None:
    for read in (read_curve, read_json):
        with pytest.raises(MissingInputError, match="absent"):
            read(tmp_path / "absent")

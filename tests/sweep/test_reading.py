"""What a sweep file may say, and what is told of one that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rlp_core.cli import main
from rlp_core.errors import ConfigError
from rlp_core.sweep import command, reading
from tests.sweep import files

METRIC = files.GRID["metric"]


def call(root: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--root", str(root), "sweep", *words])


def space(**domain: Any) -> dict[str, Any]:
    return {"space": {"rlp.temperature": domain}, "sampler": {"kind": "random"}, "trials": 2}


def test_sweeps_are_listed_with_their_size(tmp_path: Path) -> None:
    root = files.checkout(tmp_path)
    assert call(root, "list").output.split() == ["rate", "4", "trials", "Which", "rate"]
    assert "did you mean `rate`" in call(root, "run", "rat").output


def test_the_sweeps_of_the_project_can_be_planned() -> None:
    root = Path(__file__).resolve().parents[2]
    assert reading.names(root)
    for name in reading.names(root):
        assert command.opened(root, name).own


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trails": 3}, "did you mean `trials`"),
        ({"trials": 3}, "`trials` has no place in a grid"),
        ({"space": {}}, "`space`"),
        ({"space": {"rlp.tempature": [1.0, 0.9]}}, "did you mean `temperature`"),
        ({"space": {"rlp.temperature": ["hot", 1.0]}}, "rlp.temperature"),
        ({"space": {"rlp.temperature": [1.0, 1.0]}}, "1.0 stands twice"),
        ({"space": {"cpt.batch": [8, 16]}}, "`space.cpt.batch`: decides nothing of stage rlp"),
        ({"space": {"runtime.threads": [1, 2]}}, "`space.runtime.threads`: decides nothing"),
        ({"overrides": {"rlp": {"estimator": "raw"}}}, "is varied by `space` too"),
        ({"metric": METRIC | {"stage": "rpl"}}, "did you mean `rlp`"),
        ({"metric": METRIC | {"stage": "compare"}}, "no stage 'compare' has metrics"),
        (
            {"metric": METRIC | {"stage": "evaluate@rlp", "name": "pass_at_1_thinkin"}},
            "did you mean `pass_at_1_thinking`",
        ),
        ({"pruner": {"stage": "base", "column": "loss"}}, "'base' is no training stage of a trial"),
        ({"pruner": {"stage": "rlp", "column": "x", "percentile": 0.0}}, "`pruner.percentile`"),
        (space(kind="float", low=1.0, high=1.0), "`low` = 1.0 must be below"),
        (space(kind="float", low=0.0, high=1.0, log=True), "has no logarithm"),
        (space(kind="int", low=0, high=5, step=2), "a number of steps of 2"),
        (space(kind="float", low=1.0, high=2.0) | {"trials": None}, "has no end"),
        (space(kind="float", low=1.0, high=2.0) | {"sampler": {"kind": "grid"}}, "is a range"),
    ],
)
def test_what_cannot_be_is_told_before_any_work(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    root = files.checkout(tmp_path, files.GRID | change)
    with pytest.raises(ConfigError) as caught:
        files.run(root)
    assert said in str(caught.value)
    assert str(root / "sweeps" / "rate.yaml") in str(caught.value)
    assert not (root / "sweeps" / "rate").exists()
    assert not (root / ".rlp").exists()


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    change = {"space": {"rlp.temperature": ["hot"], "rlp.documents": [0]}}
    with pytest.raises(ConfigError) as caught:
        command.opened(files.checkout(tmp_path, files.GRID | change), "rate")
    assert {"rlp.temperature", "rlp.documents"} <= set(str(caught.value).split("`"))


def test_without_optuna_it_says_what_to_install(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    done = call(files.checkout(tmp_path), "run", "rate")
    assert "pip install 'rlp[sweep]'" in done.output
    assert "Traceback" not in done.output

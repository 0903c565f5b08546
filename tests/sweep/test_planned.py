"""The trials of a sweep are runs of the profile, but for overrides and the values of the space."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlp_core.errors import ConfigError
from rlp_core.params import load
from rlp_core.sweep import command, planned
from rlp_core.sweep.planned import decides
from rlp_core.tracking.lineage import StageSpec
from tests.sweep import files


def plan(root: Path, **change: object) -> planned.SweepPlan:
    return command.opened(files.checkout(root, files.GRID | change), "rate")


def test_only_what_is_said_differs(tmp_path: Path) -> None:
    root = tmp_path
    made = plan(root, overrides={"rlp.steps": 7})
    profile = load(root / "profiles" / "tiny.yaml").model_dump()
    run = made.trial(3, {"rlp.optimizer.lr": 0.5, "rlp.estimator": "grpo"})
    optimizer = profile["rlp"]["optimizer"] | {"lr": 0.5}
    changed = {"steps": 7, "estimator": "grpo", "optimizer": optimizer}
    assert run.params.model_dump() == profile | {"rlp": profile["rlp"] | changed}
    assert run.folder == root / "sweeps" / "rate" / "trial-0003"
    assert run.until == ("rlp",)


def test_a_grid_has_every_combination_once_the_last_key_first(tmp_path: Path) -> None:
    values = [tuple(of.values()) for of in planned.grid(plan(tmp_path).sweep)]
    assert values == [(0.001, "rloo"), (0.001, "grpo"), (0.01, "rloo"), (0.01, "grpo")]


@pytest.mark.parametrize(
    ("key", "stage", "shared", "own"),
    [
        ("rlp.documents", "rlp", "prepare validate base bootstrap", "rlp"),
        ("bootstrap.batch", "rlp", "prepare validate base", "bootstrap rlp"),
        ("seed", "base", "", "prepare validate base"),
        ("cpt.batch", "evaluate@cpt", "prepare validate base bootstrap rlp", "cpt evaluate@cpt"),
    ],
)
def test_what_no_parameter_decides_is_shared(
    tmp_path: Path, key: str, stage: str, shared: str, own: str
) -> None:
    metric = files.GRID["metric"] | {"stage": stage, "name": "pass_at_1_thinking"}
    made = plan(tmp_path, space={key: [8, 16]}, metric=metric)
    assert (" ".join(made.shared), " ".join(made.own)) == (shared, own)
    assert made.common().until == made.shared


def test_a_parameter_decides_the_stages_that_name_it_its_section_or_a_part_of_it() -> None:
    spec = StageSpec(("thought.open", "rlp"), (), ())
    assert all(decides(key, spec) for key in ("rlp", "rlp.optimizer.lr", "thought"))
    assert not any(decides(key, spec) for key in ("rl", "rlps.x", "thought.close"))


def test_null_is_a_value() -> None:
    tree = planned.with_values({"a": {"b": 1, "c": 2}}, {"a.b": None, "a.c": 3, "d.e": None})
    assert tree == {"a": {"b": None, "c": 3}, "d": {"e": None}}


def test_values_that_only_some_others_allow_are_possible(tmp_path: Path) -> None:
    space = {
        "rlp.min_thought_tokens": {"kind": "int", "low": 0, "high": 20},
        "thought.max_tokens": {"kind": "int", "low": 8, "high": 24},
    }
    made = plan(tmp_path, space=space, sampler={"kind": "random"}, trials=3)
    with pytest.raises(ConfigError, match="must be below"):
        made.trial(0, {"rlp.min_thought_tokens": 20, "thought.max_tokens": 8})
    with pytest.raises(ConfigError, match="an impossible sweep"):
        plan(
            tmp_path / "grid",
            space={"rlp.min_thought_tokens": [0, 20], "thought.max_tokens": [8, 24]},
        )

"""The section `rlp`: the paper stands where nothing is said, and what cannot be is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from rlp_core.config import RLPConfig
from rlp_core.errors import ConfigError
from rlp_core.objective import estimators
from rlp_core.objective.config import ObjectiveConfig
from rlp_core.params import load

ROOT = Path(__file__).resolve().parents[1]
TINY = yaml.safe_load((ROOT / "profiles" / "tiny.yaml").read_text(encoding="utf-8"))


def test_every_setting_has_a_default_and_the_objective_s_are_the_paper_s() -> None:
    usual = RLPConfig()
    objective = {name: getattr(usual, name) for name in ObjectiveConfig.model_fields}
    assert ObjectiveConfig(**objective) == ObjectiveConfig()


@pytest.mark.parametrize("estimator", estimators.names())
def test_one_thought_a_position_needs_an_estimator_that_compares_none(estimator: str) -> None:
    if not estimators.get(estimator).compares_group:
        assert RLPConfig(estimator=estimator, group_size=1).group_size == 1
        return
    with pytest.raises(ConfigError, match="must be at least 2, or take one of batch_centred, gae"):
        RLPConfig(estimator=estimator, group_size=1)


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, True),
        ({"estimator": "grpo"}, True),
        ({"estimator": "raw"}, False),
        ({"estimator": "gae"}, False),
        ({"reward_clip": 1.0}, False),
        ({"position_selection": "surprising"}, False),
    ],
)
def test_a_baseline_is_left_out_only_where_it_measures(
    changes: dict[str, Any], allowed: bool
) -> None:
    if allowed:
        assert RLPConfig(ema_every=2, **changes).ema_every == 2
        return
    with pytest.raises(ConfigError, match="leaves updates without baseline"):
        RLPConfig(ema_every=2, **changes)
    RLPConfig(ema_every=1, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"group_size": 0},
        {"positions": 0},
        {"horizon": 0},
        {"documents": 0},
        {"ema_every": 0},
        {"temperature": 0.0},
        {"final_temperature": 0.0},
        {"min_thought_tokens": -1},
        {"reward_clip": 0.0},
        {"discount": 1.01},
        {"clip_low": 1.0},
        {"clip_high": 0.0},
        {"kl_weight": -0.1},
        {"entropy_weight": float("nan")},
        {"ntp_weight": float("inf")},
        {"ema_decay": 1.0},
        {"estimator": "reinforce"},
        {"token_mean": "batch"},
        {"position_selection": "random"},
        {"value": {"gae_lambda": 1.1}},
        {"value": {"clip": 0.0}},
        {"replay": {"capacity": 0}},
        {"replay": {"max_age": 0}},
        {"importance_limit": 0.0},
        {"health": {"window": 2}},
        {"health": {"non_finite": 0}},
        {"audit": {"places": 0}},
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused_by_its_name(changes: dict[str, Any]) -> None:
    name, value = next(iter(changes.items()))
    inner = next(iter(value)) if isinstance(value, dict) else name
    with pytest.raises(ConfigError, match=inner):
        RLPConfig(**changes)


def test_the_best_model_needs_evaluations() -> None:
    assert RLPConfig(heldout={"every": 1, "keep": "best"}).heldout.keep == "best"
    with pytest.raises(ConfigError, match="`keep: best` needs `every`"):
        RLPConfig(heldout={"keep": "best"})


@pytest.mark.parametrize(
    ("least", "limit", "message"),
    [(4, 4, "must be below thought.max_tokens"), (0, 0, "`thought.max_tokens` = 0"), (3, 4, None)],
)
def test_a_thought_has_room_to_close(
    tmp_path: Path, least: int, limit: int, message: str | None
) -> None:
    tree = TINY | {
        "rlp": TINY["rlp"] | {"min_thought_tokens": least},
        "thought": TINY["thought"] | {"max_tokens": limit},
    }
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    if message is None:
        assert load(path).rlp.min_thought_tokens == least
        return
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert message in caught.value.what

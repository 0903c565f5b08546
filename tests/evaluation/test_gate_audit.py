"""The reward audit as a rule of the gate: it stops a hacked reward, and no clean one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rlp_core.evaluation.gate_audit import RULE, audited
from rlp_core.evaluation.item_files import ArmItems
from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.evaluation.statistics import Resampler
from tests.evaluation.reward_audit import simulated

AUDIT = RewardAudit(enabled=True)


def judged(
    plant: Callable[[simulated.Simulated], None] | None = None,
    settings: RewardAudit = AUDIT,
    texts: int = 40,
) -> list[dict[str, Any]]:
    made = simulated.clean(3, texts=texts)
    if plant is not None:
        plant(made)
    controls, audit, base = simulated.rows_of(made)
    winner = ArmItems((), (), (), controls=tuple(controls), audit=tuple(audit))
    before = ArmItems((), (), (), controls=tuple(base))
    return audited(winner, before, settings, Resampler(1, 500))


def test_a_clean_reward_may_become_champion() -> None:
    (reason,) = judged()
    assert (reason["rule"], reason["holds"], reason["measured"], reason["why"]) == (
        RULE, True, 0.0, ""
    )  # fmt: skip
    assert reason["clusters"] == 40


@pytest.mark.parametrize("plant", [simulated.sabotaged, simulated.constant, simulated.copied])
def test_a_hacked_one_may_not_and_the_alarm_is_named(
    plant: Callable[[simulated.Simulated], None],
) -> None:
    (reason,) = judged(plant)
    assert not reason["holds"]
    assert reason["measured"] >= 1
    assert reason["why"].startswith("it rings: ")


def test_too_few_texts_to_say_are_no_pass() -> None:
    (reason,) = judged(texts=3)
    assert not reason["holds"]
    assert "too few texts to say" in reason["why"]


def test_where_the_audit_is_off_no_rule_comes_of_it() -> None:
    assert judged(settings=RewardAudit()) == []

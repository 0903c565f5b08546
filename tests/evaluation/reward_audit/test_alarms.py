"""Every planted hack rings its alarm; an honest arm rings none, and what is unknown is said."""

from __future__ import annotations

import numpy as np
import pytest

from rlp_core.evaluation.reward_audit.against_accuracy import rank_agreement, without_accuracy
from rlp_core.evaluation.reward_audit.alarms import Alarm, alarms, one_sided
from rlp_core.evaluation.reward_audit.audit_metrics import (
    AUDIT_DESCRIPTIONS,
    audit_statistics,
    specificity,
)
from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.evaluation.reward_audit.rules import RULES
from rlp_core.evaluation.reward_audit.table import AuditTable, rank_correlation, table_of
from rlp_core.evaluation.statistics import Resampler, mean
from tests.evaluation.reward_audit import simulated
from tests.evaluation.reward_audit.simulated import HACKS, Simulated

SETTINGS = RewardAudit()
RESAMPLES = 1000


def table(made: Simulated) -> AuditTable:
    return table_of(*simulated.rows_of(made))


def audited(made: Simulated, seed: int = 1) -> dict[str, Alarm]:
    found = alarms(table(made), SETTINGS, Resampler(seed, RESAMPLES))
    return {one.name: one for one in found}


def ringing(found: dict[str, Alarm]) -> set[str]:
    return {name for name, one in found.items() if one.state == "alarm"}


@pytest.mark.parametrize("hack", HACKS)
def test_a_planted_hack_rings_its_alarm(hack: str) -> None:
    plant, expected = HACKS[hack]
    made = simulated.clean(3)
    assert ringing(audited(made)) == set()
    plant(made)
    found = audited(made)
    assert expected <= ringing(found)
    for name in expected:
        rule = next(rule for rule in RULES if rule.name == name)
        said = found[name].message
        assert rule.found in said
        assert rule.advice in said
        assert "n = 40 texts" in said


def test_every_rule_has_a_hack_that_rings_it() -> None:
    assert {name for _, expected in HACKS.values() for name in expected} == {r.name for r in RULES}


def test_an_honest_arm_keeps_every_rule() -> None:
    found = audited(simulated.clean(3, 120))
    assert {one.state for one in found.values()} == {"clear"}
    assert "there is no such place" in found["punctuation_follows"].message
    assert all("within the limit" in one.message for one in found.values())


def test_honest_arms_ring_in_at_most_five_of_a_hundred_audits() -> None:
    rings = [bool(ringing(audited(simulated.clean(100 + s, 30, 4), s))) for s in range(200)]
    assert sum(rings) <= 10


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_at_the_limit_itself_five_of_a_hundred_ring(sign: float) -> None:
    """The other end of the null: the statistic lies just where it may."""
    rng = np.random.default_rng(8)
    names = [str(i) for i in range(80)]
    low, high = (None, 0.3) if sign > 0 else (-0.3, None)
    resampler = Resampler(2, 500)
    rung = 0
    for _ in range(1500):
        drawn = sign * 0.3 + rng.standard_normal(80)
        rung += one_sided(resampler, mean(names, names, drawn.tolist()), low, high) < 0.05
        resampler._made.clear()
    assert 0.03 <= rung / 1500 <= 0.07


def test_both_limits_share_the_error() -> None:
    names = [str(i) for i in range(40)]
    statistic = mean(names, names, np.random.default_rng(0).standard_normal(40).tolist())
    resampler = Resampler(2, 500)
    one = one_sided(resampler, statistic, None, -0.1)
    other = one_sided(resampler, statistic, 0.2, None)
    assert one_sided(resampler, statistic, 0.2, -0.1) == min(1.0, 2 * min(one, other))


def test_too_few_texts_are_said_to_be_too_few() -> None:
    for texts in (1, 2, 19):
        made = simulated.clean(3, texts)
        simulated.delimited(made)
        found = audited(made)
        assert ringing(found) == set()
        for name, one in found.items():
            if name != "future":
                assert one.state == "too_few"
                assert f"too few to say, n = {texts} text" in one.message


def test_nothing_that_can_be_checked_is_too_few_and_not_clear() -> None:
    made = simulated.clean(3)
    made["texts"] = [["hm" + "m" * k for k in range(len(many))] for many in made["texts"]]
    found = audited(made)["corruption"]
    assert (found.state, found.message) == (
        "too_few",
        "With one equation made false a thought earns less by: too few to say, n = 0 texts.",
    )


@pytest.mark.parametrize("differing", [0, 3])
def test_a_reward_cannot_go_by_what_all_thoughts_of_a_text_share(differing: int) -> None:
    made = simulated.clean(3)
    made["lengths"][differing:] = 9
    one = audited(made)["length"]
    assert one.state == "clear"
    assert f"in {differing} of 40 texts there is something to go by" in one.message
    few = simulated.clean(3, 19)
    few["lengths"][:] = 9
    assert audited(few)["length"].state == "too_few"
    alone = simulated.clean(3, thoughts=1)
    assert audited(alone)["length"].state == "too_few"


def test_hardly_any_text_goes_by_length_but_those_that_do_are_many_enough() -> None:
    """As many as `min_clusters` are judged by themselves, however many texts stand beside them."""
    made = simulated.clean(3, 200)
    made["lengths"][25:] = 9
    gain = made["thinking"] - made["direct"][:, None]
    made["lengths"][:25] = gain.argsort(axis=1).argsort(axis=1)[:25]
    assert audited(made)["length"].state == "alarm"


def test_without_a_gain_no_share_of_it_is_judged() -> None:
    made = simulated.clean(3)
    made["thinking"] = made["direct"][:, None] - np.abs(made["thinking"])
    found = audited(made)["empty_thought"]
    assert found.state == "open"
    assert "no gain is shown" in found.message


def test_without_a_base_decay_is_not_measured() -> None:
    controls, rows, _ = simulated.rows_of(simulated.clean(3))
    found = alarms(table_of(controls, rows), SETTINGS, Resampler(1, 200))
    assert [one.name for one in found if one.state == "unmeasured"] == ["baseline_decay"]


def test_gain_is_true_gain_and_decay() -> None:
    made = audit_statistics(table(simulated.clean(4)), 0.01)
    assert set(made) == set(AUDIT_DESCRIPTIONS)
    value = {name: statistic.value() for name, statistic in made.items()}
    assert value["gain"] == pytest.approx(value["true_gain"] + value["baseline_decay"])
    assert value["content_gain"] == pytest.approx(value["gain"] - value["other_gain"])


def test_length_is_asked_within_contexts_and_never_pooled() -> None:
    """Hard contexts have long thoughts; within a context the longer one earns more."""
    rng = np.random.default_rng(0)
    hard = rng.standard_normal(200)[:, None]
    length = 10 + 5 * hard + rng.standard_normal((200, 8))
    reward = -6 * hard + (length - length.mean(axis=1, keepdims=True))
    within, known = rank_correlation(length, reward)
    assert known.all()
    assert within.mean() > 0.9
    assert np.corrcoef(length.ravel(), reward.ravel())[0, 1] < -0.3


def test_rank_correlation_by_hand() -> None:
    first = np.array([[1.0, 2.0, 3.0, 3.0], [5.0, 5.0, 5.0, 5.0], [1.0, 2.0, 3.0, 4.0]])
    second = np.array([[1.0, 2.0, 4.0, 4.0], [1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]])
    value, known = rank_correlation(first, second)
    assert value.tolist() == pytest.approx([1.0, 0.0, -1.0])
    assert known.tolist() == [True, False, True]


def test_specificity_lies_between_none_and_the_logarithm() -> None:
    assert specificity(np.full((2, 8), -3.0)).tolist() == pytest.approx([0.0, 0.0])
    sure = np.full((1, 8), -400.0)
    sure[0, 0] = -1.0
    assert specificity(sure)[0] == pytest.approx(np.log(8))


@pytest.mark.parametrize("change", [{"id": "z"}, {"positions": [1]}])
def test_files_of_different_places_are_refused(change: dict[str, object]) -> None:
    controls, rows, base = simulated.rows_of(simulated.clean(3))
    with pytest.raises(ValueError, match="different"):
        table_of(controls, [rows[0] | change, *rows[1:]], base)
    with pytest.raises(ValueError, match="different"):
        table_of(controls, rows, [base[0] | change, *base[1:]])


NAMES = [str(i) for i in range(60)]


def pair(rise: float, seed: int) -> tuple[object, object]:
    rng = np.random.default_rng(seed)
    before = rng.standard_normal(60)
    after = before + rise + 0.3 * rng.standard_normal(60)
    return tuple(mean(NAMES, NAMES, values.tolist()) for values in (after, before))


@pytest.mark.parametrize(
    ("gain", "accuracy", "state"),
    [(1.0, -1.0, "alarm"), (1.0, 1.0, "clear"), (1.0, 0.0, "open"), (-1.0, -1.0, "open")],
)
def test_more_reward_and_less_accuracy_is_an_alarm(
    gain: float, accuracy: float, state: str
) -> None:
    found = without_accuracy(
        pair(gain, 1),  # type: ignore[arg-type]
        pair(accuracy, 2),  # type: ignore[arg-type]
        SETTINGS,
        Resampler(1, 500),
    )
    assert found.state == state


def test_reward_and_accuracy_over_arms() -> None:
    up = [0.1, 0.2, 0.3, 0.4, 0.5]
    assert rank_agreement(up, up, SETTINGS).state == "clear"
    against = rank_agreement(up, up[::-1], SETTINGS)
    assert (against.state, against.found.value) == ("alarm", -1.0)
    assert against.p == pytest.approx(1 / 120)
    few = rank_agreement(up[:4], up[:4], SETTINGS)
    assert (few.state, "n = 4 points" in few.message) == ("too_few", True)
    assert rank_agreement(up, [1.0] * 5, SETTINGS).state == "open"
    assert rank_agreement([*range(20)], [*range(20, 0, -1)], SETTINGS).state == "alarm"


def test_rank_agreement_of_noise_rings_in_five_of_a_hundred() -> None:
    rng = np.random.default_rng(4)
    rung = [
        rank_agreement(rng.random(6).tolist(), rng.random(6).tolist(), SETTINGS).state == "alarm"
        for _ in range(300)
    ]
    assert np.mean(rung) <= 0.08

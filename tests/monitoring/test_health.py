"""The monitor: quiet on healthy curves, loud on collapses, the same after a resume."""

from __future__ import annotations

import json
import math
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.errors import EXIT_TRAINING, ConfigError
from rlp_core.monitoring.config import HealthConfig
from rlp_core.monitoring.health import Finding, Monitor, stopped
from rlp_core.monitoring.health_checks import HEALTH_CHECKS
from rlp_core.monitoring.rlvr_checks import RLVR_CHECKS

SETTINGS = HealthConfig()
STEADY = {
    "information_gain": 1.0,
    "reward_std": 1.0,
    "positive": 0.8,
    "thought_tokens": 9.0,
    "thought_tokens_std": 2.0,
    "forced": 0.01,
    "entropy": 0.5,
    "grad_norm": 1.0,
    "loss": 0.0,
    "skipped": 0.0,
}


def healthy(step: int, steps: int = 60) -> dict[str, float]:
    """The tiny profile's learning curve, with noise that repeats every three steps."""
    done = 1 - math.exp(-5 * step / steps)
    wobble = (-0.2, 0.0, 0.2)[step % 3]
    return {
        "information_gain": -1 + 3.3 * done + wobble,
        "reward_std": 3 - 2.9 * done,
        "positive": 0.3 + 0.69 * done,
        "thought_tokens": 3 + 10 * done,
        "thought_tokens_std": 3 - 2 * done,
        "forced": 0.01,
        "entropy": 0.7 * math.exp(-5 * step / steps) + 0.01,
        "grad_norm": 6 - 5.9 * done,
        "loss": 0.0,
        "skipped": 0.0,
    }


def collapsing(step: int) -> dict[str, float]:
    """An under-bootstrapped model: -9 nats within 40 steps, thoughts of one token."""
    done = min(1.0, step / 30)
    return {
        **STEADY,
        "information_gain": -0.2 - 8.8 * done,
        "reward_std": 2 * (1 - done),
        "positive": 0.4 * (1 - done),
        "thought_tokens": 1 + 8 * max(0.0, 1 - 1.5 * done),
        "thought_tokens_std": 2 * (1 - done),
        "entropy": 0.02 + 0.6 * (1 - done),
    }


def watch(rows, settings: HealthConfig = SETTINGS) -> tuple[Monitor, list[Finding]]:
    monitor = Monitor(settings)
    return monitor, [f for step, row in enumerate(rows) for f in monitor.observe(step, row)]


def begun(findings: list[Finding]) -> list[str]:
    return [finding.name for finding in findings if not finding.ended]


def changed(**values: float) -> list[str]:
    """What is found when a steady run changes to these values."""
    _, found = watch([STEADY] * 15 + [STEADY | values] * 30)
    return begun(found)


def test_a_healthy_run_has_no_collapse_and_no_warning():
    monitor, found = watch([healthy(step) for step in range(120)])
    assert {f.severity for f in found} <= {"note"}
    assert "low_entropy" in begun(found)  # it is seen, and told as what it is: settled
    assert monitor.collapsed is None
    assert monitor.well


def test_a_collapse_is_named_once_with_numbers_and_advice():
    monitor, found = watch([collapsing(step) for step in range(60)])
    worst = monitor.collapsed
    assert worst is not None
    assert worst.name == "gain_collapsed"
    assert 10 <= worst.since < worst.step <= 40
    assert "-" in worst.message
    assert "rlp.optimizer.lr" in worst.advice
    assert "collapsed_to_empty" in begun(found)
    assert len(begun(found)) == len(set(begun(found)))
    assert not monitor.well


def test_the_last_good_step_lies_before_the_fall():
    monitor = Monitor(SETTINGS)
    good = []
    for step in range(60):
        monitor.observe(step, collapsing(step))
        if monitor.well:
            good.append(step)
    assert good
    unit = median(collapsing(step)["reward_std"] for step in range(SETTINGS.window))
    assert collapsing(good[-1])["information_gain"] > -0.2 - SETTINGS.collapse * unit


def test_nothing_but_non_finite_values_is_said_in_the_first_window():
    bad = {"information_gain": -50.0, "reward_std": 0.0, "thought_tokens": 1.0, "forced": 0.0}
    _, found = watch([bad] * (SETTINGS.window - 1))
    assert found == []
    _, found = watch([bad] * 5 + [bad | {"loss": math.nan}])
    assert begun(found) == ["non_finite"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("gain_falls", {"information_gain": -0.6}),
        ("gain_collapsed", {"information_gain": -4.0, "positive": 0.0}),
        ("empty_thoughts", {"thought_tokens": 1.1}),
        ("collapsed_to_empty", {"thought_tokens": 1.1, "reward_std": 0.001}),
        ("flat_rewards", {"reward_std": 0.01}),
        ("one_length", {"thought_tokens_std": 0.0}),
        ("forced_thoughts", {"forced": 0.7}),
        ("low_entropy", {"entropy": 0.001}),
        ("high_entropy", {"entropy": 3.0}),
        ("high_gradient", {"grad_norm": 40.0}),
    ],
)
def test_each_symptom_is_found_and_a_steady_run_has_none(name, values):
    assert name in changed(**values)
    assert changed() == []


@pytest.mark.parametrize(
    "values",
    [
        {"information_gain": -2.5, "positive": 0.0},  # a fall, but not of collapse's depth from 1
        {"information_gain": -9.0, "positive": 0.4},  # some places rule the mean; many are helped
        {"thought_tokens": 1.0, "forced": 1.0, "reward_std": 0.0},  # L is 1: cut, not empty
        {"thought_tokens": 1.0, "reward_std": 0.5},  # empty, but something is left to learn
        {"entropy": 0.0},
        {"reward_std": 0.0},
    ],
)
def test_what_is_bad_but_no_collapse(values):
    rows = [STEADY | {"information_gain": 0.4}] * 15 + [STEADY | values] * 30
    assert watch(rows)[0].collapsed is None


@pytest.mark.parametrize("name", ["flat_rewards", "low_entropy", "one_length"])
def test_a_run_that_has_learnt_and_settled_is_noted_not_warned(name):
    settled = STEADY | {
        "information_gain": 2.0, "reward_std": 0.0, "entropy": 0.0, "thought_tokens_std": 0.0,
    }  # fmt: skip
    _, found = watch([STEADY] * 10 + [settled] * 30)
    assert [f.severity for f in found if f.name == name] == ["note"]
    _, found = watch([STEADY] * 10 + [settled | {"information_gain": 0.5}] * 30)
    assert [f.severity for f in found if f.name == name] == ["warning"]


def test_one_odd_step_says_nothing():
    odd = STEADY | {"information_gain": -40.0, "positive": 0.0, "reward_std": 0.0, "entropy": 9.0}
    assert begun(watch([STEADY] * 15 + [odd] + [STEADY] * 15)[1]) == []


def test_a_finding_is_told_when_it_begins_and_when_it_ends():
    bad = STEADY | {"forced": 0.9}
    _, found = watch([STEADY] * 10 + [bad] * 20 + [STEADY] * 30 + [bad] * 20)
    told = [(f.name, f.ended) for f in found]
    name = "forced_thoughts"
    assert told == [(name, False), (name, True), (name, False)]
    assert found[0].since < found[0].step < found[1].step
    assert "over at step" in str(found[1])


def test_what_flickers_is_told_once():
    rows = [STEADY | {"grad_norm": 40.0 if step % 4 == 3 else 1.0} for step in range(60)]
    assert begun(watch(rows)[1]) == ["high_gradient"]


def test_a_settled_run_may_have_a_larger_gradient_again():
    rows = [STEADY | {"grad_norm": 5.0}] * 10 + [STEADY | {"grad_norm": 0.001}] * 80
    assert begun(watch([*rows, STEADY | {"grad_norm": 0.5}])[1]) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["loss", "information_gain", "grad_norm", "own_metric"])
def test_three_non_finite_steps_in_a_row_are_a_collapse(name, value):
    bad = STEADY | {name: value}
    monitor, found = watch([bad, bad, STEADY, bad, bad])
    assert begun(found) == ["non_finite"]
    assert name in found[0].message
    assert monitor.collapsed is None
    assert not monitor.well
    begins = monitor.observe(5, bad)
    assert [f.name for f in begins] == ["non_finite_steps"]
    assert monitor.collapsed == begins[0]
    assert begins[0].since == 3


def test_a_skipped_step_counts_as_one_that_could_not_be_made():
    monitor, _ = watch([STEADY | {"skipped": 1.0}] * 3)
    assert monitor.collapsed is not None


def test_non_finite_steps_leave_the_medians_alone():
    bad = STEADY | {"information_gain": math.nan, "reward_std": 0.0, "entropy": 50.0}
    rows = [bad if step % 2 else STEADY for step in range(80)]
    assert begun(watch(rows)[1]) == ["non_finite"]


@given(st.sets(st.sampled_from(sorted(STEADY))))
def test_any_metric_may_be_absent(absent):
    rows = [{k: v for k, v in collapsing(step).items() if k not in absent} for step in range(50)]
    worst = watch(rows)[0].collapsed
    if absent & {"reward_std"} or absent >= {"information_gain", "thought_tokens"}:
        assert worst is None  # without a spread nothing says what many nats are
    else:
        assert worst is not None


metric = st.floats(-20, 20) | st.just(math.nan) | st.just(0.0)
rows_of_any_run = st.lists(
    st.fixed_dictionaries({}, optional={name: metric for name in STEADY if name != "skipped"}),
    max_size=40,
)


@given(rows_of_any_run, st.integers(0, 40))
def test_a_resumed_monitor_says_what_an_unbroken_one_says(rows, cut):
    settings = SETTINGS.model_copy(update={"window": 3, "patience": 2})
    whole, found = watch(rows, settings)
    first, before = watch(rows[:cut], settings)
    resumed = Monitor(settings)
    resumed.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    after = [
        f for step, row in enumerate(rows[cut:], start=cut) for f in resumed.observe(step, row)
    ]
    assert before + after == found
    assert resumed.state() == whole.state()
    assert (resumed.collapsed, resumed.well) == (whole.collapsed, whole.well)


UNITS = ("information_gain", "reward_std", "grad_norm")
"""Metrics that are counted in the reward's unit."""


def scaled(row: dict[str, float], factor: float) -> dict[str, float]:
    return {name: value * factor if name in UNITS else value for name, value in row.items()}


def what_and_when(rows, settings: HealthConfig = SETTINGS) -> tuple[list[tuple], list[bool]]:
    """What is found, but for its numbers; and whether each step is one to go back to."""
    monitor, found, well = Monitor(settings), [], []
    for step, row in enumerate(rows):
        found += [
            (f.name, f.severity, f.since, f.step, f.ended) for f in monitor.observe(step, row)
        ]
        well.append(monitor.well)
    return found, well


@pytest.mark.parametrize("curve", [healthy, collapsing])
@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_a_run_whose_gains_are_a_hundredth_is_judged_alike(curve, factor):
    """As where one token of prose is predicted, not the digit that a calculation leads to."""
    rows = [curve(step) for step in range(120)]
    found, well = what_and_when(rows)
    assert found
    assert what_and_when([scaled(row, factor) for row in rows]) == (found, well)


spread = st.just(0.0) | st.floats(1e-3, 20)
rows_of_a_sane_run = st.lists(
    st.fixed_dictionaries(
        {name: st.floats(-20, 20) for name in ("information_gain", "entropy")},
        optional={
            "reward_std": spread,
            "grad_norm": spread,
            "positive": st.floats(0, 1),
            "forced": st.floats(0, 1),
            "thought_tokens": st.floats(0, 9),
        },
    ),
    max_size=40,
)


@given(rows_of_a_sane_run, st.sampled_from([2.0**-7, 2.0**-3, 2.0**7]))
def test_no_finding_changes_with_the_unit(rows, factor):
    """Factors that change no digit of a float, so that ties stay ties."""
    settings = SETTINGS.model_copy(update={"window": 3, "patience": 2})
    assert what_and_when([scaled(row, factor) for row in rows], settings) == what_and_when(
        rows, settings
    )


@pytest.mark.parametrize("factor", [1.0, 0.01])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("gain_falls", {"information_gain": -0.6}),
        ("gain_collapsed", {"information_gain": -4.0, "positive": 0.0}),
        ("flat_rewards", {"reward_std": 0.01}),
    ],
)
def test_limits_are_multiples_of_the_first_windows_spread(name, values, factor):
    steady = scaled(STEADY, factor)
    assert begun(watch([steady] * 45)[1]) == []
    assert name in begun(watch([steady] * 15 + [steady | scaled(values, factor)] * 30)[1])


def test_a_settled_run_of_small_gains_is_noted_not_warned():
    start, settled = {"information_gain": 0.001}, {"information_gain": 0.02, "reward_std": 0.0}
    rows = [scaled(STEADY, 0.01) | start] * 10 + [scaled(STEADY, 0.01) | settled] * 30
    _, found = watch(rows)
    assert [(f.name, f.severity) for f in found] == [("flat_rewards", "note")]


def test_one_odd_first_step_does_not_set_the_limits():
    odd = STEADY | {"reward_std": 500.0}
    _, found = watch([odd] + [STEADY] * 14 + [STEADY | {"reward_std": 0.01}] * 30)
    assert begun(found) == ["flat_rewards"]


def test_equal_rewards_are_flat_and_say_nothing_of_the_scale():
    """The unit is that of the first steps whose rewards differ, however late they come."""
    equal = STEADY | {"reward_std": 0.0}
    monitor, found = watch([equal | {"information_gain": -50.0, "positive": 0.0}] * 40)
    assert begun(found) == ["flat_rewards"]
    assert monitor.collapsed is None
    fallen = STEADY | {"information_gain": -4.0, "positive": 0.0}
    _, found = watch([equal] * 30 + [STEADY] * 15 + [fallen] * 30)
    assert {"gain_falls", "gain_collapsed"} <= set(begun(found))


def test_what_is_remembered_is_bounded():
    few, many = (watch([healthy(step) for step in range(n)])[0] for n in (200, 2000))
    assert len(json.dumps(many.state())) < 1.1 * len(json.dumps(few.state()))


def test_the_error_says_what_since_when_where_and_what_to_change():
    monitor, _ = watch([collapsing(step) for step in range(60)])
    worst = monitor.collapsed
    assert worst is not None
    error = stopped(worst, ".rlp/scratch/rlp/step-12")
    assert error.exit_code == EXIT_TRAINING
    for part in (worst.name, f"step {worst.since}", ".rlp/scratch/rlp/step-12", "rlp.optimizer.lr"):
        assert part in str(error)
    assert "no good checkpoint" in str(stopped(worst, None))


@pytest.mark.parametrize(
    "wrong", [{"window": 2}, {"patience": 0}, {"collapse": 0.1}, {"falling": 4.0}, {"rare": 1.5}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"must be at least|greater than|less than"):
        HealthConfig(**wrong)


def test_every_finding_has_its_section_in_the_guide():
    from tests.conftest import E2E

    guide = (E2E.parents[1] / "docs" / "guides" / "when-a-run-is-unwell.md").read_text("utf-8")
    checks = [check.name for check in (*HEALTH_CHECKS, *RLVR_CHECKS)]
    for name in [*checks, "non_finite", "non_finite_steps"]:
        assert f"`{name}`" in guide

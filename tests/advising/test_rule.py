"""The rule on its cases, and that what it says of its figures is so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.advising.criteria import THRESHOLDS
from rlp_core.advising.rule import TWICE, WORDS, advise, decide
from tests.advising.cases import counts, criteria, names, share, soundness

MET = st.fixed_dictionaries({name: st.booleans() for name in names()})

NEVER_HELPS = {"solved": share(0.1), "helped": share(0.0, 0.005)}
SOMETIMES_HELPS = {"solved": share(0.1), "helped": share(0.2, 0.05)}


@pytest.mark.parametrize(
    ("figures", "recommended"),
    [
        pytest.param(NEVER_HELPS, "imitation", id="plentiful sound demonstrations"),
        pytest.param(NEVER_HELPS | counts(200), "both", id="few"),
        pytest.param(NEVER_HELPS | {"shown": share(0.25)}, "both", id="experts who answer bare"),
        pytest.param(NEVER_HELPS | soundness(0.7), "both", id="some unsound"),
        pytest.param(NEVER_HELPS | soundness(0.1), "neither", id="unsound, thoughts never help"),
        pytest.param(SOMETIMES_HELPS | soundness(0.1), "rlp", id="unsound, thoughts help"),
        pytest.param(soundness(0.1), "undecided", id="unsound, model not tried"),
        pytest.param({"solved": share(0.99, 0.005)}, "neither", id="model that solves already"),
        pytest.param(NEVER_HELPS | counts(0), "neither", id="nothing shown, thoughts never help"),
        pytest.param(SOMETIMES_HELPS | counts(0), "rlp", id="nothing shown, thoughts help"),
        pytest.param(counts(0), "undecided", id="nothing shown, model not tried"),
        pytest.param(
            SOMETIMES_HELPS | counts(0) | {"text": 20}, "neither", id="nothing shown, little text"
        ),
        pytest.param(NEVER_HELPS | counts(200) | {"text": 20}, "imitation", id="few, little text"),
        pytest.param(
            NEVER_HELPS | {"sound": None, "usable": None}, "imitation", id="not checkable"
        ),
    ],
)
def test_each_case_gets_its_recommendation(figures: dict[str, Any], recommended: str) -> None:
    assert advise(criteria(**figures)).recommendation == recommended


def test_what_is_far_from_every_threshold_is_sure() -> None:
    assert advise(criteria(**NEVER_HELPS)).borderline == ()
    assert advise(criteria(**NEVER_HELPS, **counts(200))).borderline == ()


@pytest.mark.parametrize(
    ("figures", "name", "otherwise"),
    [
        (NEVER_HELPS | counts(900), "plenty", "imitation"),
        (NEVER_HELPS | counts(1100), "plenty", "both"),
        (NEVER_HELPS | soundness(0.92, 0.03), "sound", "both"),
        (SOMETIMES_HELPS | counts(30), "begin", "both"),
        ({"solved": share(0.1), "helped": share(0.03, 0.02)} | counts(0), "helped", "neither"),
        (counts(0), "helped", "rlp"),
        (NEVER_HELPS | {"sound": None, "usable": None}, "sound", "both"),
    ],
)
def test_what_is_near_a_threshold_or_unknown_is_borderline(
    figures: dict[str, Any], name: str, otherwise: str
) -> None:
    unsure = {d.criterion.name: d.otherwise for d in advise(criteria(**figures)).borderline}
    assert unsure[name] == otherwise


def consistent(met: dict[str, bool]) -> bool:
    return all(met[lower] or not met[upper] for lower, upper in TWICE)


@given(MET.filter(consistent), st.booleans())
def test_better_data_never_take_imitation_away(met: dict[str, bool], tried: bool) -> None:
    """More, sounder, more explicit demonstrations never turn imitation or both into less."""
    before, reason = decide(met, tried=tried)
    assert before in WORDS
    assert reason.endswith((".", "--model."))
    for name in ("begin", "plenty", "usable", "sound", "shown"):
        after, _ = decide(met | {name: True}, tried=tried)
        if before == "imitation":
            assert after in ("imitation", "both")
            assert after == "imitation" or not met["text"]
        if before == "both":
            assert after in ("imitation", "both")


@given(MET.filter(consistent), st.booleans())
def test_nothing_is_recommended_that_cannot_be_done(met: dict[str, bool], tried: bool) -> None:
    found, _ = decide(met, tried=tried)
    if found in ("imitation", "both"):
        assert met["begin"]
        assert met["usable"]
    if found in ("rlp", "both"):
        assert met["text"]
    if found == "rlp":
        assert met["helped"]
    assert (found == "undecided") <= (not tried and not met["solved"])


@given(MET.filter(consistent))
def test_a_decider_is_one_whose_other_side_changes_the_recommendation(
    met: dict[str, bool],
) -> None:
    figures = {
        name: (share(0.999 if met[name] else 0.0) if THRESHOLDS[name].share else None)
        for name in names()
    }
    number = 5000 if met["plenty"] else 200 if met["begin"] else 3
    figures |= counts(number) | {"text": 5000 if met["text"] else 3}
    figures |= soundness(1.0 if met["sound"] else 0.7 if met["usable"] else 0.1)
    made = criteria(**figures)
    assert {name: one.met for name, one in made.items()} == met
    found = advise(made)
    assert found.borderline == ()
    named = {d.criterion.name: d.otherwise for d in found.deciders}
    for name, otherwise in named.items():
        assert otherwise != found.recommendation
        assert decide(met | {name: not met[name]}, tried=True)[0] == otherwise
    assert ("begin" in named) <= (not met["plenty"])
    assert ("plenty" in named) <= met["begin"]


@pytest.mark.parametrize("name", names())
def test_every_threshold_says_why_and_where_it_is_from(name: str) -> None:
    one = THRESHOLDS[name]
    assert one.low < one.value < one.high
    assert one.reason
    assert one.measured
    assert not one.share or one.high < 1

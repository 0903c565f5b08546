"""Reward terms: what every one must keep, and what one that does not keep it is told."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.errors import EXIT_SOFTWARE, ConfigError, PluginError
from rlp_core.objective import reward_terms
from rlp_core.objective.reward_terms import FinishedThought, RewardTerm, measure, shaping

nats = st.floats(-50, 0)
thoughts = st.builds(
    FinishedThought,
    tokens=st.lists(st.integers(0, 300), min_size=1, max_size=9),
    text=st.text(max_size=20),
    closed=st.booleans(),
    following=st.text(max_size=9),
    predicted=nats,
    baseline=nats,
    record=st.none(),
    position=st.integers(1, 99),
    limit=st.integers(9, 40),
    controls=st.integers(0, 2),
)
THOUGHT = FinishedThought([5, 6, 7], "3-4=9", False, "2", -1.5, -2.5, None, 4, 24, 0)


@pytest.mark.parametrize("name", reward_terms.names())
@given(thoughts)
def test_a_term_gives_the_same_finite_number_for_the_same_thought(
    name: str, thought: FinishedThought
) -> None:
    twin = dataclasses.replace(thought, tokens=list(thought.tokens))
    found = measure(name, thought)
    assert math.isfinite(found)
    assert measure(name, twin) == found
    assert thought == twin  # it is left as it was


@pytest.mark.parametrize("name", reward_terms.names())
def test_a_term_says_its_unit_and_what_it_measures(name: str) -> None:
    assert reward_terms.get(name).unit
    assert reward_terms.get(name).summary.endswith(".")


@given(thoughts)
def test_the_tokens_of_a_thought_are_counted_as_they_were_drawn(thought: FinishedThought) -> None:
    assert measure("thought_tokens", thought) == len(thought.tokens)


@given(thoughts)
def test_closed_tells_who_closed_the_thought(thought: FinishedThought) -> None:
    assert measure("closed", thought) == (1 if thought.closed else 0)


@given(st.integers(1, 5000), st.data())
def test_overlong_is_equation_13_of_dapo(limit: int, data: st.DataObject) -> None:
    """Its L_cache is a fifth of its L_max."""
    length = data.draw(st.integers(1, limit))
    thought = dataclasses.replace(THOUGHT, tokens=[7] * length, limit=limit)
    longest, cache = Fraction(limit), Fraction(limit, 5)
    expected = Fraction(0) if length <= longest - cache else (longest - cache - length) / cache
    assert measure("overlong", thought) == pytest.approx(float(expected), abs=1e-9)
    forced = dataclasses.replace(THOUGHT, tokens=[7] * limit, limit=limit)
    assert measure("overlong", forced) == pytest.approx(-1.0, abs=1e-9)


@given(thoughts)
def test_overlong_is_bounded_and_never_rises_with_length(thought: FinishedThought) -> None:
    longer = dataclasses.replace(thought, tokens=[*thought.tokens, 7])
    assert -1 <= measure("overlong", longer) <= measure("overlong", thought) <= 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"closed": True}, 1.0),
        ({"closed": False}, 0.0),
        ({"closed": True, "text": ""}, 0.0),
        ({"closed": True, "text": " \n"}, 0.0),
        ({"closed": True, "controls": 1}, 0.0),
    ],
)
def test_a_well_formed_thought_closes_says_something_and_holds_no_control_token(
    changes: dict[str, Any], expected: float
) -> None:
    assert measure("well_formed", dataclasses.replace(THOUGHT, **changes)) == expected


@given(
    st.dictionaries(st.sampled_from("abc"), st.floats(-5, 5).filter(bool)),
    st.lists(st.floats(-9, 9), min_size=3, max_size=3),
)
def test_terms_add_up_by_their_weights(weights: dict[str, float], values: list[float]) -> None:
    measured = dict(zip("abc", values, strict=True))
    expected = math.fsum(weights[name] * measured[name] for name in weights)
    assert shaping(weights, measured) == pytest.approx(expected)


@pytest.fixture
def giving(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the term `closed` give something else."""

    def put(function: Any) -> None:
        term = RewardTerm(function, "nats")
        monkeypatch.setattr(reward_terms, "get", lambda *_: term)

    return put


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (math.nan, "gave nan, not a finite number"),
        (math.inf, "gave inf, not a finite number"),
        (-math.inf, "gave -inf, not a finite number"),
        (torch.zeros(3), r"gave a Tensor of shape \[3\], not one number"),
        (torch.zeros(()), r"gave a Tensor of shape \[\], not one number"),
        (np.zeros((2, 1)), r"gave a ndarray of shape \[2, 1\], not one number"),
        (True, "gave a bool True, not one number"),
        ("0.5", "gave a str '0.5', not one number"),
        (None, "gave a NoneType None, not one number"),
        ([0.5], r"gave a list \[0.5\], not one number"),
        (1j, "gave a complex 1j, not one number"),
    ],
)
def test_what_is_no_finite_number_is_told_with_term_and_thought(
    giving: Any, value: Any, words: str
) -> None:
    giving(lambda _: value)
    with pytest.raises(PluginError, match=f"the reward term `closed` {words}") as caught:
        measure("closed", THOUGHT)
    assert "rlp_core.objective.reward_terms.closed" in caught.value.where
    assert repr(THOUGHT.text) in caught.value.where
    assert "add-a-reward-term.md" in caught.value.fix
    assert caught.value.exit_code == EXIT_SOFTWARE


@pytest.mark.parametrize("value", [3, 0.5, np.float64(0.5), -2])
def test_what_is_a_number_is_taken(giving: Any, value: Any) -> None:
    giving(lambda _: value)
    assert measure("closed", THOUGHT) == value
    assert type(measure("closed", THOUGHT)) is float


def test_a_term_that_raises_is_told_with_term_and_thought(giving: Any) -> None:
    giving(lambda thought: thought.record.text)
    with pytest.raises(PluginError, match="`closed` raised AttributeError: 'NoneType'") as caught:
        measure("closed", THOUGHT)
    assert repr(THOUGHT.text) in caught.value.where
    assert isinstance(caught.value.__cause__, AttributeError)


def test_a_number_that_no_float_holds_is_told(giving: Any) -> None:
    giving(lambda _: 10**400)
    with pytest.raises(PluginError, match="`closed` raised OverflowError: int too large"):
        measure("closed", THOUGHT)


@pytest.mark.parametrize(
    "changes", [{"predicted": math.nan}, {"predicted": -math.inf}, {"baseline": math.nan}]
)
def test_a_term_of_scores_that_are_not_finite_is_not_to_blame(giving: Any, changes: Any) -> None:
    """The step is skipped for its scores, as it is without terms."""
    giving(lambda thought: thought.predicted - thought.baseline)
    assert not math.isfinite(measure("closed", dataclasses.replace(THOUGHT, **changes)))


def test_a_step_without_a_baseline_has_scores_that_are_finite(giving: Any) -> None:
    giving(lambda _: math.nan)
    with pytest.raises(PluginError, match="gave nan"):
        measure("closed", dataclasses.replace(THOUGHT, baseline=None))


def test_an_unknown_term_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean `thought_tokens`"):
        measure("thought_token", THOUGHT)

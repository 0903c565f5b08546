"""Reward terms: what may be added to the information gain of a thought, one file each.

    reward = (S_pred - S_ema) + sum over terms of weight * term(thought)

`rlp.reward_terms` names the terms of a run and their weights; the paper has none. Each is logged
by its name at every step. docs/guides/add-a-reward-term.md.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping

from rlp_core.errors import PluginError
from rlp_core.objective.reward_terms._reward_term import FinishedThought, RewardTerm, reward_term
from rlp_core.registry import Registry

__all__ = [
    "FinishedThought",
    "RewardTerm",
    "built_in",
    "get",
    "measure",
    "names",
    "reward_term",
    "shaping",
]

_REGISTRY = Registry(
    package="rlp_core.objective.reward_terms",
    group="rlp.reward_terms",
    noun="reward term",
    guide="docs/guides/add-a-reward-term.md",
)

built_in = _REGISTRY.built_in
names = _REGISTRY.names

_TAKEN = "std"
"""`reward_std` is another metric of every step."""


@functools.cache
def get(name: str) -> RewardTerm:
    """The reward term of a name; its file is imported at the first call.

    Raises:
        ConfigError: there is none; the message names the nearest.
        PluginError: its file does not import, or declares no reward term or several; or its metric
            would have the name of another.
    """
    found: RewardTerm = _REGISTRY.declared(name, RewardTerm)
    if name == _TAKEN:
        raise _REGISTRY.fault(
            name, f"must be called otherwise: `reward_{name}` is a metric already"
        )
    if not found.summary:
        raise _REGISTRY.fault(name, "has no docstring to say what it measures")
    return found


def measure(name: str, thought: FinishedThought) -> float:
    """What a term says of a thought.

    Raises:
        PluginError: it raised, or gave something else than a finite number. Of scores that are not
            finite themselves it may make what it can: such a step changes no parameter.
    """
    term = get(name)
    try:
        value = term.function(thought)
        number = float(value) if isinstance(value, int | float) else None
    except Exception as error:
        raise _wrong(name, f"raised {type(error).__name__}: {error}", thought) from error
    if number is None or isinstance(value, bool):
        shape = list(value.shape) if hasattr(value, "shape") else None
        told = f"of shape {shape}" if shape is not None else repr(value)
        raise _wrong(name, f"gave a {type(value).__name__} {told}, not one number", thought)
    sound = all(map(math.isfinite, (thought.predicted, thought.baseline or 0.0)))
    if sound and not math.isfinite(number):
        raise _wrong(name, f"gave {number}, not a finite number", thought)
    return number


def shaping(weights: Mapping[str, float], measured: Mapping[str, float]) -> float:
    """What the terms add to the reward of a thought, in nats."""
    return sum(weight * measured[name] for name, weight in weights.items())


def _wrong(name: str, what: str, thought: FinishedThought) -> PluginError:
    return PluginError(
        f"the reward term `{name}` {what}",
        where=f"{_REGISTRY.where(name)}, for the thought {thought.text[:60]!r}",
        fix="mend its function; docs/guides/add-a-reward-term.md says what it takes and gives",
    )

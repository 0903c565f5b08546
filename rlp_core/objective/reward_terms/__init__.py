"""Reward terms: what may be added to the information gain of a thought, one file each.

    reward = (S_pred - S_ema) + sum over terms of weight * term(thought)

`rlp.reward_terms` names the terms of a run and their weights; the paper has none. Each is logged
by its name at every step. A function of a user's own is named by its import path, MODULE:FUNCTION,
and lies in `rlp.reward_folder`. docs/guides/add-a-reward-term.md.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rlp_core.errors import ConfigError, RewardTermError
from rlp_core.objective.reward_terms import _own
from rlp_core.objective.reward_terms._reward_term import FinishedThought, RewardTerm, reward_term
from rlp_core.registry import Registry

__all__ = [
    "FinishedThought",
    "RewardTerm",
    "built_in",
    "check_names",
    "get",
    "is_own",
    "label",
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
is_own = _own.is_own

_TAKEN = "std"
"""`reward_std` is another metric of every step."""


def label(name: str) -> str:
    """What a term is called in metrics, `reward_LABEL`: its name, or that of the function."""
    return name.rpartition(":")[2]


def check_names(chosen: Sequence[str]) -> None:
    """See that the terms of a run can be, as far as their names say; own files are not looked for.

    Raises:
        ConfigError: a name is unknown, or is no import path; or two would be one metric.
        PluginError: as `get`, of a term that is no function of one's own.
    """
    labels = Counter(map(label, chosen))
    for name in chosen:
        if not is_own(name):
            get(name)
            continue
        _own.split(name)
        metric = label(name)
        taken = metric == _TAKEN or metric in names()
        if taken or labels[metric] > 1:
            raise ConfigError(
                f"`{name}` would be logged as `reward_{metric}`, which is another metric",
                where="rlp.reward_terms",
                fix="give the function a name of its own",
            )


@functools.cache
def get(name: str, folder: str = "") -> RewardTerm:
    """The reward term of a name; its file is imported at the first call.

    Args:
        name: of a file of this package or of an entry point; or an import path.
        folder: that a function of one's own lies in.

    Raises:
        ConfigError: there is none; the message names the nearest.
        MissingInputError: the module of an import path is not in the folder.
        PluginError: its file does not import, or declares no reward term or several; or its metric
            would have the name of another.
    """
    if is_own(name):
        return _own.load(name, Path(folder))
    found: RewardTerm = _REGISTRY.declared(name, RewardTerm)
    if name == _TAKEN:
        raise _REGISTRY.fault(
            name, f"must be called otherwise: `reward_{name}` is a metric already"
        )
    if not found.summary:
        raise _REGISTRY.fault(name, "has no docstring to say what it measures")
    return found


def measure(name: str, thought: FinishedThought, folder: str = "") -> float:
    """What a term says of a thought.

    Args:
        name, folder: as of `get`.
        thought: drawn and scored.

    Raises:
        RewardTermError: it raised, or gave something else than a finite number. Of scores that are
            not finite themselves it may make what it can: such a step changes no parameter.
    """
    term = get(name, folder)
    try:
        value = term.function(thought)
        number = float(value) if isinstance(value, int | float) else None
    except Exception as error:
        raise _wrong(name, f"raised {type(error).__name__}: {error}", thought, folder) from error
    if number is None or isinstance(value, bool):
        shape = list(value.shape) if hasattr(value, "shape") else None
        told = f"of shape {shape}" if shape is not None else repr(value)
        what = f"gave a {type(value).__name__} {told}, not one number"
        raise _wrong(name, what, thought, folder)
    sound = all(map(math.isfinite, (thought.predicted, thought.baseline or 0.0)))
    if sound and not math.isfinite(number):
        raise _wrong(name, f"gave {number}, not a finite number", thought, folder)
    return number


def shaping(weights: Mapping[str, float], measured: Mapping[str, float]) -> float:
    """What the terms add to the reward of a thought, in nats."""
    return sum(weight * measured[name] for name, weight in weights.items())


def _wrong(name: str, what: str, thought: FinishedThought, folder: str) -> RewardTermError:
    place = f"{name} in {folder}" if is_own(name) else _REGISTRY.where(name)
    return RewardTermError(
        f"the reward term `{name}` {what}",
        where=f"{place}, for the thought {thought.text[:60]!r}",
        fix="mend its function; docs/guides/add-a-reward-term.md says what it takes and gives",
    )

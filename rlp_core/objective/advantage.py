"""From rewards to advantages, by the estimator that is named; the estimators are in `estimators`.

Letters: N positions to think at, G thoughts at each, R = N G thoughts, M thought tokens in all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rlp_core.errors import PluginError
from rlp_core.objective import estimators


def advantages(estimator: str, rewards: Tensor) -> Tensor:
    """One advantage per thought.

    Args:
        estimator: which of `rlp_core.objective.estimators`; one of a token is no function of the
            rewards alone: see `token_advantages`.
        rewards: [N, G] of the *whole* step: `batch_centred` is another thing on a part of it.

    Returns:
        [N, G], a constant for the gradient.

    Raises:
        ConfigError: no estimator has this name.
        ValueError: it is one of a token, or G is 1 and it compares the thoughts of a position.
        PluginError: it raised, or gave another shape, or numbers that are not finite for rewards
            that are.
    """
    known = estimators.get(estimator)
    if known.per_token:
        raise ValueError(f"`{estimator}` needs a value per thought token: call token_advantages()")
    if known.compares_group and rewards.shape[1] < 2:
        raise ValueError(
            f"`{estimator}` compares the thoughts of a position and needs at least 2 thoughts per "
            f"position, not {rewards.shape[1]}: raise the group size, or take another estimator"
        )
    found = _call(estimator, known.function, rewards.detach().clone())
    return _checked(estimator, "advantages", found, rewards, (rewards,))


def token_advantages(
    estimator: str, rewards: Tensor, values: Tensor, lengths: Tensor, discount: float, lam: float
) -> tuple[Tensor, Tensor]:
    """One advantage per thought token, and what its value is to predict.

    Args:
        estimator: one of a token, such as `gae`.
        rewards: [R], of each thought.
        values: [M], V before each thought token was drawn, row after row.
        lengths: [R], tokens of each thought, each at least 1.
        discount: gamma per token, in [0, 1].
        lam: lambda in [0, 1].

    Returns:
        Advantages [M] and returns [M], both constants for the gradient.

    Raises:
        ConfigError, PluginError: as `advantages`.
        ValueError: the estimator is one of a thought, or the lengths do not fit.
    """
    known = estimators.get(estimator)
    if not known.per_token:
        raise ValueError(f"`{estimator}` needs no values: call advantages()")
    if int(lengths.min()) < 1 or int(lengths.sum()) != values.shape[0]:
        raise ValueError(
            f"every thought needs a token, and the lengths must sum to the {values.shape[0]} "
            f"values: the shortest is {int(lengths.min())}, the sum {int(lengths.sum())}"
        )
    inputs = (rewards.detach().to(values.dtype), values.detach())
    given = (part.clone() for part in (*inputs, lengths))
    pair = _call(estimator, known.function, *given, discount, lam)
    if not isinstance(pair, tuple) or len(pair) != 2:
        kind = type(pair).__name__
        raise _fault(estimator, f"gave no pair of advantages and returns, but {kind}")
    return (
        _checked(estimator, "advantages", pair[0], values, inputs),
        _checked(estimator, "returns", pair[1], values, inputs),
    )


def _call(estimator: str, function: Callable[..., Any], *arguments: Any) -> object:
    """What an estimator gives; its tensors are copies, which it may change.

    Raises:
        PluginError: it raised.
    """
    try:
        return function(*arguments)
    except Exception as error:
        raise _fault(estimator, f"raised {type(error).__name__}: {error}") from error


def _checked(
    estimator: str, what: str, found: object, like: Tensor, inputs: tuple[Tensor, ...]
) -> Tensor:
    """What an estimator gave, without gradient.

    Raises:
        PluginError: it is no tensor of the right shape, or not finite where all inputs are.
    """
    if not isinstance(found, Tensor):
        raise _fault(estimator, f"gave {what} that are no tensor, but {type(found).__name__}")
    if found.shape != like.shape:
        shapes = f"{list(found.shape)}, not {list(like.shape)}"
        raise _fault(estimator, f"gave {what} of shape {shapes}")
    if not _finite(found) and all(map(_finite, inputs)):
        raise _fault(estimator, f"gave {what} that are not finite for rewards that are")
    return found.detach()


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _fault(estimator: str, what: str) -> PluginError:
    return PluginError(
        f"the estimator `{estimator}` {what}",
        where=estimators.where(estimator),
        fix="mend its function; docs/guides/add-an-estimator.md says what it takes and gives",
    )

"""From rewards to advantages, by the estimator that is named; the estimators are in `estimators`.

Letters: N positions to think at, G thoughts at each, R = N G thoughts, M thought tokens in all.
"""

from __future__ import annotations

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
        PluginError: it gave another shape, or numbers that are not finite for rewards that are.
    """
    known = estimators.get(estimator)
    if known.per_token:
        raise ValueError(f"`{estimator}` needs a value per thought token: call token_advantages()")
    if known.compares_group and rewards.shape[1] < 2:
        raise ValueError(
            f"`{estimator}` compares the thoughts of a position and needs at least 2 thoughts per "
            f"position, not {rewards.shape[1]}: raise the group size, or take another estimator"
        )
    found = _checked(estimator, "advantages", known.function(rewards.detach()), rewards)
    if not bool(torch.isfinite(found).all()) and bool(torch.isfinite(rewards).all()):
        raise _fault(estimator, "gave advantages that are not finite for rewards that are")
    return found


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
    found, returns = known.function(rewards, values, lengths, discount, lam)
    return (
        _checked(estimator, "advantages", found, values),
        _checked(estimator, "returns", returns, values),
    )


def _checked(estimator: str, what: str, found: object, like: Tensor) -> Tensor:
    """What an estimator gave, without gradient.

    Raises:
        PluginError: it is no tensor of the right shape.
    """
    if not isinstance(found, Tensor):
        raise _fault(estimator, f"gave {what} that are no tensor, but {type(found).__name__}")
    if found.shape != like.shape:
        shapes = f"{list(found.shape)}, not {list(like.shape)}"
        raise _fault(estimator, f"gave {what} of shape {shapes}")
    return found.detach()


def _fault(estimator: str, what: str) -> PluginError:
    return PluginError(
        f"the estimator `{estimator}` {what}",
        where=estimators.where(estimator),
        fix="mend its function; docs/guides/add-an-estimator.md says what it takes and gives",
    )

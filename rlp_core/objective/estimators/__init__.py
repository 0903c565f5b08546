"""Advantage estimators: one file each, with the textbook formula that it is tested against.

S_ema is one number for all thoughts of a position. An estimator that subtracts something of the
same position therefore loses it: the reward still *measures* information gain, and the gradient
does not see the baseline. Each estimator declares which it is; docs/guides/add-an-estimator.md.

No file here imports torch when it is imported, so that parameters are checked quickly.
"""

from __future__ import annotations

import functools

from rlp_core.objective.estimators._estimator import Estimator, estimator
from rlp_core.registry import Registry

__all__ = ["Estimator", "built_in", "ema_reaches_gradient", "estimator", "get", "names", "where"]

_REGISTRY = Registry(
    package="rlp_core.objective.estimators",
    group="rlp.estimators",
    noun="estimator",
    guide="docs/guides/add-an-estimator.md",
)

built_in = _REGISTRY.built_in
names = _REGISTRY.names
where = _REGISTRY.where


@functools.cache
def get(name: str) -> Estimator:
    """The estimator of a name; its file is imported at the first call.

    Raises:
        ConfigError: there is none; the message names the nearest.
        PluginError: its file does not import, or declares no estimator or several.
    """
    found: Estimator = _REGISTRY.declared(name, Estimator)
    if not found.summary:
        raise _REGISTRY.fault(name, "has no docstring to say what it does")
    return found


def ema_reaches_gradient(estimator: str, reward_clip: float | None) -> bool:
    """Whether S_ema reaches the gradient: by the estimator, or because rewards are clipped."""
    return reward_clip is not None or get(estimator).ema_reaches_gradient

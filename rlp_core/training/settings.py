"""From the parameters to the engine's own settings."""

from __future__ import annotations

from rlp_core.objective.options import Options
from rlp_core.params import Rlp


def options_of(settings: Rlp) -> Options:
    """The objective that the parameters name."""
    return Options(
        estimator=settings.estimator,
        temperature=settings.temperature,
        horizon=settings.horizon,
        discount=settings.discount,
        reward_clip=settings.reward_clip,
        clip_low=settings.clip_low,
        clip_high=settings.clip_high,
        token_mean=settings.token_mean,
        kl_weight=settings.kl_weight,
        entropy_weight=settings.entropy_weight,
        ntp_weight=settings.ntp_weight,
        value_weight=settings.value.weight,
        value_clip=settings.value.clip,
        gae_lambda=settings.value.gae_lambda,
        gae_discount=settings.value.gae_discount,
        importance_limit=settings.replay.importance_limit,
    )

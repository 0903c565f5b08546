"""What of the objective can be chosen, in one place.

The trainer, the textbook in `reference` and the tests read the same object, so that they cannot
mean different things by a name. The defaults are the paper's objective (arXiv 2510.01265, section
3): every addition has weight 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Estimator = Literal["rloo", "grpo", "raw", "batch_centred", "positive", "gae"]
TokenMean = Literal["thought", "token"]

ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)
TOKEN_MEANS: tuple[TokenMean, ...] = get_args(TokenMean)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The objective of one run. What is minimised is

        surrogate + kl_weight * KL - entropy_weight * entropy + ntp_weight * CE
                  + value_weight * value loss        (the last with estimator `gae` alone)

    All terms but CE are averages over thought tokens with the same weights (`token_mean`); a
    closing delimiter that was forced is no thought token. CE is the mean over thoughts of the
    mean over a thought's targets.

    Attributes:
        estimator: how rewards become advantages; see `advantage`.
        temperature: thoughts are sampled at it; the surrogate, KL and entropy are of the policy at
            it. Rewards and CE are at temperature 1. The paper: 0.7.
        horizon: H, tokens whose gain is rewarded. The paper: 1.
        discount: weight of each further token of the horizon. It weighs the reward, not CE.
        reward_clip: rewards are cut to [-reward_clip, reward_clip], in nats; None: they are not.
        clip_low: eps_low of equation 8; the ratio counts down to 1 - clip_low.
        clip_high: eps_high of equation 8; the ratio counts up to 1 + clip_high.
        token_mean: `thought`: mean over thoughts of the mean over a thought's tokens, as in
            equation 8; `token`: one mean over all thought tokens of the step.
        kl_weight: of the k3 estimate of KL(policy || frozen reference). The paper: 0.
        entropy_weight: of the exact entropy over the vocabulary. The paper: 0.
        ntp_weight: of the next-token loss on the targets after the closed thought, which is the
            only term that trains a token that is no thought. The paper: 0.
        value_weight: of the value loss.
        value_clip: a value counts only this far from what it was when the thought was sampled, in
            nats; None: any distance.
        gae_lambda: lambda of generalised advantage estimation.
        gae_discount: gamma of the same, per thought token.
        importance_limit: largest importance weight of a token that an older policy sampled. It
            weighs the surrogate alone.

    Raises:
        ValueError: a field is out of its range; the message names it.
    """

    estimator: Estimator = "rloo"
    temperature: float = 0.7
    horizon: int = 1
    discount: float = 1.0
    reward_clip: float | None = None
    clip_low: float = 0.2
    clip_high: float = 0.28
    token_mean: TokenMean = "thought"
    kl_weight: float = 0.0
    entropy_weight: float = 0.0
    ntp_weight: float = 0.0
    value_weight: float = 0.5
    value_clip: float | None = 0.2
    gae_lambda: float = 0.95
    gae_discount: float = 1.0
    importance_limit: float = 1.0

    def __post_init__(self) -> None:
        _one_of("estimator", self.estimator, ESTIMATORS)
        _one_of("token_mean", self.token_mean, TOKEN_MEANS)
        if self.horizon < 1:
            raise ValueError(f"horizon must be at least 1, not {self.horizon}")
        if not 0 < self.clip_low < 1:
            raise ValueError(f"clip_low must lie between 0 and 1, not {self.clip_low}")
        for name in ("temperature", "clip_high", "importance_limit"):
            _positive(name, getattr(self, name))
        for name in ("reward_clip", "value_clip"):
            if getattr(self, name) is not None:
                _positive(name, getattr(self, name))
        for name in ("kl_weight", "entropy_weight", "ntp_weight", "value_weight"):
            weight = getattr(self, name)
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(f"{name} must be a number of at least 0, not {weight}")
        for name in ("discount", "gae_lambda", "gae_discount"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}")

    @property
    def coefficients(self) -> dict[str, float]:
        """Factor of each term in what is minimised; a term of factor 0 need not be computed."""
        return {
            "surrogate": 1.0,
            "kl": self.kl_weight,
            "entropy": -self.entropy_weight,
            "ntp": self.ntp_weight,
            "value": self.value_weight if self.estimator == "gae" else 0.0,
        }


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a number above 0, not {value}")

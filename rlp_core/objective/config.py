"""The objective of a run: what it minimises, and every setting of that.

The trainer, the textbook in `reference` and the tests read the same object, so that they cannot
mean different things by a name. The defaults are the paper's objective (arXiv 2510.01265, section
3): every addition has weight 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator

from rlp_core.errors import ConfigError
from rlp_core.objective import estimators, reward_terms
from rlp_core.section import Arguments, NonNegative, Positive, PositiveReal, Section, Share

TokenMean = Literal["thought", "token"]

TOKEN_MEANS: tuple[TokenMean, ...] = get_args(TokenMean)


class ValueConfig(Arguments):
    """The value head of an estimator of a token, such as `gae`."""

    lr: PositiveReal = Field(default=1e-3, description="Learning rate of the head, AdamW.")
    weight: NonNegative = Field(default=0.5, description="Weight of the value loss.")
    clip: PositiveReal | None = Field(
        default=0.2,
        description="A value counts only this far from what it was when the thought was sampled, "
        "in nats; null: any distance.",
    )
    gae_lambda: Share = Field(default=0.95, description="lambda of the advantage estimation.")
    gae_discount: Share = Field(default=1.0, description="gamma, per thought token.")


class ObjectiveConfig(Section):
    """The objective. What is minimised is

        surrogate + kl_weight * KL - entropy_weight * entropy + ntp_weight * CE
                  + value.weight * value loss        (the last with an estimator of a token alone)

    All terms but CE are averages over thought tokens with the same weights (`token_mean`); a
    closing delimiter that was forced is no thought token. CE is the mean over thoughts of the
    mean over a thought's targets.
    """

    estimator: str = Field(
        default="rloo",
        description="How rewards become advantages: an entry of docs/reference/estimators.md. "
        "`rloo` is equation 7.",
    )
    temperature: PositiveReal = Field(
        default=0.7,
        description="Thoughts are sampled at it; the surrogate, KL and entropy are of the policy "
        "at it. Rewards and CE are at temperature 1. The paper: 0.7.",
    )
    horizon: Positive = Field(
        default=1, description="H: tokens whose gain is rewarded. The paper: 1."
    )
    discount: Share = Field(
        default=1.0,
        description="Weight of each further token, for H > 1. It weighs the reward, not CE.",
    )
    reward_terms: Mapping[str, float] = Field(
        default={},
        description="What is added to the information gain, by name, with its weight: entries of "
        "docs/reference/reward-terms.md, or functions of your own as MODULE:FUNCTION. The paper: "
        "none.",
    )
    reward_clip: PositiveReal | None = Field(
        default=None, description="Rewards are cut to plus or minus this, in nats; null: not."
    )
    clip_low: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.2, description="eps_low of equation 8: the ratio counts down to 1 less this."
    )
    clip_high: PositiveReal = Field(
        default=0.28, description="eps_high of equation 8: the ratio counts up to 1 and this."
    )
    token_mean: TokenMean = Field(
        default="thought",
        description="Mean over each thought's tokens, then over thoughts (equation 8); or one "
        "mean over all thought tokens.",
    )
    kl_weight: NonNegative = Field(
        default=0.0, description="Weight of the KL (k3) to the model that the run began with."
    )
    entropy_weight: NonNegative = Field(
        default=0.0, description="Weight of the bonus for the exact entropy over the vocabulary."
    )
    ntp_weight: NonNegative = Field(
        default=0.0,
        description="Weight of next-token prediction on the text after a thought: the one term "
        "that trains a token that is no thought.",
    )
    importance_limit: PositiveReal = Field(
        default=1.0,
        description="Largest importance weight of a token that an older policy sampled. It weighs "
        "the surrogate alone.",
    )
    value: ValueConfig = Field(
        default=ValueConfig(), description="The value head of an estimator of a token."
    )

    @field_validator("estimator")
    @classmethod
    def _known_estimator(cls, name: str) -> str:
        try:
            estimators.get(name)
        except ConfigError as error:
            raise ValueError(f"{error.what}; {error.fix}") from error
        return name

    @field_validator("reward_terms")
    @classmethod
    def _known_terms(cls, weights: Mapping[str, float]) -> Mapping[str, float]:
        try:
            reward_terms.check_names(list(weights))
        except ConfigError as error:
            raise ValueError(f"{error.what}; {error.fix}") from error
        for name, weight in weights.items():
            if not math.isfinite(weight) or weight == 0:
                raise ValueError(f"the weight of `{name}` must be a number other than 0")
        return dict(weights)

    @property
    def per_token(self) -> bool:
        """Whether the estimator gives each token an advantage of its own, by a value head."""
        return estimators.get(self.estimator).per_token

    @property
    def coefficients(self) -> dict[str, float]:
        """Factor of each term in what is minimised; a term of factor 0 need not be computed."""
        return {
            "surrogate": 1.0,
            "kl": self.kl_weight,
            "entropy": -self.entropy_weight,
            "ntp": self.ntp_weight,
            "value": self.value.weight if self.per_token else 0.0,
        }

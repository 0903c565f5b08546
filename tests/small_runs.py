"""Small work that tests do on one device and on another, to compare what comes of it."""

from __future__ import annotations

from rlp_core.data.thought import ThoughtConfig
from rlp_core.policy import lora
from rlp_core.policy.config import LoraConfig
from rlp_core.rollout.engine import prepare
from rlp_core.rollout.rng import uniform
from rlp_core.rollout.sampler import Prompt
from rlp_core.training.learner import RLPLearner
from tests import models
from tests.training.steps import documents, settings

TRUNKS = [list(range(5, 15)), list(range(20, 28)), list(range(3, 9))]
PROMPTS = [Prompt(0, 4, 2, (3, 4)), Prompt(0, 8, 2, (3,)), Prompt(1, 5, 2, (9,)), Prompt(2, 5, 2)]

CHANGES = [
    {},
    {"estimator": "gae"},
    {"kl_weight": 0.1, "min_thought_tokens": 2},
    {"ntp_weight": 0.1, "entropy_weight": 0.01, "horizon": 2, "token_mean": "token"},
    {"precision": "bfloat16"},
    {"lora": LoraConfig(rank=4)},
]
"""Settings of a step that take other ways through the update."""


def numbers(token, rows):
    return uniform(1, rows, token)


def learner(device: str, kernel: str, **changes) -> RLPLearner:
    policy = models.model(5)
    if "lora" in changes:
        lora.attach(policy, changes["lora"], 5)
    policy.to(device)
    prepare(policy, kernel)
    return RLPLearner(
        policy,
        models.codec(),
        settings(**changes),
        ThoughtConfig(open="<think>", close="</think>", max_tokens=6),
        5,
        documents(),
    )

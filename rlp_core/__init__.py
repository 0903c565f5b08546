"""RLP: reinforcement as a pretraining objective (arXiv 2510.01265), as a library and a pipeline.

The names below need torch and transformers alone, and are imported when they are first used.
docs/guides/library.md shows them at work; docs/reference/library.md lists them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlp_core.callbacks import RLPCallback
    from rlp_core.config import RLPConfig
    from rlp_core.data.records import Document
    from rlp_core.data.thought import ThoughtConfig
    from rlp_core.errors import RlpError
    from rlp_core.monitoring.config import HealthConfig, HeldoutConfig
    from rlp_core.objective.advantage import advantages, token_advantages
    from rlp_core.objective.config import ValueConfig
    from rlp_core.objective.estimators import Estimator, estimator
    from rlp_core.objective.loss import (
        clipped_surrogate,
        importance_weight,
        kl_k3,
        token_weights,
        value_loss,
    )
    from rlp_core.objective.reward_terms import FinishedThought, reward_term
    from rlp_core.policy.config import LoraConfig
    from rlp_core.thoughts import Thought, generate_thoughts, information_gain
    from rlp_core.trainer import RLPTrainer
    from rlp_core.training.config import AuditConfig, OptimizerConfig, ReplayConfig

__version__ = "0.1.0"

_HOME = {
    "AuditConfig": "training.config",
    "Document": "data.records",
    "Estimator": "objective.estimators",
    "FinishedThought": "objective.reward_terms",
    "HealthConfig": "monitoring.config",
    "HeldoutConfig": "monitoring.config",
    "LoraConfig": "policy.config",
    "OptimizerConfig": "training.config",
    "RLPCallback": "callbacks",
    "RLPConfig": "config",
    "RLPTrainer": "trainer",
    "ReplayConfig": "training.config",
    "RlpError": "errors",
    "Thought": "thoughts",
    "ThoughtConfig": "data.thought",
    "ValueConfig": "objective.config",
    "advantages": "objective.advantage",
    "clipped_surrogate": "objective.loss",
    "estimator": "objective.estimators",
    "generate_thoughts": "thoughts",
    "importance_weight": "objective.loss",
    "information_gain": "thoughts",
    "kl_k3": "objective.loss",
    "reward_term": "objective.reward_terms",
    "token_advantages": "objective.advantage",
    "token_weights": "objective.loss",
    "value_loss": "objective.loss",
}
"""Where each public name stands."""

__all__ = [
    "AuditConfig",
    "Document",
    "Estimator",
    "FinishedThought",
    "HealthConfig",
    "HeldoutConfig",
    "LoraConfig",
    "OptimizerConfig",
    "RLPCallback",
    "RLPConfig",
    "RLPTrainer",
    "ReplayConfig",
    "RlpError",
    "Thought",
    "ThoughtConfig",
    "ValueConfig",
    "advantages",
    "clipped_surrogate",
    "estimator",
    "generate_thoughts",
    "importance_weight",
    "information_gain",
    "kl_k3",
    "reward_term",
    "token_advantages",
    "token_weights",
    "value_loss",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"rlp_core.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

"""`RLPConfig`: every setting of an RLP run, for the library and for section `rlp` alike.

`RlvrConfig` is section `rlvr`.
"""

from __future__ import annotations

from pydantic import Field

from rlp_core.monitoring.config import HealthConfig, HeldoutConfig
from rlp_core.section import Arguments
from rlp_core.training.config import LearnerConfig, Rlvr


class RlvrConfig(Rlvr):
    """Stages `rlvr@ARM`: reinforcement learning with verifiable rewards, after fine-tuning.

    Thoughts and answers are drawn to problems; an answer that is right earns 1, any other 0.
    docs/explanation/post-training.md says why it is so.
    """

    health: HealthConfig = Field(default=HealthConfig(), description="Detectors.")


class RLPConfig(LearnerConfig, Arguments):
    """An RLP run, watched: the update, evaluation during the run, and detectors.

    Every argument has a default that works on a small model; an unknown or impossible one is an
    error that names the nearest. docs/reference/params.md lists them under `rlp`.
    """

    heldout: HeldoutConfig = Field(
        default=HeldoutConfig(), description="Evaluation during the run."
    )
    health: HealthConfig = Field(default=HealthConfig(), description="Detectors.")

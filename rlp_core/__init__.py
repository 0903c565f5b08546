"""RLP: reinforcement as a pretraining objective, as a pipeline that anyone can run."""

__version__ = "0.1.0"

"""A run of `rlvr` under watch: findings in words, and an end to a run that has collapsed.

The watch's memory is part of a checkpoint, so a resumed run reports what an unbroken one would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlp_core.monitoring.health import Monitor, stopped
from rlp_core.monitoring.rlvr_checks import NON_FINITE_ADVICE, RLVR_CHECKS
from rlp_core.training.checkpoint import State

if TYPE_CHECKING:
    from rlp_core.monitoring.config import HealthConfig
    from rlp_core.training.loop import StepResult
    from rlp_core.training.rlvr import RlvrLearner


class WatchedRlvr:
    """Steps a learner and looks after it.

    Attributes:
        learner: what is watched.
        monitor: its health.
    """

    def __init__(self, learner: RlvrLearner, health: HealthConfig, name: str, began: str) -> None:
        """Begin.

        Args:
            learner: fresh.
            health: when the run is unwell.
            name: of the stage, before every line.
            began: the model that the run began with, in words: what is left of a collapsed run.
        """
        self.learner, self.health, self.name, self.began = learner, health, name, began
        self.monitor = Monitor(health, RLVR_CHECKS, NON_FINITE_ADVICE)

    def step(self, number: int) -> StepResult:
        """One update, watched.

        Raises:
            TrainingError: the run has collapsed.
        """
        result = self.learner.step(number)
        for finding in self.monitor.observe(number, result.metrics):
            print(f"{self.name}: {finding}", flush=True)
        if self.monitor.collapsed and self.health.stop:
            raise stopped(self.monitor.collapsed, self.began)
        return result

    def state(self) -> State:
        """The learner's state, and what the watch remembers."""
        remembered: dict[str, Any] = {"monitor": self.monitor.state()}
        return State.join({"learner": self.learner.state(), "watch": State(values=remembered)})

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        self.learner.restore(state.part("learner"))
        remembered: Any = state.part("watch").values
        self.monitor.restore(remembered["monitor"])

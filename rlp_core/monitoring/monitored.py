"""An RLP run under watch: findings in words, dumps, held-out texts, the best and the last good.

It wraps the trainer and is itself what `loop.run` drives, so that all it remembers is part of a
checkpoint, and a resumed run stops, keeps and reports what an unbroken one would.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rlp_core.monitoring.config import HealthConfig, HeldoutConfig
from rlp_core.monitoring.dump import DumpedDocuments, DumpWriter, StepDump
from rlp_core.monitoring.health import Monitor, stopped
from rlp_core.training.checkpoint import State, module_state, restore_module
from rlp_core.training.config import LearnerConfig
from rlp_core.training.learner import HELDOUT
from rlp_core.training.loop import StepResult
from rlp_core.training.positions import TokenizedDocument

if TYPE_CHECKING:
    from rlp_core.training.learner import RLPLearner


class MonitoredLearner:
    """Steps a trainer and looks after it.

    Attributes:
        trainer: what is watched.
        monitor: its health.
        best: held-out gain of the best model so far; None before the first evaluation.
    """

    def __init__(
        self,
        trainer: RLPLearner,
        documents: Sequence[TokenizedDocument],
        folder: Path | None,
        export: Callable[[Path], None],
        *,
        health: HealthConfig,
        heldout: HeldoutConfig,
    ) -> None:
        """Begin.

        Args:
            trainer: fresh.
            documents: held back from training, each with a position to think at; read where
                `heldout.every` asks for it.
            folder: untracked; takes dumps, and the last good model of a collapsed run; None:
                there are no dumps, and the last good model stays in memory.
            export: writes the policy, as it is, as a model folder at a path.
            health: when the run is unwell.
            heldout: evaluation during the run.
        """
        self.trainer, self.documents = trainer, documents
        self.health, self.heldout = health, heldout
        self.folder, self.export = folder, export
        empty = health.empty + trainer.settings.min_thought_tokens
        self.monitor = Monitor(health.model_copy(update={"empty": empty}))
        self.dumps = DumpWriter(folder, health.dumps) if folder is not None else None
        self.best: float | None = None
        self.kept: dict[str, dict[str, Tensor]] = {"best": {}, "good": {}}
        self.good_step: int | None = None
        if heldout.every:
            trainer.keep_start()

    def step(self, number: int) -> StepResult:
        """One update, watched.

        Raises:
            TrainingError: the run has collapsed; the last good model is in the folder.
        """
        result = self.trainer.step(number)
        metrics = dict(result.metrics)
        if metrics["skipped"]:
            self._dump(number, metrics)
        for finding in self.monitor.observe(number, metrics):
            print(f"rlp: {finding}", flush=True)
        if self.heldout.every and (number + 1) % self.heldout.every == 0:
            metrics |= self.evaluate()
            self._keep_best(metrics["heldout_gain"])
        if self.monitor.collapsed and self.health.stop:
            raise stopped(self.monitor.collapsed, self._export_good())
        if self.monitor.well and number % self.health.window == 0:
            self.good_step = number
            self.kept["good"] = self._copy() if self.health.stop else {}
        return replace(result, metrics=metrics)

    @torch.no_grad()
    def evaluate(self, documents: Sequence[TokenizedDocument] | None = None) -> dict[str, float]:
        """Information gain on held-out texts, against the baseline and the frozen start.

        Positions and random numbers are the same at every evaluation. The cost is booked as
        `heldout` and is no part of the compute that `cpt` is matched with.

        Args:
            documents: each with a position to think at; None: those that are held back.

        Raises:
            ValueError: the run keeps no frozen start (`RLPLearner.keep_start`).
        """
        trainer = self.trainer
        spent = trainer.ledger.state()
        positions = trainer.positions(self.documents if documents is None else documents, HELDOUT)
        groups = trainer.draw(positions, HELDOUT)
        models = {
            "ema": trainer.ema_compute.model,
            "start": trainer.began_as,
            "direct": trainer.compute.model,
        }
        scores = {
            name: fmean(trainer.worker.score(model, positions, "heldout"))
            for name, model in models.items()
        }
        trainer.ledger.restore(spent)
        predicted = fmean(fmean(group.predicted) for group in groups)
        return {
            "heldout_information_gain": predicted - scores["ema"],
            "heldout_gain": predicted - scores["start"],
            "heldout_direct": scores["direct"] - scores["start"],
            "heldout_thought_tokens": fmean(len(t) for group in groups for t in group.tokens),
        }

    def finish(self) -> None:
        """Put the model that is to be kept in place of the last one."""
        if self.heldout.keep == "best" and self.kept["best"]:
            self._take(self.kept["best"])
            print(f"rlp: keeps the best model, held-out gain {self.best:.4f} nats", flush=True)

    def state(self) -> State:
        """The trainer's state and what the watch remembers."""
        remembered: dict[str, Any] = {
            "monitor": self.monitor.state(),
            "best": self.best,
            "good_step": self.good_step,
        }
        fixed = {name: kept for name, kept in self.kept.items() if kept}
        watch = State(values=remembered, fixed=fixed)
        return State.join({"trainer": self.trainer.state(), "watch": watch})

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        self.trainer.restore(state.part("trainer"))
        watch = state.part("watch")
        self.kept = {name: watch.fixed.get(name, {}) for name in self.kept}
        remembered: Any = watch.values
        self.monitor.restore(remembered["monitor"])
        self.best, self.good_step = remembered["best"], remembered["good_step"]

    def _take(self, kept: dict[str, Tensor]) -> None:
        """Put kept weights in place of the policy's."""
        restore_module(self.trainer.policy, State(kept), self.trainer.trained)
        self.trainer.compute.refresh()

    def _copy(self) -> dict[str, Tensor]:
        tensors = module_state(self.trainer.policy, self.trainer.trained).tensors
        return {name: tensor.to("cpu", copy=True) for name, tensor in tensors.items()}

    def _keep_best(self, gain: float) -> None:
        better = math.isfinite(gain) and (self.best is None or gain > self.best)
        if self.heldout.keep == "best" and better:
            self.best, self.kept["best"] = gain, self._copy()

    def _export_good(self) -> str | None:
        if not self.kept["good"]:
            return None
        self._take(self.kept["good"])
        if self.folder is None:
            return f"the one in memory, as it was after step {self.good_step}"
        target = self.folder / "last-good"
        self.export(target)
        return f"{target}, the model after step {self.good_step}"

    def _dump(self, number: int, metrics: dict[str, float]) -> None:
        """Keep a step that was skipped: it changed nothing that the step itself reads."""
        if self.dumps is None:
            print(f"rlp: step {number} is not finite and was skipped; no folder to dump it in")
            return
        trainer = self.trainer
        chosen = trainer.indices(number)
        buffered = [group.position.document.number for group in trainer.buffer.groups]
        step = StepDump(
            number=number,
            seed=trainer.seed,
            runtime={**trainer.runtime},
            settings=LearnerConfig.part_of(trainer.settings),
            thought=trainer.thought,
            documents=DumpedDocuments.of(trainer.documents, chosen, buffered),
            chosen=chosen,
            state=trainer.state(),
            metrics=metrics,
        )
        written = self.dumps.write(step, trainer.policy, trainer.codec)
        if written is not None:
            print(f"rlp: step {number} is not finite and was skipped; `rlp replay {written}`")

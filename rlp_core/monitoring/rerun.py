"""`rlp rerun`: run a dumped step again, and say where its numbers stop being finite."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rlp_core.errors import DataError

if TYPE_CHECKING:
    from rlp_core.monitoring.dump import StepDump
    from rlp_core.monitoring.probe import Trace
    from rlp_core.training.checkpoint import State
    from rlp_core.training.learner import RLPLearner

WORST = 5
"""Places whose worst thought is shown."""
TAIL = 60
"""Characters of a context that are shown, and of a thought twice as many."""


@dataclass(frozen=True)
class RerunRow:
    """One thought of the step; log-probabilities in nats."""

    context: str
    thought: str
    thought_logprob: float
    predicted: float
    baseline: float

    @property
    def reward(self) -> float:
        return self.predicted - self.baseline

    @property
    def finite(self) -> bool:
        return math.isfinite(self.reward) and math.isfinite(self.thought_logprob)


@dataclass(frozen=True)
class StepRerun:
    """What a step did when it was run again.

    Attributes:
        step: as it was dumped.
        metrics: of the second run; empty where it raised.
        raised: the error that ended the second run, or nothing.
        trace: where numbers stopped being finite.
        rows: its thoughts, the worst first.
    """

    step: StepDump
    metrics: dict[str, float]
    raised: str
    trace: Trace
    rows: list[RerunRow]

    @property
    def reproduced(self) -> bool:
        """Whether the step is not finite this time either."""
        return bool(self.raised or self.bad or self.trace.gradients)

    @property
    def bad(self) -> list[str]:
        """Names of the metrics that are not finite."""
        return [name for name, value in self.metrics.items() if not math.isfinite(value)]

    def lines(self) -> Iterator[str]:
        """The reading, for a person."""
        step, state = self.step, _bad_tensors(self.step.state)
        yield f"step {step.number} of a run with seed {step.seed}: {len(step.documents.kept)} texts"
        yield f"the run saw: {_told(step.metrics)}"
        yield f"this run sees: {self.raised or _told(self.metrics)}"
        yield ""
        yield _phase("state before", len(state), len(step.state.everything), "tensors", state)
        yield self._rows_phase("baseline", [row.baseline for row in self.rows], "target")
        yield self._rows_phase("thoughts", [row.thought_logprob for row in self.rows], "policy")
        yield self._rows_phase("rewards", [row.reward for row in self.rows], "")
        yield f"{'loss':14}{self.metrics.get('loss', math.nan):.6g}{self._made_in('policy', True)}"
        yield _phase(
            "gradients", len(self.trace.gradients), self.trace.parameters, "parameters",
            self.trace.gradients,
        )  # fmt: skip
        yield ""
        worst = {row.context: row for row in reversed(self.rows)}  # one of each place
        yield f"the worst thoughts, of {len(self.rows)} at {len(worst)} places:"
        for row in sorted(worst.values(), key=self.rows.index)[:WORST]:
            yield f"  reward {row.reward:.3f} = {row.predicted:.3f} - {row.baseline:.3f}"
            yield f"    after   {row.context[-TAIL:]!r}"
            yield f"    thought {row.thought[: 2 * TAIL]!r}"
        yield ""
        yield (
            "reproduced: the step is not finite here either"
            if self.reproduced
            else "not reproduced: the step is finite on this CPU; the fault is the run's device's"
        )

    def _rows_phase(self, name: str, values: list[float], model: str) -> str:
        bad = sum(not math.isfinite(value) for value in values)
        made = self._made_in(model, False) if model else ""
        return f"{name:14}{bad} of {len(values)} thoughts not finite{made}"

    def _made_in(self, model: str, with_gradient: bool) -> str:
        layer = self.trace.forward.get((model, with_gradient))
        return f"; first in {layer} of the {model}" if layer else ""


def rerun(folder: Path) -> StepRerun:
    """Run the step of a dump again, on the CPU.

    Raises:
        RlpError: no dump, a damaged one, or one of another version.
    """
    import torch

    from rlp_core.monitoring.dump import read_dump
    from rlp_core.monitoring.probe import watching

    torch.use_deterministic_algorithms(True)
    step = read_dump(folder)
    trainer = _trainer(step, folder)
    rows: list[RerunRow] = []
    metrics: dict[str, float] = {}
    raised = ""
    models = {"policy": trainer.compute.model, "target": trainer.ema_compute.model}
    with watching(models) as trace:
        try:
            rows = sorted(_rows(trainer, step.number), key=lambda row: (row.finite, row.reward))
            metrics = trainer.step(step.number).metrics
        except (RuntimeError, IndexError, ValueError, FloatingPointError) as error:
            # numbers that are not finite may end a step in any way; what ended it is the reading
            raised = f"{type(error).__name__}: {error}"
    return StepRerun(step, metrics, raised, trace, rows)


def _trainer(step: StepDump, folder: Path) -> RLPLearner:
    """The trainer as it was before the step, on the CPU."""
    from rlp_core.monitoring.dump import model_of_dump
    from rlp_core.rollout.attention import enable
    from rlp_core.training.learner import RLPLearner

    model, codec = model_of_dump(folder, step.thought, step.settings.lora)
    enable(model)  # as the run's own; its weights may be what is not finite
    try:
        trainer = RLPLearner(
            model,
            codec,
            step.settings,
            step.thought,
            step.seed,
            step.documents,
            chosen=step.chosen,
            **step.runtime,
        )
        trainer.restore(step.state)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the state of this dump does not fit its trainer: {type(error).__name__}: {error}",
            where=str(folder),
            fix="replay it with the commit that the run was made with",
        ) from error
    return trainer


def _rows(trainer: RLPLearner, number: int) -> Iterator[RerunRow]:
    """The thoughts that the step draws, with what they are worth."""
    decode = trainer.codec.decode
    for group in trainer.groups(number):
        for i, tokens in enumerate(group.tokens):
            yield RerunRow(
                context=decode(group.position.context),
                thought=decode(tokens),
                thought_logprob=sum(group.logprobs[i]),
                predicted=group.predicted[i],
                baseline=group.baseline or 0.0,  # none at a step that does not measure it
            )


def _bad_tensors(state: State) -> list[str]:
    """Tensors of a state that hold NaN or infinity."""
    from rlp_core.monitoring.probe import finite

    return [name for name, tensor in state.everything.items() if not finite(tensor)]


def _told(metrics: dict[str, float]) -> str:
    bad = [f"{name} {value}" for name, value in metrics.items() if not math.isfinite(value)]
    return f"not finite: {', '.join(bad)}" if bad else "every metric is finite"


def _phase(name: str, bad: int, total: int, kind: str, names: list[str]) -> str:
    first = f"; first {', '.join(names[:3])}" if names else ""
    return f"{name:14}{bad} of {total} {kind} not finite{first}"

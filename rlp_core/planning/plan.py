"""The plan of a stage: memory at every moment, the passes that were chosen, and the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rlp_core.errors import UsageError, did_you_mean
from rlp_core.planning import memory
from rlp_core.planning.of_evaluate import evaluate
from rlp_core.planning.of_rlp import rlp
from rlp_core.planning.of_rlvr import rlvr
from rlp_core.planning.of_supervised import cpt, next_tokens
from rlp_core.planning.shapes import ModelShape
from rlp_core.planning.stage import Plan

if TYPE_CHECKING:
    from rlp_core.params import Params

PLANNED: Mapping[str, Callable[[Params, str, ModelShape, bool], Plan]] = {
    "base": next_tokens,
    "bootstrap": next_tokens,
    "rlp": rlp,
    "cpt": cpt,
    "finetune": next_tokens,
    "rlvr": rlvr,
    "evaluate": evaluate,
}
"""The stages that hold a model."""


def stage_plan(
    params: Params, stage: str, model: ModelShape, *, on_gpu: bool, saves: bool = True
) -> Plan:
    """Plan a stage.

    Args:
        params: the parameters.
        stage: one that holds a model; an arm may stand behind an @.
        model: what it holds.
        on_gpu: whether the model lies on a GPU: there the optimizer and what is kept differ.
        saves: whether checkpoints are written; their copy lies in the machine's memory.

    Raises:
        UsageError: no stage has this name, or it holds no model.
    """
    kind = known_kind(stage)
    plan = PLANNED[kind](params, stage, model, on_gpu)
    if not saves or on_gpu or kind == "evaluate":
        return plan
    section = getattr(params, kind)
    size = memory.saved(model, section.optimizer.name, 2 if kind == "rlp" else 1)
    beside = {memory.SAVED: size}
    moments = (m.beside(beside) if memory.OPTIMIZER in m.lines else m for m in plan.moments)
    return replace(plan, moments=tuple(moments))


def known_kind(stage: str) -> str:
    """The kind of a stage that can be planned: `finetune` of `finetune@rlp`."""
    kind = stage.partition("@")[0]
    if kind in ("prepare", "validate", "compare", "promote"):
        raise UsageError(
            f"stage {kind} holds no model: there is nothing to plan",
            where="rlp plan",
            fix=f"plan one of: {', '.join(PLANNED)}",
        )
    if kind not in PLANNED:
        hint = did_you_mean(kind, PLANNED)
        raise UsageError(
            f"no stage is called {stage!r}", where="rlp plan", fix=f"{hint}{', '.join(PLANNED)}"
        )
    return kind

"""The plans of the stages of next-token prediction: `base`, `bootstrap`, `finetune` and `cpt`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rlp_core.planning import memory, work
from rlp_core.planning.memory import Moment
from rlp_core.planning.of_rlp import rlp_work
from rlp_core.planning.stage import Plan
from rlp_core.planning.work import Work

if TYPE_CHECKING:
    from rlp_core.params import Params
    from rlp_core.planning.shapes import ModelShape
    from rlp_core.training.config import Base, Cpt, Supervised


def next_tokens(params: Params, stage: str, model: ModelShape, on_gpu: bool) -> Plan:
    """`base`, `bootstrap` and `finetune`: their own texts, for as many steps as they say."""
    own = getattr(params, stage.partition("@")[0])
    return _supervised(params, stage, model, on_gpu, own, own.max_tokens, own.steps)


def cpt(params: Params, stage: str, model: ModelShape, on_gpu: bool) -> Plan:
    """For as many steps as its share of what `rlp` spends pays for."""
    own = params.cpt
    one = work.supervised(model, own.batch, params.rlp.max_tokens)
    budget = rlp_work(params, model).total * own.compute_ratio
    steps = max(1, round(budget / one.total))
    return _supervised(params, stage, model, on_gpu, own, params.rlp.max_tokens, steps)


def _supervised(
    params: Params,
    stage: str,
    model: ModelShape,
    on_gpu: bool,
    own: Base | Supervised | Cpt,
    tokens: int,
    steps: int,
) -> Plan:
    """A stage of next-token prediction, by its own section of the parameters."""
    precision, batch = own.precision, own.batch
    assumed = [f"every text is {tokens} tokens long, as the settings allow"]
    if steps == 0:
        assumed.append("no step is made: the model is read and written")
        moment = Moment("model", memory.standing(model, precision))
        return Plan(stage, model, precision, (moment,), (), Work(), tuple(assumed))
    rows = min(batch, params.runtime.micro_batch)
    count = math.ceil(batch / rows)
    moments = memory.supervised(
        model,
        precision,
        own.optimizer.name,
        rows,
        tokens,
        several=count > 1,
        recompute=params.runtime.recompute,
        on_gpu=on_gpu,
    )
    told = [f"{rows} of {batch} texts a pass: {count} passes a step"]
    if params.runtime.recompute:
        told.append("activations of the layers are made again in the backward pass")
    one = work.supervised(model, batch, tokens)
    return Plan(
        stage,
        model,
        precision,
        tuple(moments),
        tuple(told),
        one.times(steps),
        tuple(assumed),
    )

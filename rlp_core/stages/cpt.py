"""Stage `cpt`: the control. Next-token prediction with the compute that `rlp` spent.

From the same bootstrap, on the same documents, cut at the same length: without it nobody could
say whether thinking helped or merely more training (paper, section 11).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rlp_core.data.records import Document
from rlp_core.errors import MissingInputError
from rlp_core.stages import common
from rlp_core.training.batches import document_example, learnable, truncation
from rlp_core.training.supervised import SupervisedTrainer, steps_within

if TYPE_CHECKING:
    from rlp_core.stage import StageContext

STREAM = 2
"""Order of the records, apart from the other stages'."""


def run(context: StageContext) -> None:
    """Write `models/cpt`, its metrics and its learning curve."""
    params, settings = context.params, context.params.cpt
    budget = int(settings.compute_ratio * _spent_by_rlp(context))
    documents = common.read_part(context, "rlp", Document)
    model, codec = common.open_model(context, "bootstrap", settings.lora)
    read = [document_example(codec, document, params.rlp.max_tokens) for document in documents]
    data, lost = learnable(read), truncation(read)
    common.require_learnable(len(data), "rlp", "rlp.max_tokens")
    lost.tell("rlp", "rlp.max_tokens")
    steps = steps_within(model, data, settings.batch, budget)
    trainer = SupervisedTrainer(
        model,
        data,
        steps=steps,
        batch=settings.batch,
        optimizer=settings.optimizer,
        seed=params.seed,
        stream=STREAM,
        micro_batch=params.runtime.micro_batch,
        recompute=params.runtime.recompute,
        precision=settings.precision,
        flops_budget=budget,
    )
    log = common.train(context, trainer, steps)
    common.save_model(context, model, codec, "cpt", settings.lora)
    share = trainer.ledger.total_flops / budget if budget else 1.0
    extra = {"flops_budget": budget, "budget_share": share, **lost.metrics()}
    common.finish_training(context, log, trainer.ledger, extra)


def _spent_by_rlp(context: StageContext) -> int:
    path = context.workspace.report("rlp") / "ledger.json"
    if not path.is_file():
        raise MissingInputError(
            "the compute ledger of stage rlp is not there",
            where=str(path),
            fix="run `dvc repro rlp`, or `dvc pull` it",
        )
    return int(json.loads(path.read_text(encoding="utf-8"))["flops"]["total"])

"""Stage `rlp`: reinforcement as a pretraining objective, on text that carries no thoughts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.data.records import Document
from rlp_core.files import write_json
from rlp_core.stages import common
from rlp_core.training.places import text_of
from rlp_core.training.rlp import RlpTrainer

if TYPE_CHECKING:
    from rlp_core.stage import StageContext


def run(context: StageContext) -> None:
    """Write `models/rlp`, the ledger that `cpt` reads, its metrics and its learning curve."""
    params, settings = context.params, context.params.rlp
    documents = common.read_part(context, "rlp", Document)
    model, codec = common.open_model(context, "bootstrap")
    texts = [
        text_of(codec, document, settings.max_tokens, settings.position_selection)
        for document in documents
    ]
    texts = [text for text in texts if text.candidates]
    common.require_learnable(len(texts), "rlp", "rlp.max_tokens, rlp.position_selection")
    if len(texts) < len(documents):
        print(f"rlp: {len(documents) - len(texts)} documents have no place to think; not read")
    trainer = RlpTrainer(
        model, codec, settings, params.thought, params.seed, params.runtime.micro_batch
    )
    log = common.step_log(context, settings.steps)
    trainer.train(texts, log)
    common.save_model(context, model, codec, "rlp")
    write_json(context.workspace.report("rlp") / "ledger.json", trainer.ledger.as_dict())
    common.finish_training(context, log, trainer.ledger)

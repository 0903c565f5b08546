"""Stage `rlp`: reinforcement as a pretraining objective, on text that carries no thoughts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rlp_core.data.records import Document
from rlp_core.files import replacing_folder, write_json
from rlp_core.monitoring import roofline
from rlp_core.monitoring.monitored import MonitoredLearner
from rlp_core.policy import model as models
from rlp_core.rollout import engine, verify
from rlp_core.rollout.rng import number_of
from rlp_core.stages import common
from rlp_core.training.groups import branches_of, trunks_of
from rlp_core.training.learner import RLPLearner
from rlp_core.training.positions import TokenizedDocument, tokenize_document

if TYPE_CHECKING:
    from rlp_core.data.tokenizer import Codec
    from rlp_core.stage import StageContext

VERIFIED = 2
"""Places of the first batch that branches and the dense path are compared on."""


def run(context: StageContext) -> None:
    """Write `models/rlp`, the ledger that `cpt` reads, its metrics and its learning curve."""
    params, settings, runtime = context.params, context.params.rlp, context.params.runtime
    model, codec = common.open_model(context, "bootstrap")
    documents, heldout = _documents(context, codec)
    common.require_learnable(
        len(documents), "rlp", "rlp.max_tokens, rlp.position_selection, rlp.heldout.documents"
    )
    trainer = RLPLearner(
        model,
        codec,
        settings,
        params.thought,
        params.seed,
        documents,
        decode_batch_size=runtime.decode_batch_size,
        update_token_budget=runtime.update_token_budget,
        ema_device=runtime.ema_device,
    )
    if runtime.verify and settings.steps:
        _verify(trainer)
    if runtime.tracking and settings.steps:
        trainer.peak = roofline.measure(runtime.threads, str(model.device), seconds=0.1)

    def export(folder: Path) -> None:
        with replacing_folder(folder) as target:
            models.save(model, codec.tokenizer, target)

    key = context.scratch.name[:16] if context.scratch is not None else "run"
    watched = MonitoredLearner(
        trainer,
        heldout,
        context.workspace.private / "dumps" / key,
        export,
        health=settings.health,
        heldout=settings.heldout,
    )
    log = common.train(context, watched, settings.steps)
    watched.finish()
    common.save_model(context, model, codec, "rlp")
    write_json(context.workspace.report("rlp") / "ledger.json", trainer.ledger.as_dict())
    common.finish_training(context, log, trainer.ledger)


def _documents(
    context: StageContext, codec: Codec
) -> tuple[list[TokenizedDocument], list[TokenizedDocument]]:
    """The documents with a position to think at: to train on, and held back for evaluation.

    The held-back texts come from the same part. What the arms are compared on is never read here,
    or the choice of the best model would be a choice on the test.
    """
    settings = context.params.rlp
    records = common.read_part(context, "rlp", Document)
    held: set[str] = set()
    if settings.heldout.every:
        held = set(sorted({r.key for r in records}, key=number_of)[: settings.heldout.documents])
    found: tuple[list[TokenizedDocument], list[TokenizedDocument]] = ([], [])
    for record in records:
        document = tokenize_document(
            codec, record, settings.max_tokens, settings.position_selection
        )
        if document.candidates:
            found[record.key in held].append(document)
    lost = len(records) - len(found[0]) - len(found[1])
    if lost:
        print(f"rlp: {lost} documents have no position to think at; not read")
    return found


def _verify(trainer: RLPLearner) -> None:
    """Compare branches with the dense path on the first batch; go densely where they differ."""
    model = trainer.compute.model
    if not engine.branching(model):
        return
    spent = trainer.ledger.state()
    positions = trainer.positions([trainer.documents[i] for i in trainer.indices(0)], 0)[:VERIFIED]
    groups = trainer.draw(positions, 0)
    trainer.ledger.restore(spent)
    trunks, _ = trunks_of(positions)
    branches, _ = branches_of(groups, trainer.worker.marks, reasoned=True)
    good, worst = verify.agrees(model, trunks, branches)
    print(f"rlp: branch attention differs from the dense path by {worst:.1e} nats at most")
    if not good:
        print("warning: that is more than rounding; thoughts are read densely, which is slower")
        for each in (model, trainer.policy, trainer.ema.model, trainer.start):
            each.set_attn_implementation("sdpa")

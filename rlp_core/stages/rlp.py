"""Stage `rlp`: reinforcement as a pretraining objective, on text that carries no thoughts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rlp_core.data.records import Document
from rlp_core.files import replacing_folder, write_json
from rlp_core.policy import model as models
from rlp_core.rollout import engine, verify
from rlp_core.rollout.rng import number_of
from rlp_core.stages import common
from rlp_core.training import machine
from rlp_core.training.places import Text, text_of
from rlp_core.training.rlp import RlpTrainer
from rlp_core.training.rollouts import branches_of, trunks_of
from rlp_core.training.watch import WatchedRlp

if TYPE_CHECKING:
    from rlp_core.data.tokenizer import Codec
    from rlp_core.stage import StageContext

VERIFIED = 2
"""Places of the first batch that branches and the dense path are compared on."""


def run(context: StageContext) -> None:
    """Write `models/rlp`, the ledger that `cpt` reads, its metrics and its learning curve."""
    params, settings, runtime = context.params, context.params.rlp, context.params.runtime
    model, codec = common.open_model(context, "bootstrap")
    texts, heldout = _texts(context, codec)
    common.require_learnable(
        len(texts), "rlp", "rlp.max_tokens, rlp.position_selection, rlp.heldout.documents"
    )
    trainer = RlpTrainer(
        model,
        codec,
        settings,
        params.thought,
        params.seed,
        texts,
        micro_batch=runtime.thoughts,
        tokens=runtime.tokens,
        compute=runtime.compute,
        ema_device=runtime.ema_device,
    )
    if runtime.verify and settings.steps:
        _verify(trainer)
    if runtime.tracking and settings.steps:
        trainer.peak = machine.measure(runtime.threads, str(model.device), seconds=0.1)

    def export(folder: Path) -> None:
        with replacing_folder(folder) as target:
            models.save(model, codec.tokenizer, target)

    key = context.scratch.name[:16] if context.scratch is not None else "run"
    watched = WatchedRlp(trainer, heldout, context.workspace.private / "dumps" / key, export)
    log = common.train(context, watched, settings.steps)
    watched.finish()
    common.save_model(context, model, codec, "rlp")
    write_json(context.workspace.report("rlp") / "ledger.json", trainer.ledger.as_dict())
    common.finish_training(context, log, trainer.ledger)


def _texts(context: StageContext, codec: Codec) -> tuple[list[Text], list[Text]]:
    """The texts that have a place to think: to train on, and held back for evaluation in the run.

    The held-back texts come from the same part. What the arms are compared on is never read here,
    or the choice of the best model would be a choice on the test.
    """
    settings = context.params.rlp
    documents = common.read_part(context, "rlp", Document)
    held: set[str] = set()
    if settings.heldout.every:
        held = set(sorted({d.key for d in documents}, key=number_of)[: settings.heldout.documents])
    texts: tuple[list[Text], list[Text]] = ([], [])
    for document in documents:
        text = text_of(codec, document, settings.max_tokens, settings.position_selection)
        if text.candidates:
            texts[document.key in held].append(text)
    lost = len(documents) - len(texts[0]) - len(texts[1])
    if lost:
        print(f"rlp: {lost} documents have no place to think; not read")
    return texts


def _verify(trainer: RlpTrainer) -> None:
    """Compare branches with the dense path on the first batch; go densely where they differ."""
    model = trainer.compute.model
    if not engine.branching(model):
        return
    spent = trainer.ledger.state()
    places = trainer.places([trainer.texts[i] for i in trainer.indices(0)], 0)[:VERIFIED]
    groups = trainer.draw(places, 0)
    trainer.ledger.restore(spent)
    trunks, _ = trunks_of(places)
    branches, _ = branches_of(groups, trainer.marks, reasoned=True)
    good, worst = verify.agrees(model, trunks, branches)
    print(f"rlp: branch attention differs from the dense path by {worst:.1e} nats at most")
    if not good:
        print("warning: that is more than rounding; thoughts are read densely, which is slower")
        for each in (model, trainer.policy, trainer.ema.model, trainer.start):
            each.set_attn_implementation("sdpa")

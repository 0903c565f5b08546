"""Stage `rlp`: reinforcement as a pretraining objective, on text that carries no thoughts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.data.records import Document
from rlp_core.files import write_json
from rlp_core.monitoring import roofline
from rlp_core.stages import common
from rlp_core.threads import threads_of
from rlp_core.trainer import RLPTrainer

if TYPE_CHECKING:
    from rlp_core.stage import StageContext


def run(context: StageContext) -> None:
    """Write `models/rlp`, the ledger that `cpt` reads, its metrics and its learning curve."""
    params, settings, runtime = context.params, context.params.rlp, context.params.runtime
    model, codec = common.open_model(context, "bootstrap", settings.lora)
    own = str(context.workspace.root / settings.reward_folder)  # wherever this process is
    key = context.scratch.name[:16] if context.scratch is not None else "run"
    trainer = RLPTrainer(
        model,
        codec.tokenizer,
        common.read_part(context, "rlp", Document),
        settings.model_copy(update={"reward_folder": own}),
        thought=params.thought,
        seed=params.seed,
        decode_batch_size=runtime.decode_batch_size,
        update_token_budget=runtime.update_token_budget,
        attention=runtime.attention,
        ema_device=runtime.ema_device,
        verify=runtime.verify,
        save_seconds=runtime.checkpoint_seconds,
        save_share=runtime.checkpoint_share,
        log_every=runtime.log_every,
        sink=context.tracker,
        checkpoints=common.checkpoints(context),
        dump_dir=context.workspace.private / "dumps" / key,
    )
    if runtime.tracking and settings.steps:
        trainer.learner.peak = roofline.measure(threads_of(params), str(model.device), seconds=0.1)
    trainer.train()
    common.save_model(context, model, codec, "rlp", settings.lora)
    ledger = trainer.learner.ledger
    write_json(context.workspace.report("rlp") / "ledger.json", ledger.as_dict())
    assert trainer.log is not None  # it has trained
    common.finish_training(context, trainer.log, ledger, trainer.corpus.metrics())

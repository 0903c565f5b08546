"""What `bootstrap` and `finetune` share: imitate demonstrations, from one arm to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.data.records import Demonstration
from rlp_core.stages import common
from rlp_core.training.batches import learnable, truncation
from rlp_core.training.config import Supervised
from rlp_core.training.filler import demonstrated
from rlp_core.training.supervised import SupervisedTrainer

if TYPE_CHECKING:
    from rlp_core.stage import StageContext


def imitate(
    context: StageContext, settings: Supervised, *, part: str, start: str, end: str, stream: int
) -> None:
    """Train a copy of arm `start` on a part of demonstrations and save it as arm `end`.

    Args:
        context: the stage.
        settings: its section of the parameters.
        part: the demonstrations.
        start: the arm to load.
        end: the arm to write.
        stream: order of the records, apart from the other stages'.
    """
    params = context.params
    demonstrations = common.read_part(context, part, Demonstration)
    model, codec = common.open_model(context, start, settings.lora)
    read = demonstrated(codec, demonstrations, settings, params.seed)
    data, lost = learnable(read), truncation(read)
    lost.tell(part, f"{part}.max_tokens")
    common.require_learnable(len(data), part, f"{part}.max_tokens")
    trainer = SupervisedTrainer(
        model,
        data,
        steps=settings.steps,
        batch=settings.batch,
        optimizer=settings.optimizer,
        seed=params.seed,
        stream=stream,
        micro_batch=params.runtime.micro_batch,
        recompute=params.runtime.recompute,
        precision=settings.precision,
    )
    log = common.train(context, trainer, settings.steps)
    common.save_model(context, model, codec, end, settings.lora)
    common.finish_training(context, log, trainer.ledger, lost.metrics())

"""What `bootstrap` and `finetune` share: imitate demonstrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.data.records import Demonstration
from rlp_core.stages import common
from rlp_core.training.batches import learnable, truncation
from rlp_core.training.config import Supervised
from rlp_core.training.filler import demonstrated
from rlp_core.training.supervised import SupervisedTrainer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.data.tokenizer import Codec
    from rlp_core.stage import StageContext


def imitate(
    context: StageContext,
    settings: Supervised,
    model: PreTrainedModel,
    codec: Codec,
    *,
    part: str,
    end: str,
    stream: int,
) -> None:
    """Train a model on a part of demonstrations and save it as an arm.

    Args:
        context: the stage.
        settings: its section of the parameters.
        model: is trained.
        codec: its tokenizer.
        part: the demonstrations.
        end: the arm to write.
        stream: order of the records, apart from the other stages'.
    """
    params = context.params
    demonstrations = common.read_part(context, part, Demonstration)
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

"""Stage `base`: train a small model from scratch, or take a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.data.records import Document
from rlp_core.data.tokenizer import Codec, add_delimiters, train_tokenizer
from rlp_core.policy import model as models
from rlp_core.policy.config import Architecture
from rlp_core.rollout.engine import prepare
from rlp_core.stages import common
from rlp_core.training.batches import document_example, learnable, truncation
from rlp_core.training.supervised import SupervisedTrainer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.stage import StageContext

STREAM = 0
"""Order of the records, apart from the other stages'."""


def run(context: StageContext) -> None:
    """Write `models/base`, its metrics and its learning curve."""
    params = context.params
    device = common.prepare_torch(params)
    documents = common.read_part(context, "base", Document)
    if params.base.architecture is None:
        model, codec = _take_checkpoint(context)
    else:
        model, codec = _build(context, params.base.architecture, documents)
    model.to(device)  # type: ignore[arg-type]  # a decorator of transformers hides the type
    prepare(model, params.runtime.attention)
    read = [document_example(codec, document, params.base.max_tokens) for document in documents]
    data, lost = learnable(read), truncation(read)
    common.require_learnable(len(data), "base", "base.max_tokens")
    lost.tell("base", "base.max_tokens")
    trainer = SupervisedTrainer(
        model,
        data,
        steps=params.base.steps,
        batch=params.base.batch,
        optimizer=params.base.optimizer,
        seed=params.seed,
        stream=STREAM,
        micro_batch=params.runtime.micro_batch,
        recompute=params.runtime.recompute,
        precision=params.base.precision,
    )
    log = common.train(context, trainer, params.base.steps)
    common.save_model(context, model, codec, "base")
    body, head = models.parameter_count(model)
    common.finish_training(
        context, log, trainer.ledger, {"parameters": body + head, **lost.metrics()}
    )


def _build(
    context: StageContext, shape: Architecture, documents: list[Document]
) -> tuple[PreTrainedModel, Codec]:
    """A new tokenizer from the documents, and a randomly initialised model for it."""
    pair = common.delimiters(context.params)
    tokenizer = train_tokenizer(
        (document.text for document in documents), shape.vocabulary, pair, shape.context
    )
    size = models.Shape(
        shape.width, shape.layers, shape.heads, shape.kv_heads, shape.feed_forward, shape.context
    )
    model = models.build(size, tokenizer, context.params.seed)
    codec = common.codec_of(context.params, model, tokenizer)
    common.check_lengths(context.params, model, "base.architecture", len(codec.lead))
    return model, codec


def _take_checkpoint(context: StageContext) -> tuple[PreTrainedModel, Codec]:
    """A Hugging Face checkpoint, with the thought's delimiters as single tokens."""
    params, pair = context.params, common.delimiters(context.params)
    model, tokenizer = models.load(params.base.checkpoint, params.base.revision)
    added = add_delimiters(tokenizer, pair)
    codec = common.codec_of(params, model, tokenizer)
    common.check_lengths(params, model, params.base.checkpoint, len(codec.lead))
    models.initialise_tokens(model, added)
    if added:
        print(f"base: {len(added)} thought delimiters added to the tokenizer of the checkpoint")
    return model, codec

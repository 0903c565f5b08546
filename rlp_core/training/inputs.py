"""What a program hands to a run: checked, and brought into the form that the loop reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, cast

import torch

from rlp_core.data.records import Document, content_key
from rlp_core.data.thought import ThoughtConfig
from rlp_core.data.tokenizer import Codec, add_delimiters, backend_of
from rlp_core.errors import ConfigError, DataError
from rlp_core.policy import checks
from rlp_core.policy.ends import check_vocabulary, ends_of
from rlp_core.policy.lora import adapted
from rlp_core.policy.model import embedding_rows, initialise_tokens
from rlp_core.training.checkpoint import module_state
from rlp_core.training.config import LearnerConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

    from rlp_core.training.learner import RLPLearner

SOURCE = "given to the library"
"""Source and licence of a text that came as a string."""


def as_records(documents: Sequence[str | Document]) -> list[Document]:
    """Texts as records; an id is the text's hash, and its number among equal ones.

    Raises:
        DataError: there is none, one is empty, or one is neither text nor record.
    """
    if isinstance(documents, str | bytes | Mapping) or not isinstance(documents, Sequence):
        raise _no_documents(f"documents must be a list of texts, not {type(documents).__name__}")
    seen: dict[str, int] = {}
    records = []
    for index, document in enumerate(documents):
        if isinstance(document, str):
            key = content_key(document)
            count = seen[key] = seen.get(key, 0) + 1
            document = Document(
                id=f"{key}-{count}", key=key, source=SOURCE, licence=SOURCE, text=document
            )
        if not isinstance(document, Document):
            raise _no_documents(
                f"document {index} is a {type(document).__name__}, neither a text nor a Document"
            )
        if not document.text.strip():
            raise _no_documents(f"document {index} is empty")
        records.append(document)
    if not records:
        raise _no_documents("there are no documents")
    return records


def codec_of(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, thought: ThoughtConfig
) -> Codec:
    """The codec of a model that thinks so: its delimiters, its prompt, and the model's own ends.

    Raises:
        ConfigError: as of `Codec.of`.
    """
    fast, pair = cast("PreTrainedTokenizerFast", tokenizer), (thought.open, thought.close)
    return Codec.of(fast, pair, *thought.words(), ends=ends_of(model, fast))


def codec_for(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None, thought: ThoughtConfig
) -> Codec:
    """The codec of a model's tokenizer; delimiters that it lacks are added to both, and said.

    Raises:
        ConfigError: there is no fast tokenizer, it is another model's, or a delimiter means
            something else to it.
    """
    if tokenizer is None:
        raise ConfigError(
            "the model comes without a tokenizer",
            where="RLPTrainer(model, tokenizer, ...)",
            fix="give AutoTokenizer.from_pretrained of the folder or name that the model is from",
        )
    backend_of(cast("PreTrainedTokenizerFast", tokenizer))
    fast = cast("PreTrainedTokenizerFast", tokenizer)
    check_vocabulary(model, fast, embedding_rows(model), "RLPTrainer(model, tokenizer, ...)")
    pair = (thought.open, thought.close)
    added = add_delimiters(fast, pair)
    initialise_tokens(model, added)
    if added:
        told = f"the delimiters {' and '.join(pair)} are new to the tokenizer"
        print(f"rlp: {told}: added, with the mean embedding of the others", flush=True)
    return codec_of(model, fast, thought)


def check_model(
    model: PreTrainedModel, config: LearnerConfig, thought: ThoughtConfig, lead: int = 0
) -> None:
    """Make a model fit to be trained, and say what was changed.

    Args:
        model: to be trained.
        config: the objective and the loop.
        thought: how a thought is written.
        lead: tokens of the prompt before a thought.

    Raises:
        ConfigError: it is no causal model, or a sequence may be longer than it can read.
    """
    name = model.name_or_path or type(model).__name__
    if hasattr(model, "peft_config") and not adapted(model):
        raise ConfigError(
            "the model is wrapped by peft already",
            where="RLPTrainer(model, ...)",
            fix="give the plain model, and RLPConfig(lora=LoraConfig(rank=16)) for adapters",
        )
    checks.check_causal(model, name)
    longest = config.max_tokens + thought.max_tokens + 2 + lead
    keys = "max_tokens + thought.max_tokens + 2" + (f" + {lead} of the prompt" if lead else "")
    checks.check_length(model.config, {keys: longest}, name)
    if config.min_thought_tokens >= thought.max_tokens:
        raise ConfigError(
            f"min_thought_tokens = {config.min_thought_tokens} must be below thought.max_tokens = "
            f"{thought.max_tokens}, which counts the closing delimiter",
            where="RLPConfig(min_thought_tokens=...)",
            fix="lower it, or let thoughts be longer: ThoughtConfig(max_tokens=...)",
        )
    dropped = checks.switch_off_dropout(model)
    if dropped:
        named = ", ".join(f"{key} = {rate}" for key, rate in sorted(dropped.items()))
        print(f"rlp: the model's dropout is switched off: {named}", flush=True)
    other = {str(p.dtype) for p in model.parameters() if p.dtype != torch.float32}
    if other:
        print(f"rlp: weights of {', '.join(sorted(other))} become float32, as they are trained in")
        model.float()


def run_key(learner: RLPLearner) -> str:
    """A name for a run by all that decides its result: model, documents, settings, seed, code."""
    digest = hashlib.sha256()
    said = {
        "version": version("rlp"),
        "settings": learner.settings.model_dump(mode="json"),
        "thought": learner.thought.model_dump(mode="json"),
        "seed": learner.seed,
        "runtime": learner.runtime,
        "documents": [[d.number, d.tokens, d.candidates] for d in learner.documents],
    }
    digest.update(json.dumps(said, sort_keys=True).encode())
    for name, tensor in sorted(module_state(learner.policy).tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _no_documents(what: str) -> DataError:
    return DataError(
        what,
        where="RLPTrainer(model, tokenizer, documents, ...)",
        fix="give a list of texts that are not empty, or of rlp_core.Document",
    )

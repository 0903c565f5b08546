"""Models as ordinary Hugging Face folders: build, load, check, save. Safetensors only."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import Tensor, nn
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers.utils import logging

from rlp_core.errors import ConfigError, MissingInputError, UnavailableError
from rlp_core.policy import adapter_folder, checks, lora, older
from rlp_core.policy.ends import check_vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from rlp_core.policy.config import Architecture

logging.disable_progress_bar()  # a bar for every file that is opened hides the stage's own lines


@dataclass(frozen=True)
class Shape:
    """Size of a Qwen3 transformer built from scratch; embeddings are tied."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    context: int
    head_size: int = 0  # width / heads


def choose_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:N` as a device that exists.

    Raises:
        ConfigError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"no device {name!r} here: {str(error).splitlines()[0]}",
            where="params.yaml: runtime.device",
            fix="use auto, cpu, or a device that torch can see",
        ) from error
    return device


def config_of(shape: Shape | Architecture, vocabulary: int, **tokens: Any) -> Qwen3Config:
    """The configuration of a model that is built from scratch.

    Args:
        shape: its sizes.
        vocabulary: tokens that it embeds.
        tokens: numbers of the control tokens, by their names in a configuration.
    """
    return Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=getattr(shape, "head_size", 0) or shape.width // shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.context,
        tie_word_embeddings=True,
        attention_dropout=0.0,
        **tokens,
    )


def build(shape: Shape, tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen3ForCausalLM:
    """A randomly initialised model in fp32 for a tokenizer."""
    config = config_of(
        shape,
        len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    model: Qwen3ForCausalLM = Qwen3ForCausalLM(config).float()
    return model


def reinitialised(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """A model of the same make, type and device, with random weights as its family draws them.

    It attends as its family does: whoever wants branches lets it.
    """
    config = copy.deepcopy(model.config)
    config._attn_implementation = "eager"
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for parameter in made.parameters():
        parameter.data = parameter.data.to(model.dtype)
    return cast("PreTrainedModel", made.to(model.device).eval())


def load(
    source: str | Path, revision: str = "", *, keep_adapters: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Load model and tokenizer from a folder or a hub, in fp32, without remote code.

    What the checkpoint drops out is switched off, and said: see `checks.switch_off_dropout`.

    Args:
        source: a folder, or a repository on a hub.
        revision: commit on the hub; empty for a folder.
        keep_adapters: leave the adapters of a folder that holds such as they are, to be trained
            on; else they are merged into the model below them.

    Raises:
        MissingInputError: the folder does not exist, or lacks files of the model.
        UnavailableError: the repository is neither cached nor reachable.
        ConfigError: the weights are pickled, damaged, missing, of other shapes or not finite; the
            model is not causal; or its tokenizer is another model's.
    """
    folder = Path(source)
    local = folder.is_dir()
    if local and adapter_folder.is_adapter(folder):
        return _load_adapters(folder, keep_adapters)
    if local:
        checks.check_folder(folder)
    elif isinstance(source, Path) or source.startswith((".", "/", "~")):
        raise MissingInputError(
            "no model folder here",
            where=str(source),
            fix="run the stage that makes it, or `dvc pull` it",
        )
    model, tokenizer = _read(source, None if local else revision or None, local)
    check_vocabulary(model, tokenizer, embedding_rows(model), str(source))
    bad = [name for name, weight in model.named_parameters() if not torch.isfinite(weight).all()]
    if bad:
        raise ConfigError(
            f"{len(bad)} weights hold NaN or infinity, the first is {bad[0]}",
            where=str(source),
            fix="train it anew, or take an earlier version",
        )
    checks.check_causal(model, str(source))
    dropped = checks.switch_off_dropout(model)
    if dropped:
        named = ", ".join(f"{name} = {rate}" for name, rate in sorted(dropped.items()))
        print(f"dropout of the checkpoint is switched off: {named} ({source})", flush=True)
    return model, tokenizer


def _load_adapters(folder: Path, keep: bool) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    model, _ = load(adapter_folder.check(folder))
    adapter_folder.put_into(model, folder)
    if not keep:
        lora.merge(model)
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:
        raise _cannot_load(folder, True, error) from error
    check_vocabulary(model, tokenizer, embedding_rows(model), str(folder))
    return model, tokenizer


def _read(
    source: str | Path, revision: str | None, local: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """What transformers make of the files; whatever they raise becomes a message."""
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(source, **options)
        causal = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING
        if causal:
            tokenizer: Any = AutoTokenizer.from_pretrained(source, **options)
            # with other shapes ignored here they are told by name below, and never trained
            made: Any = AutoModelForCausalLM.from_pretrained(
                source,
                **options,
                dtype=torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except Exception as error:
        raise _cannot_load(source, local, error) from error
    if not causal:
        raise ConfigError(
            f"a model of type {config.model_type!r} is no causal language model",
            where=str(source),
            fix="take a model that is trained to predict the next token",
        )
    model, found = made
    checks.check_loading(found, str(source))
    return model, tokenizer


def save(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    saved: Literal["merged", "adapter"] = "merged",
) -> None:
    """Write safetensors, configuration and tokenizer into an existing folder.

    Transformers 4.57 and 5 read it alike.

    Args:
        model: stays as it is.
        tokenizer: its own.
        folder: where.
        saved: what is written of a model with adapters: all weights, or they alone.
    """
    if lora.adapted(model) and saved == "adapter":
        adapter_folder.write(model, tokenizer, folder)
        older.make_tokenizer_readable(folder)
        return
    whole = lora.merged(model) if lora.adapted(model) else model
    whole.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    older.make_readable(folder)


def initialise_tokens(model: PreTrainedModel, added: Sequence[int]) -> None:
    """Give tokens that are new to the tokenizer the mean of what the tokens before them have.

    A model often has spare rows, which nothing has trained: a new token in one of them is as much
    in need of a beginning as one that the model lacks a row for. Input and output embedding, and
    the output's bias where there is one.

    Args:
        model: gets more rows where it lacks them.
        added: the new tokens; every token below the first of them is one of text.
    """
    if not added:
        return
    if max(added) >= embedding_rows(model):
        model.resize_token_embeddings(max(added) + 1, mean_resizing=False)
    bias = getattr(model.get_output_embeddings(), "bias", None)
    with torch.no_grad():
        for table in (*embeddings(model), *(() if bias is None else (bias,))):
            table[list(added)] = table[: min(added)].mean(dim=0)


def embedding_rows(model: PreTrainedModel) -> int:
    """Tokens that the model can embed; a model may have more rows than its tokenizer tokens."""
    return embeddings(model)[0].shape[0]


def embeddings(model: PreTrainedModel) -> tuple[Tensor, Tensor]:
    """Input and output embedding, [tokens, width] each; one and the same where they are tied."""
    pair = (model.get_input_embeddings(), model.get_output_embeddings())
    first, last = (cast(Tensor, cast(nn.Module, layer).weight) for layer in pair)
    return first, last


def head_size(config: Any) -> int:
    """Numbers of a query or key of one attention head, by a model's configuration."""
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(size)


def parameter_count(model: PreTrainedModel) -> tuple[int, int]:
    """Parameters of the body, and of the head: multiply by 2 for FLOPs per token forward."""
    first, last = embeddings(model)
    total = sum(p.numel() for p in model.parameters())
    return total - last.numel() - (0 if first is last else first.numel()), last.numel()


def frozen_count(model: PreTrainedModel) -> tuple[int, int]:
    """Those of `parameter_count` that are not trained: no gradient of them is made."""
    first, last = embeddings(model)
    table = 0 if first is last or first.requires_grad else first.numel()
    total = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    head = 0 if last.requires_grad else last.numel()
    return total - head - table, head


def _cannot_load(
    source: str | Path, local: bool, error: Exception
) -> ConfigError | UnavailableError:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if local:
        return ConfigError(
            f"the model cannot be loaded: {first}",
            where=str(source),
            fix="check that the folder was written whole, with its tokenizer",
        )
    return UnavailableError(
        f"the checkpoint is neither cached nor reachable: {first}",
        where=f"params.yaml: base.checkpoint = {source}",
        fix="set HF_HUB_OFFLINE=0 to allow the download, or give a local folder",
    )

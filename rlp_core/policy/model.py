"""Models as ordinary Hugging Face folders: build, load, check, save. Safetensors only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging

from rlp_core.errors import ConfigError, MissingInputError, UnavailableError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

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


def build(shape: Shape, tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen3ForCausalLM:
    """A randomly initialised model in fp32 for a tokenizer."""
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.width // shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.context,
        tie_word_embeddings=True,
        attention_dropout=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    model: Qwen3ForCausalLM = Qwen3ForCausalLM(config).float()
    return model


def load(source: str | Path, revision: str = "") -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Load model and tokenizer from a folder or a hub, in fp32, without remote code.

    Args:
        source: a folder, or a repository on a hub.
        revision: commit on the hub; empty for a folder.

    Raises:
        MissingInputError: the folder does not exist or holds no model.
        UnavailableError: the repository is neither cached nor reachable.
        ConfigError: only pickled weights, or a vocabulary that the tokenizer exceeds.
    """
    folder = Path(source)
    local = folder.is_dir()
    if local:
        _check_folder(folder)
    elif isinstance(source, Path) or source.startswith((".", "/", "~")):
        raise MissingInputError(
            "no model folder here",
            where=str(source),
            fix="run the stage that makes it, or `dvc pull` it",
        )
    version = None if local else revision or None
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, revision=version)
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            source, revision=version, dtype=torch.float32, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise _cannot_load(source, local, error) from error
    rows = embedding_rows(model)
    if len(tokenizer) > rows:
        raise ConfigError(
            f"the tokenizer has {len(tokenizer)} tokens, the model embeds only {rows}",
            where=str(source),
            fix="take model and tokenizer from the same release",
        )
    bad = [name for name, weight in model.named_parameters() if not torch.isfinite(weight).all()]
    if bad:
        raise ConfigError(
            f"{len(bad)} weights hold NaN or infinity, the first is {bad[0]}",
            where=str(source),
            fix="train it anew, or take an earlier version",
        )
    return model, tokenizer  # type: ignore[return-value]  # fast tokenizers alone are saved here


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write safetensors, configuration and tokenizer into an existing folder."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def grow_vocabulary(model: PreTrainedModel, tokens: int) -> None:
    """Give new tokens the mean of the embeddings that are there, if the model lacks rows."""
    before = embedding_rows(model)
    if tokens <= before:
        return
    model.resize_token_embeddings(tokens, mean_resizing=False)
    with torch.no_grad():
        for weight in embeddings(model):
            weight[before:] = weight[:before].mean(dim=0)


def embedding_rows(model: PreTrainedModel) -> int:
    """Tokens that the model can embed; a model may have more rows than its tokenizer tokens."""
    return embeddings(model)[0].shape[0]


def embeddings(model: PreTrainedModel) -> tuple[Tensor, Tensor]:
    """Input and output embedding, [tokens, width] each; one and the same where they are tied."""
    pair = (model.get_input_embeddings(), model.get_output_embeddings())
    first, last = (cast(Tensor, cast(nn.Module, layer).weight) for layer in pair)
    return first, last


def parameter_count(model: PreTrainedModel) -> tuple[int, int]:
    """Parameters of the body, and of the head: multiply by 2 for FLOPs per token forward."""
    first, last = embeddings(model)
    total = sum(p.numel() for p in model.parameters())
    return total - last.numel() - (0 if first is last else first.numel()), last.numel()


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise MissingInputError(
            "the folder holds no model: config.json is missing",
            where=str(folder),
            fix="run the stage that makes it, or `dvc pull` it",
        )
    if not list(folder.glob("*.safetensors")):
        pickled = sorted(p.name for p in folder.glob("*.bin"))
        raise ConfigError(
            f"weights are not in safetensors format; found {', '.join(pickled) or 'none'}",
            where=str(folder),
            fix="convert them with save_pretrained; pickled weights can run code and are refused",
        )


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

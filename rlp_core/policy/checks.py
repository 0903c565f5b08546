"""Whether a checkpoint is whole, and can be taught: looked at before any work is done on it.

A loader fills what a file lacks with random numbers and goes on; a run that trains them says
nothing of it. Here that, and everything else that would end in a traceback hours later, is an
error that says what, where and how to mend it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from rlp_core.errors import ConfigError, MissingInputError
from rlp_core.policy.context_length import context_length

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

LFS = b"version https://git-lfs"
"""How a pointer begins that stands for a file that git-lfs has not fetched."""

INDEX = "model.safetensors.index.json"
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
"""A tokenizer has one of these files."""

LEAKED = 1e-4
"""Change of the logits before a changed token that rounding cannot explain, as a share of them."""


def check_folder(folder: Path) -> None:
    """Look at the files of a model folder without loading them.

    Raises:
        MissingInputError: there is no configuration, tokenizer or shard, or git-lfs has left
            pointers in their place.
        ConfigError: only pickled weights, or a file of weights that is damaged or cut off.
    """
    if not (folder / "config.json").is_file():
        raise MissingInputError(
            "the folder holds no model: config.json is missing",
            where=str(folder),
            fix="run the stage that makes it, or `dvc pull` it",
        )
    _check_pointers(folder)
    if not list(folder.glob("*.safetensors")):
        pickled = sorted(p.name for p in folder.glob("*.bin"))
        raise ConfigError(
            f"weights are not in safetensors format; found {', '.join(pickled) or 'none'}",
            where=str(folder),
            fix="convert them with save_pretrained; pickled weights can run code and are refused",
        )
    for path in _shards(folder):
        _check_weights(path)
    if not any((folder / name).is_file() for name in VOCABULARIES):
        raise MissingInputError(
            f"the folder holds no tokenizer: none of {', '.join(VOCABULARIES)}",
            where=str(folder),
            fix="copy the tokenizer's files there: tokenizer.json and tokenizer_config.json",
        )


def _check_pointers(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            continue
        with path.open("rb") as handle:
            if handle.read(len(LFS)) == LFS:
                raise MissingInputError(
                    f"{path.name} is a pointer of git-lfs, not the file itself",
                    where=str(path),
                    fix="fetch it: `git lfs pull` in the repository that the folder came from",
                )


def _shards(folder: Path) -> list[Path]:
    index = folder / INDEX
    if not index.is_file():
        return sorted(folder.glob("*.safetensors"))
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "the list of the checkpoint's files is damaged",
            where=str(index),
            fix="copy or download it again",
        ) from error
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise MissingInputError(
            f"{len(missing)} of {len(names)} files of weights are missing, the first is "
            f"{missing[0]}",
            where=str(folder),
            fix="copy or download the whole checkpoint",
        )
    return [folder / name for name in names]


def _check_weights(path: Path) -> None:
    try:
        with safe_open(path, framework="pt") as handle:
            handle.keys()
    except SafetensorError as error:
        raise ConfigError(
            f"the file of weights is damaged or cut off: {error}",
            where=str(path),
            fix="copy or download it again, and compare its size with the original's",
        ) from error


def check_loading(found: Mapping[str, Any], source: str) -> None:
    """Judge what the loader says of the weights; unused ones are a warning.

    Args:
        found: `output_loading_info` of transformers.
        source: where the checkpoint came from.

    Raises:
        ConfigError: weights are missing, or of another shape than the configuration says.
    """
    unused = sorted(found["unexpected_keys"])
    missing = sorted(found["missing_keys"])
    shapes = sorted(str(name) for name in found["mismatched_keys"])
    if shapes:
        raise ConfigError(
            f"{len(shapes)} weights have another shape than config.json says, the first is "
            f"{shapes[0]}",
            where=source,
            fix="take configuration and weights from the same release",
        )
    if missing:
        raise ConfigError(
            f"the checkpoint lacks {len(missing)} weights, the first is {missing[0]}; they would "
            "be random numbers",
            where=source,
            fix=_renaming(missing, unused)
            or "take a whole checkpoint, and the configuration that it was saved with",
        )
    if unused:
        print(
            f"warning: {len(unused)} weights of the checkpoint are not used, the first is "
            f"{unused[0]} ({source})",
            flush=True,
        )


def _renaming(missing: Iterable[str], unused: Iterable[str]) -> str:
    """How to mend names that carry a prefix, as those of a compiled or wrapped model do."""
    for wanted in missing:
        for name in unused:
            if name.endswith(f".{wanted}"):
                prefix = name.removesuffix(wanted)
                return f"its names begin with `{prefix}`: save the model that was wrapped, itself"
    return ""


@torch.no_grad()
def check_causal(model: PreTrainedModel, source: str) -> None:
    """Change the last token of a text, and see that nothing before it notices.

    Raises:
        ConfigError: the model reads ahead, as BERT does: it would be shown what it is to predict.
    """
    rows = int(cast(Tensor, model.get_input_embeddings().weight).shape[0])
    text = torch.arange(5, device=model.device) % rows
    other = torch.cat([text[:-1], (text[-1:] + 1) % rows])
    one, two = (
        model(input_ids=ids[None], use_cache=False).logits[0, :-1].float() for ids in (text, other)
    )
    if float((one - two).abs().max()) > LEAKED * float(one.abs().max()):
        raise ConfigError(
            f"{type(model).__name__} is no causal model: it reads the text that follows",
            where=source,
            fix="take a model that is trained to predict the next token",
        )


def active_dropout(config: PreTrainedConfig) -> dict[str, float]:
    """Every rate of dropout in a configuration that is not 0, by whatever name."""
    return {
        name: float(value)
        for name, value in config.to_dict().items()
        if "drop" in name and isinstance(value, (int, float)) and value
    }


def switch_off_dropout(model: PreTrainedModel) -> dict[str, float]:
    """Set every rate of dropout to 0, and return those that were not.

    With dropout the policy that is updated is not the one that was sampled from.
    """
    rates = active_dropout(model.config)
    for name in rates:
        setattr(model.config, name, 0.0)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name, value in vars(module).items():
            if "drop" in name and isinstance(value, float):
                setattr(module, name, 0.0)
    return rates


def check_length(config: PreTrainedConfig, lengths: Mapping[str, int], source: str) -> None:
    """Compare what will be read with what the model was made for.

    Args:
        config: the model's.
        lengths: longest sequences in tokens, by the parameters that set them.
        source: the model.

    Raises:
        ConfigError: a sequence may become too long.
    """
    limit = context_length(config.to_dict())
    for keys, length in lengths.items():
        if limit is not None and length > limit:
            raise ConfigError(
                f"{keys} = {length} tokens, and the model reads {limit} at most",
                where=f"params.yaml: {keys}; {source}",
                fix=f"lower what is named to {limit} in all, or take a model of longer context",
            )

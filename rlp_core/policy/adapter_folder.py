"""Folders that hold adapters alone, as peft writes them, beside the tokenizer.

`AutoPeftModelForCausalLM` reads one together with the model that it names. That model must be the
very one that the adapters were trained on: its digest stands in the folder, in `base.json`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from rlp_core.errors import ConfigError, MissingInputError
from rlp_core.policy import lora

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_PREFIX = "base_model.model."
"""What peft puts before the names of a model that it wraps."""

CONFIG, WEIGHTS, BASE = "adapter_config.json", "adapter_model.safetensors", "base.json"


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds adapters without the model below them."""
    return (folder / CONFIG).is_file() and not (folder / "config.json").is_file()


def write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the adapters of a model, and its tokenizer, into an existing folder.

    The names are peft's for a model that it wraps. Its own writing would ask a hub for the base,
    and put the targets in an order that changes from process to process.
    """
    peft = lora.require_peft()
    found = peft.get_peft_model_state_dict(
        model, adapter_name=lora.ADAPTER, save_embedding_layers=False
    )
    weights = {f"{_PREFIX}{name}": tensor.contiguous() for name, tensor in found.items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    own: Any = model.peft_config[lora.ADAPTER]
    tree = own.to_dict()
    tree["target_modules"] = sorted(tree["target_modules"])
    text = json.dumps(tree, indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    tokenizer.save_pretrained(folder)
    base = base_of(folder)
    if base.is_dir():  # what is from a hub is named by its name, and lies in no folder here
        digest = {"sha256": _digest(base)}
        (folder / BASE).write_text(json.dumps(digest) + "\n", encoding="utf-8")


def base_of(folder: Path) -> Path:
    """The model that a folder's adapters were trained on.

    Its name is one from the directory that holds the folder of models (`models/rlp` names
    `models/base`), else from the working directory. Adapters that were copied elsewhere with their
    base so meet that base, not one of the same name in the checkout where they are read.

    Raises:
        ConfigError: the folder's configuration cannot be read, or names none.
    """
    name = str(_read_config(folder).get("base_model_name_or_path") or "")
    if not name:
        raise ConfigError(
            "the adapters do not say which model they belong to",
            where=str(folder / CONFIG),
            fix="state its folder there as `base_model_name_or_path`",
        )
    beside = folder.resolve().parent.parent / name
    return beside if beside.is_dir() else Path(name)


def check(folder: Path) -> Path:
    """The base of the folder's adapters, after looking at the files.

    Raises:
        MissingInputError: weights or base are not there.
        ConfigError: no LoRA adapters, damaged weights, or the base is another than it was.
    """
    base, config = base_of(folder), _read_config(folder)
    if config.get("peft_type") != "LORA":
        raise ConfigError(
            f"adapters of type {config.get('peft_type')!r} are not known here, LoRA alone is",
            where=str(folder / CONFIG),
            fix="merge them into their model with peft, and give that folder",
        )
    if not (folder / WEIGHTS).is_file():
        raise MissingInputError(
            f"the folder holds no adapters: {WEIGHTS} is missing",
            where=str(folder),
            fix="run the stage that makes it, or `dvc pull` it; pickled adapters are refused",
        )
    if not base.is_dir():
        raise MissingInputError(
            f"the model that the adapters belong to is not there: {base}",
            where=str(folder / CONFIG),
            fix="bring it there, or correct `base_model_name_or_path`",
        )
    known = folder / BASE
    told = {"sha256": _digest(base)}
    if known.is_file() and json.loads(known.read_text(encoding="utf-8")) != told:
        raise ConfigError(
            f"the adapters were trained on another model than the one in {base}",
            where=str(folder),
            fix="bring the model of that time back (`dvc checkout`), or train the adapters anew",
        )
    return base


def put_into(model: PreTrainedModel, folder: Path) -> None:
    """Put the adapters of a folder into the model that they belong to; all else is frozen.

    Raises:
        ConfigError: they do not fit it, or their file is damaged.
    """
    peft = lora.require_peft()
    tree = _read_config(folder)
    try:
        lora.attach_as(
            model, peft.LoraConfig.from_pretrained(str(folder)), tree["base_model_name_or_path"]
        )
        weights = load_file(folder / WEIGHTS)
        found = peft.set_peft_model_state_dict(model, weights, adapter_name=lora.ADAPTER)
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise _unfit(folder, str(error).strip().splitlines()[0]) from error
    own = [name for name in found.missing_keys if "lora_" in name]
    if own or found.unexpected_keys:
        odd = (own or found.unexpected_keys)[0]
        raise _unfit(folder, f"{len(own)} weights are missing and "
                     f"{len(found.unexpected_keys)} have no place, such as {odd}")  # fmt: skip


def _digest(folder: Path) -> str:
    """Of a model's configuration and weights, whatever else lies in its folder."""
    total = hashlib.sha256()
    for path in sorted([folder / "config.json", *folder.glob("*.safetensors")]):
        with path.open("rb") as handle:
            total.update(
                f"{path.name} {hashlib.file_digest(handle, 'sha256').hexdigest()}\n".encode()
            )
    return total.hexdigest()


def _unfit(folder: Path, why: str) -> ConfigError:
    return ConfigError(
        f"the adapters do not fit the model that they name: {why}",
        where=str(folder),
        fix="give the model that they were trained on, as `base_model_name_or_path` of "
        f"{CONFIG}, or copy the folder again",
    )


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(tree, dict):
            raise TypeError("it is no mapping")
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"the configuration of the adapters cannot be read: {error}",
            where=str(path),
            fix="copy the folder again",
        ) from error
    return tree

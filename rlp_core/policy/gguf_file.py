"""A model in a GGUF file: looked at before it is read, then dequantised to fp32 by transformers.

Only a file whose architecture transformers can read is begun with; what a file says of itself
stands in its header.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlp_core.errors import ConfigError, MissingInputError, UnavailableError
from rlp_core.policy import checks

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

MAGIC = b"GGUF"
NEEDED = ("gguf", "accelerate")
"""Packages that transformers read such a file with; the extra `gguf` brings them."""

DEQUANTISER = "GgufConfig"
"""What newer transformers have, and are told with to unpack all weights."""

SPLITTINGS = ("", "default", "gpt-2", "smollm")
"""Ways of parting words that lead to the tokens of the way that transformers take by default."""

NOT_MODELS = ("general", "tokenizer")
"""What transformers list among the architectures and are parts of every file."""

TRACES = ("hf_quantizer", "quantization_method", "is_quantized")
"""What transformers note on a model that came from a quantised file; they save none that has it."""


@dataclass(frozen=True)
class GgufFile:
    """What a file says of itself.

    Attributes:
        path: the file.
        architecture: as llama.cpp names it.
        name: of the model; empty: not stated.
        licence: empty: not stated.
        quantisation: how many tensors are written in which way, `{"Q4_1": 210, "F32": 61}`.
        turn_ends: tokens that end a turn, besides the tokenizer's end of text.
        splitting: how the original tokenizer parts words before it looks for tokens; empty: not
            stated, or a kind that needs none.
        numbers: how many all tensors hold.
    """

    path: Path
    architecture: str
    name: str
    licence: str
    quantisation: dict[str, int]
    turn_ends: tuple[int, ...]
    splitting: str
    numbers: int


def examine(path: Path) -> GgufFile:
    """Read the header, and refuse what cannot be read whole.

    Raises:
        MissingInputError: there is no such file.
        UnavailableError: a package that reads such files is not installed.
        ConfigError: the file is none of GGUF, is damaged or cut off, is one of several parts, has
            no tokenizer, or is of an architecture that transformers cannot read.
    """
    if not path.is_file():
        raise MissingInputError("no such file", where=str(path), fix="correct the path")
    with path.open("rb") as handle:
        if handle.read(len(MAGIC)) != MAGIC:
            raise ConfigError(
                "the file is not in GGUF format",
                where=str(path),
                fix="fetch it again; a pointer of git-lfs needs `git lfs pull`",
            )
    _check_packages(path)
    said, tensors = _header(path)
    architecture = str(said("general.architecture", ""))
    _check_architecture(path, architecture)
    if said("split.count", 1) not in (0, 1):
        raise ConfigError(
            f"the file is one of {said('split.count')} parts of a model",
            where=str(path),
            fix="join them first: `llama-gguf-split --merge FIRST_PART WHOLE.gguf`",
        )
    if not said("tokenizer.ggml.tokens"):
        raise ConfigError(
            "the file holds no tokenizer",
            where=str(path),
            fix="take one that holds the whole model",
        )
    _check_positions(path, str(said(f"{architecture}.rope.scaling.type", "none")), tensors)
    ends = (said(f"tokenizer.ggml.{name}_token_id") for name in ("eot", "eom"))
    return GgufFile(
        path,
        architecture,
        str(said("general.name", "")),
        str(said("general.license", "")),
        dict(sorted(Counter(t.tensor_type.name for t in tensors).items())),
        tuple(end for end in ends if isinstance(end, int)),
        str(said("tokenizer.ggml.pre", "")) if said("tokenizer.ggml.model") == "gpt2" else "",
        sum(int(t.n_elements) for t in tensors),
    )


def _check_packages(path: Path) -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UnavailableError(
            f"a GGUF file is read with {' and '.join(missing)}, not installed here",
            where=str(path),
            fix="pip install 'rlp[gguf]'; in a checkout `pip install -e '.[gguf]'`",
        )
    import transformers

    if not hasattr(transformers, DEQUANTISER):
        raise UnavailableError(
            f"transformers {transformers.__version__} is too old to read a GGUF file as here",
            where=str(path),
            fix="pip install --upgrade transformers; it reads them where it has "
            f"`transformers.{DEQUANTISER}`",
        )


def _header(path: Path) -> tuple[Callable[..., Any], list[Any]]:
    """What gives a field by its name, and the tensors."""
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
        tensors = list(reader.tensors)
    except Exception as error:  # it raises whatever the damaged bytes lead to
        raise ConfigError(
            f"the file is damaged or cut off: {str(error) or repr(error)}",
            where=str(path),
            fix="copy or download it again, and compare its size with the original's",
        ) from error
    return fields.get, tensors


def _check_architecture(path: Path, architecture: str) -> None:
    from transformers.integrations.gguf.gguf_conversion_mapping import GGUF_ARCHS
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    known = sorted({*GGUF_ARCHS, *GGUF_SUPPORTED_ARCHITECTURES} - set(NOT_MODELS))
    # llama.cpp writes qwen2moe and gpt-oss where transformers write qwen2_moe and gpt_oss
    plain = {name.replace("_", "") for name in known}
    if architecture.replace("-", "").replace("_", "") not in plain:
        raise ConfigError(
            f"transformers cannot read a GGUF file of architecture {architecture!r}",
            where=str(path),
            fix=f"take the model's safetensors, or one of: {', '.join(known)}",
        )


def _check_positions(path: Path, kind: str, tensors: list[Any]) -> None:
    """Raise ConfigError where positions are scaled in a way that transformers would not notice."""
    # rope_freqs, rope_factors_long, rope_factors_short: by what each frequency is divided
    tables = [tensor.data for tensor in tensors if tensor.name.startswith("rope_f")]
    tabled = any((table != 1).any() for table in tables)
    if kind != "none" or tabled:
        raise ConfigError(
            "the model's rotary positions are scaled "
            f"({kind if kind != 'none' else 'by a table'}), which transformers do not read from a "
            "GGUF file: it would be another model",
            where=str(path),
            fix="take the model's safetensors",
        )


def read(file: GgufFile) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The model in fp32, as if it had never been quantised, and its tokenizer.

    Raises:
        ConfigError: transformers cannot read it, or weights are missing.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    folder, name = str(file.path.parent), file.path.name
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, gguf_file=name)
        made: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            gguf_file=name,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
            output_loading_info=True,
        )
    except Exception as error:  # any fault of its parts is the file's
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigError(
            f"the model cannot be read: {told[0]}",
            where=str(file.path),
            fix="take another quantisation of it, or its safetensors",
        ) from error
    model, found = made
    checks.check_loading(found, str(file.path))
    if file.splitting not in (*SPLITTINGS, *GGUF_PRE_TOKENIZER_SPLITS):
        print(
            f"warning: the tokenizer parts words as {file.splitting!r}, which transformers do not "
            "read from GGUF: texts may become other tokens than the model was trained on, numbers "
            "above all; give the original tokenizer's folder with --tokenizer",
            flush=True,
        )
    # what it was is told by the import's own record; to a loader it is an ordinary model now
    for trace in TRACES:
        vars(model).pop(trace, None)
    vars(model.config).pop("quantization_config", None)
    vars(model.config).pop("_model_name_or_path", None)
    unread = file.numbers - sum(p.numel() for p in model.parameters())
    if unread > 0:
        print(
            f"warning: {unread} of the file's {file.numbers} numbers are not read ({file.path})",
            flush=True,
        )
    _name_ends(model, file.turn_ends)
    return model, tokenizer


def _name_ends(model: PreTrainedModel, turn_ends: tuple[int, ...]) -> None:
    """Add the ends of a turn to the generation configuration, which transformers leave out."""
    config: Any = model.generation_config
    stated = config.eos_token_id
    known = list(stated) if isinstance(stated, list) else [] if stated is None else [stated]
    ends = list(dict.fromkeys([*known, *turn_ends]))
    if ends != known:
        config.eos_token_id = ends

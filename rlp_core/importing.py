"""`rlp model import`: a hub's model, a folder or a GGUF file becomes a folder that stages read.

Weights are fp32 safetensors, whatever they were; the folder is written whole or not at all, read
back and compared. `origin.json` in it says from what it was made.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from rlp_core.errors import (
    ConfigError,
    MissingInputError,
    OutputError,
    UnavailableError,
    UsageError,
)
from rlp_core.files import folder_sha256, replacing_folder, sha256, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from rlp_core.policy.gguf_file import GgufFile

ORIGIN = "origin.json"
"""The file that says from what a folder was made."""

WANTED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""What is fetched of a repository: no pickled weights, and no code."""


@dataclass(frozen=True)
class Origin:
    """What a folder was made from: no time, no host and no path, so that equal sources tell alike.

    Attributes:
        kind: `gguf`, `folder` or `hub`.
        name: of the file, the folder or the repository.
        sha256: of the file, or of all files that were read.
        revision: the commit; of a hub only.
        architecture: the class of the model.
        quantisation: how many tensors were written in which way; of GGUF only.
        title: what the file calls the model; of GGUF only.
        licence: as the file states it; of GGUF only.
        tokenizer: name of the folder that it was taken from instead; empty: from the source.
        versions: of what read it.
    """

    kind: str
    name: str
    sha256: str
    revision: str
    architecture: str
    quantisation: dict[str, int]
    title: str
    licence: str
    tokenizer: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Imported:
    """What came of an import.

    Attributes:
        folder: where it lies.
        origin: from what it was made.
        parameters: how many there are.
        bytes: of the folder.
        ends: texts of the tokens that end an answer.
    """

    folder: Path
    origin: Origin
    parameters: int
    bytes: int
    ends: tuple[str, ...]


def import_model(
    source: str,
    folder: Path,
    *,
    revision: str = "",
    tokenizer: Path | None = None,
    replace: bool = False,
) -> Imported:
    """Write a model folder from a source.

    Args:
        source: the name of a model on the hub, a folder, or a .gguf file.
        folder: where to; it must not exist, or be empty.
        revision: commit, tag or branch on the hub; empty: the one that is cached, or the newest.
        tokenizer: folder with the tokenizer to use instead of the source's own.
        replace: take the place of a model that is in `folder` already.

    Raises:
        UsageError: something is in the way at `folder`, or a revision is given for a file.
        MissingInputError: the source is not there, or lacks files.
        UnavailableError: the hub is not reached, or packages that read GGUF are missing.
        ConfigError: the source is damaged, cut off, or cannot be trained.
        OutputError: the disk is full, or may not be written.
    """
    from rlp_core.policy.ends import ends_of

    local = _local(source)
    if local is not None and revision:
        raise UsageError(
            "a revision is of a model on the hub, and the source lies on the disk",
            where=f"--revision {revision}, {source}",
            fix="leave it out",
        )
    _check_target(folder, local, replace)
    model, own, origin = _read(source, local, revision)
    if tokenizer is not None:
        own, origin = _another_tokenizer(model, own, origin, tokenizer)
    ends, count = ends_of(model, own), sum(p.numel() for p in model.parameters())
    with replacing_folder(folder) as temporary:
        written = _write(model, own, origin, temporary, folder)
        del model  # so that no more than one copy is in memory
        _read_back(temporary, folder, written, own.get_vocab())
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    texts = own.convert_ids_to_tokens(list(ends))
    return Imported(folder, origin, count, size, tuple(map(str, texts)))


def _local(source: str) -> Path | None:
    """The source on the disk; None: it is the name of a model on a hub."""
    path = Path(source).expanduser()
    if path.exists():
        return path
    if source.startswith((".", "/", "~")) or path.suffix == ".gguf":
        raise MissingInputError("no such file or folder", where=source, fix="correct the path")
    return None


def _check_target(folder: Path, source: Path | None, replace: bool) -> None:
    """Raise UsageError where the folder is not free to be written."""
    if source is not None:
        one, other = folder.resolve(), source.resolve()
        if one == other or one in other.parents or other in one.parents:
            raise UsageError(
                "the model would be written over its own source, or into it",
                where=str(folder),
                fix="name a folder elsewhere",
            )
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / "config.json").is_file():
        raise UsageError(
            "there is something here that is no model, and it is left alone",
            where=str(folder),
            fix="name a folder that does not exist yet",
        )
    if not replace:
        raise UsageError(
            "there is a model here already",
            where=str(folder),
            fix="name another folder, or say --replace",
        )


def _read(
    source: str, local: Path | None, revision: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, Origin]:
    from rlp_core.policy import gguf_file
    from rlp_core.policy.ends import check_vocabulary
    from rlp_core.policy.model import embedding_rows, load

    if local is not None and local.is_file():
        file = gguf_file.examine(local)
        model, tokenizer = gguf_file.read(file)
        check_vocabulary(model, tokenizer, embedding_rows(model), str(local))
        return model, tokenizer, _origin(model, "gguf", local.name, sha256(local), file=file)
    folder = local if local is not None else _snapshot(source, revision)
    model, tokenizer = load(folder)
    digest = folder_sha256(folder)
    if local is not None:
        return model, tokenizer, _origin(model, "folder", local.resolve().name, digest)
    # a snapshot's folder has the name of its commit
    return model, tokenizer, _origin(model, "hub", source, digest, revision=folder.name)


def _snapshot(name: str, revision: str) -> Path:
    """The folder of a repository's files in the hub's cache, fetched where that is allowed."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=list(WANTED)))
    except Exception as error:  # of the hub, the network or the disk
        if isinstance(error, OSError) and error.filename is not None:
            raise OutputError(
                f"the model cannot be kept: {error.strerror}",
                where=str(error.filename),
                fix="free some space, or set HF_HOME to another place",
            ) from error
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise UnavailableError(
            f"the model is neither cached nor reachable: {told[0]}",
            where=f"{name}{f', revision {revision}' if revision else ''}",
            fix="set HF_HUB_OFFLINE=0 to allow the download, or give a folder or a .gguf file",
        ) from error


def _origin(
    model: PreTrainedModel,
    kind: str,
    name: str,
    digest: str,
    *,
    revision: str = "",
    file: GgufFile | None = None,
) -> Origin:
    readers = ("transformers", "torch", "rlp", *(("gguf",) if file else ()))
    return Origin(
        kind=kind,
        name=name,
        sha256=digest,
        revision=revision,
        architecture=type(model).__name__,
        quantisation=file.quantisation if file else {},
        title=file.name if file else "",
        licence=file.licence if file else "",
        tokenizer="",
        versions={reader: version(reader) for reader in readers},
    )


def _another_tokenizer(
    model: PreTrainedModel, own: PreTrainedTokenizerFast, origin: Origin, folder: Path
) -> tuple[PreTrainedTokenizerFast, Origin]:
    """The tokenizer of a folder, whose every token must be the source's own of that number."""
    from dataclasses import replace

    from transformers import AutoTokenizer

    from rlp_core.policy.ends import check_vocabulary
    from rlp_core.policy.model import embedding_rows

    try:
        other: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # transformers raise whatever the files lead to
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigError(
            f"the tokenizer cannot be loaded: {told[0]}",
            where=str(folder),
            fix="name a folder with tokenizer.json and tokenizer_config.json",
        ) from error
    check_vocabulary(model, other, embedding_rows(model), str(folder))
    ours, theirs = own.get_vocab(), other.get_vocab()
    wrong = sorted(text for text in theirs.keys() & ours.keys() if theirs[text] != ours[text])
    missing = sorted(ours.keys() - theirs.keys())
    if wrong or missing:
        first = (wrong or missing)[0]
        raise ConfigError(
            f"the tokenizer has another vocabulary: {len(wrong) + len(missing)} of {len(ours)} "
            f"tokens differ, the first is {first!r}: {ours[first]} in the model, "
            f"{theirs.get(first, 'none')} in the tokenizer",
            where=str(folder),
            fix="take model and tokenizer from the same release",
        )
    return other, replace(origin, tokenizer=folder.resolve().name)


def _write(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    origin: Origin,
    temporary: Path,
    folder: Path,
) -> dict[str, str]:
    """Write into a folder that will take the place of `folder`, and return the weights' digests."""
    from rlp_core.policy.model import save

    _check_space(temporary, sum(p.numel() * p.element_size() for p in model.parameters()))
    try:
        save(model, tokenizer, temporary)
    except SafetensorError as error:
        raise OutputError(
            f"cannot write the weights: {error}",
            where=str(folder),
            fix="free some space or choose a folder that you may write to, then run again",
        ) from error
    write_json(temporary / ORIGIN, asdict(origin))
    return _digests(model)


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"the weights take {needed / 1e9:.1f} GB in fp32, and {free / 1e9:.1f} GB are free",
            where=str(folder.parent),
            fix="free some space, or choose a folder on another disk",
        )


def _read_back(
    folder: Path, target: Path, written: dict[str, str], vocabulary: dict[str, int]
) -> None:
    """Load what was written as a stage does, and compare every tensor and token."""
    from rlp_core.policy.model import load

    model, tokenizer = load(folder)
    found = _digests(model)
    wrong = sorted(
        name for name in written.keys() | found.keys() if written.get(name) != found.get(name)
    )
    if wrong or tokenizer.get_vocab() != vocabulary:
        what = f"the weight {wrong[0]}" if wrong else "the tokenizer"
        raise OutputError(
            f"what was written is not what was read: {what} differs",
            where=str(target),
            fix="look at the disk, and import it again; nothing was left here",
        )


def _digests(model: PreTrainedModel) -> dict[str, str]:
    """SHA-256 of each tensor."""
    return {
        name: hashlib.sha256(tensor.detach().contiguous().numpy().data).hexdigest()
        for name, tensor in model.state_dict().items()
    }

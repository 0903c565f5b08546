"""Rows of Hugging Face data sets: by name and revision from a hub, or from a local folder."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlp_core.data.config import Hub
from rlp_core.data.files import unusual
from rlp_core.errors import ConfigError, DataError, MissingInputError, RlpError, UnavailableError


def read_rows(source: Hub, place: str, folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number, from 1, and fields of every row of the split.

    No code from a repository is ever run.

    Args:
        source: name or local folder, configuration, revision, split, streaming.
        place: where the source stands in `params.yaml`, for messages.
        folder: `prepare.folder`, to which the name of a local folder is relative.

    Raises:
        ConfigError: a repository without a revision, which could change between two runs.
        UnavailableError: the hub does not answer, or downloads are switched off.
        MissingInputError: the hub has no such repository or revision, or the folder no data.
        DataError: no such split or configuration, or files that cannot be read.
    """
    local = local_folder(source, folder)
    if local is None and not source.revision:
        raise ConfigError(
            "a repository without a revision may change between two runs",
            where=f"{place}.revision, repository {source.name!r}",
            fix="give the commit; or, for a local folder, its path below `prepare.folder`",
        )
    for path in sorted(local.rglob("*")) if local is not None else ():
        if (fault := unusual(path)) is not None:
            raise fault
    import datasets  # type: ignore[import-untyped]  # takes a second to import

    datasets.disable_progress_bars()
    number = 0
    try:
        rows = _open(source, place, local)
        for number, fields in enumerate(rows, start=1):
            yield number, dict(fields)
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        datasets.exceptions.DatasetsError,
    ) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise  # a full disk is not the data's fault
        raise _explain(error, source, place, local) from error
    if not number:
        raise DataError("the split is empty", where=_where(source, place), fix="choose another")


def local_folder(source: Hub, folder: Path) -> Path | None:
    """The local folder that a source names, below `folder` or by absolute path; None: a hub."""
    path = folder / source.name
    return path if path.is_dir() else None


def _open(source: Hub, place: str, local: Path | None) -> Any:
    """The rows of the split, as an iterable of mappings."""
    import datasets

    if local is not None and (local / "dataset_dict.json").is_file():
        return datasets.load_from_disk(str(local))[source.split]
    if local is not None and (local / "state.json").is_file():
        return datasets.load_from_disk(str(local))
    if local is not None:
        return datasets.load_dataset(
            str(local), source.config or None, split=source.split, streaming=source.streaming
        )
    builder = datasets.load_dataset_builder(
        source.name, source.config or None, revision=source.revision
    )
    _check_revision(builder, source, place)
    if source.streaming:
        return builder.as_streaming_dataset(split=source.split)
    builder.download_and_prepare()
    return builder.as_dataset(split=source.split)


def _check_revision(builder: Any, source: Hub, place: str) -> None:
    """Refuse another revision: without a hub, `datasets` takes the newest that its cache holds."""
    from_cache = ".packaged_modules.cache" in type(builder).__module__
    if from_cache and builder.hash != source.revision:
        raise _unavailable(
            f"the hub cannot be reached, and the cache holds the revision {builder.hash} only",
            source,
            place,
        )


def _explain(error: Exception, source: Hub, place: str, local: Path | None) -> RlpError:
    """What a fault of `datasets` means to a person."""
    import datasets

    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, FileNotFoundError | datasets.exceptions.DatasetNotFoundError):
        return MissingInputError(
            f"no such data set, revision or data file: {reason}",
            where=_where(source, place),
            fix="correct `name`, `config` or `revision`; a gated data set needs `hf auth login`",
        )
    if local is None and isinstance(error, OSError):
        return _unavailable(f"the hub cannot be reached: {reason}", source, place)
    return DataError(
        f"the data set cannot be read: {reason}",
        where=_where(source, place),
        fix="correct `config` or `split`, or mend the file that the reason names",
    )


def _unavailable(what: str, source: Hub, place: str) -> UnavailableError:
    return UnavailableError(
        what,
        where=_where(source, place),
        fix="runs are offline by default: set HF_HUB_OFFLINE=0 and HF_DATASETS_OFFLINE=0 to "
        "download; or put a copy below `prepare.folder` and name its folder",
    )


def _where(source: Hub, place: str) -> str:
    config = f", configuration {source.config!r}" if source.config else ""
    return f"{source.name!r}{config}, split {source.split!r} ({place})"

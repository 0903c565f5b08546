"""The raw summaries of finished runs, one archive each: enough to write the page of a study again.

Models and data are left where they are; what was measured item by item is a few hundred kilobytes.
Unpacked into the folder of a study's workspaces, an archive is read as the run that it was made of.
"""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterator
from pathlib import Path

from rlp_core.files import replacing_file
from rlp_core.study.planned import StudyRun

KINDS = (".json", ".jsonl", ".csv")
"""Files of `reports/` that hold numbers; pages and figures can be drawn again."""


def write(run: StudyRun, folder: Path) -> Path:
    """Archive what a finished run measured; equal runs give equal bytes.

    Args:
        run: is finished.
        folder: to hold `VARIANT-seed-N.tar.gz`.

    Returns:
        The archive, in which all lies under `VARIANT/seed-N/`.
    """
    path = folder / f"{run.variant}-seed-{run.seed}.tar.gz"
    with (
        replacing_file(path) as temporary,
        temporary.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for file in _kept(run.folder):
            name = Path(run.variant, f"seed-{run.seed}", file.relative_to(run.folder))
            entry = tarfile.TarInfo(name.as_posix())
            entry.size, entry.mode = file.stat().st_size, 0o644
            with file.open("rb") as content:
                archive.addfile(entry, content)
    return path


def _kept(folder: Path) -> Iterator[Path]:
    """The mark that the run is finished, with its parameters, and the numbers of its reports."""
    yield folder / ".rlp" / "finished.json"
    yield from sorted(p for p in (folder / "reports").rglob("*") if p.suffix in KINDS)

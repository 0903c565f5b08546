"""Finds a sweep file, reads it, and holds its names against what there is: stages and metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from rlp_core.errors import ConfigError, UsageError, did_you_mean
from rlp_core.evaluation.comparison import MEANINGS
from rlp_core.stage import stage_names
from rlp_core.study.reading import metric_known
from rlp_core.sweep.config import SweepFile
from rlp_core.yaml_file import faults_of, read_yaml

FOLDER = "sweeps"
_SHAPE = "docs/guides/sweep.md shows the shape"
_WITHOUT_NUMBERS = ("compare", "promote")
"""Stages whose `metrics.json` is none, or no flat one."""


def names(root: Path) -> list[str]:
    """The sweeps of a checkout, in order of name."""
    return sorted(path.stem for path in (root / FOLDER).glob("*.yaml"))


def find(root: Path, name: str) -> Path:
    """The file of a sweep, by its name.

    Raises:
        UsageError: there is none.
    """
    path = root / FOLDER / f"{name}.yaml"
    known = names(root)
    if name not in known:
        raise UsageError(
            f"no sweep is called {name!r}",
            where=str(path),
            fix=f"{did_you_mean(name, known)}known: {', '.join(known) or 'none'}",
        )
    return path


def read(path: Path) -> SweepFile:
    """Read and check a sweep file.

    Raises:
        MissingInputError: it cannot be read.
        ConfigError: it is no YAML mapping, or a key, name or value is wrong; all faults at once.
    """
    tree = read_yaml(path, _SHAPE)
    try:
        sweep = SweepFile.model_validate(tree)
    except ValidationError as error:
        faults = [text for _, text in faults_of(error, tree, SweepFile, {})]
        raise impossible(path, faults) from error
    faults = list(_unknown_names(sweep))
    if faults:
        raise impossible(path, faults)
    return sweep


def impossible(path: Path, faults: list[str]) -> ConfigError:
    """The error of a file that cannot be, with all that is wrong in it."""
    return ConfigError(
        "\n".join(["an impossible sweep:", *(f"  - {text}" for text in faults)]),
        where=str(path),
        fix=f"correct the keys named above; {_SHAPE}",
    )


def _unknown_names(sweep: SweepFile) -> Iterator[str]:
    metric = sweep.metric
    known = [name for name in stage_names() if name not in _WITHOUT_NUMBERS]
    if metric.stage not in known:
        hint = did_you_mean(metric.stage, known)
        yield f"`metric.stage`: no stage {metric.stage!r} has metrics; {hint}known: " + ", ".join(
            known
        )
    elif metric.stage.startswith("evaluate@"):
        kind = metric.name.partition("/")[0]
        if not metric_known(kind) and "/" not in metric.name:
            hint = did_you_mean(kind, MEANINGS)
            yield f"`metric.name`: no metric is called {metric.name!r}; {hint}known: " + ", ".join(
                MEANINGS
            )

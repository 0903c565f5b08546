"""Finds a study file, reads it, and holds it against what there is: arms, metrics, stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from rlp_core import arms
from rlp_core.errors import ConfigError, UsageError, did_you_mean
from rlp_core.evaluation.bias.scores import is_score
from rlp_core.evaluation.comparison import MEANINGS
from rlp_core.stage import stage_names
from rlp_core.study.config import StudyFile
from rlp_core.yaml_file import faults_of, read_yaml

FOLDER = "studies"
_SHAPE = "docs/guides/run-a-study.md shows the shape"


def names(root: Path) -> list[str]:
    """The studies of a checkout, in order of name."""
    return sorted(path.stem for path in (root / FOLDER).glob("*.yaml"))


def find(root: Path, name: str) -> Path:
    """The file of a study, by its name or path.

    Raises:
        UsageError: there is none.
    """
    path = root / name if name.endswith((".yaml", ".yml")) else root / FOLDER / f"{name}.yaml"
    if not path.is_file():
        known = names(root)
        raise UsageError(
            f"no study is called {name!r}",
            where=str(path),
            fix=f"{did_you_mean(name, known)}known: {', '.join(known) or 'none'}; or give a file",
        )
    return path


def read(path: Path) -> StudyFile:
    """Read and check a study file.

    Raises:
        MissingInputError: it cannot be read.
        ConfigError: it is no YAML mapping, or a key, name or value is wrong; all faults at once.
    """
    tree = read_yaml(path, _SHAPE)
    try:
        study = StudyFile.model_validate(tree)
    except ValidationError as error:
        faults = [text for _, text in faults_of(error, tree, StudyFile, {})]
        raise _impossible(path, faults) from error
    faults = list(_unknown_names(study))
    if faults:
        raise _impossible(path, faults)
    return study


def metric_known(name: str) -> bool:
    """Whether evaluation measures a metric of this name."""
    return name in MEANINGS or is_score(name)


def _unknown_names(study: StudyFile) -> Iterator[str]:
    known_arms = arms.declared().names
    metrics = list(MEANINGS)
    for number, metric in enumerate(study.metrics):
        if not metric_known(metric):
            yield _unknown(f"metrics.{number}", "metric", metric, metrics)
    yield from _unknown_stages("until", study.until)
    for title, of in study.variants.items():
        yield from _unknown_stages(f"variants.{title}.until", of.until)
    for number, pair in enumerate(study.pairs):
        place = f"pairs.{number}"
        for key, arm in (("arm", pair.arm), ("over", pair.over)):
            if arm not in known_arms:
                yield _unknown(f"{place}.{key}", "arm", arm, known_arms)
        if not metric_known(pair.metric):
            yield _unknown(f"{place}.metric", "metric", pair.metric, metrics)
        for key, variant in (("variant", pair.variant), ("over_variant", pair.over_variant)):
            if variant and variant not in study.variants:
                yield _unknown(f"{place}.{key}", "variant", variant, study.variants)
        if pair.over_variant and not pair.variant:
            yield f"`{place}.over_variant`: needs `variant`, that of `arm`"
        if pair.arm == pair.over and pair.variant == pair.over_variant:
            yield f"`{place}`: {pair.arm!r} is compared with itself"
    for place, overrides in (
        ("overrides", study.overrides),
        *((f"variants.{name}.overrides", of.overrides) for name, of in study.variants.items()),
    ):
        if "seed" in overrides:
            yield f"`{place}.seed`: the seeds of a study stand under `seeds`"


def _unknown_stages(place: str, stages: Iterable[str]) -> Iterator[str]:
    known = stage_names()
    for stage in stages:
        if stage not in known:
            yield _unknown(place, "stage", stage, known)


def _unknown(place: str, what: str, name: str, known: Iterable[str]) -> str:
    listed = list(known)
    hint = did_you_mean(name, listed)
    return f"`{place}`: no {what} is called {name!r}; {hint}known: {', '.join(listed)}"


def _impossible(path: Path, faults: list[str]) -> ConfigError:
    return ConfigError(
        "\n".join(["an impossible study:", *(f"  - {text}" for text in faults)]),
        where=str(path),
        fix=f"correct the keys named above; {_SHAPE}",
    )

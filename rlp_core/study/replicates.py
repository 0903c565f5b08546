"""`rlp compare RUN...`: runs that differ in their seed alone, as replicates of one recipe.

The interval of one run is over its problems and documents, and says nothing about another seed.
Over several runs it covers both. Runs that differ in anything else that decides numbers are
refused: they answer another question, which a study asks (`rlp study run`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlp_core import arms
from rlp_core.arms import Arms
from rlp_core.errors import MissingInputError, UsageError
from rlp_core.evaluation.seeds import SeedResampler
from rlp_core.params import load
from rlp_core.study import curves, finished_runs, page, results
from rlp_core.study.config import StudyFile, StudyPair, StudyVariant
from rlp_core.study.finished import deciding
from rlp_core.study.finished_runs import FinishedRun
from rlp_core.study.planned import StudyRun
from rlp_core.workspace import Workspace

METRICS = (
    "pass_at_1_best",
    "pass_at_1_thinking",
    "pass_at_1_direct",
    "information_gain",
    "gain_over_base",
    "cross_entropy",
)
"""What is told, of each benchmark and where there are several of all."""

RECIPE = "all"
"""What the page calls the one recipe that all runs follow."""


def compare(folders: Sequence[Path], into: Path | None = None) -> Iterator[str]:
    """Compare the arms of one recipe over its runs.

    Args:
        folders: workspaces, each a finished run: its `params.yaml` and `reports/`.
        into: writes `results.md`, `results.json` and `figures/` there too; None: writes nothing.

    Yields:
        The page, Markdown; where it is written, a line that says so.

    Raises:
        UsageError: two runs have one seed, or differ in more than their seed.
        MissingInputError: a folder is no run, or nothing was evaluated in it.
        DataError: a report is malformed, or a pair was measured on different items.
    """
    declared = arms.declared()
    runs = [_read(folder, declared) for folder in folders]
    _check_replicates([one.run for one in runs])
    runs.sort(key=lambda one: one.run.seed)
    study = _as_study(runs, declared)
    settings = runs[0].run.params.compare
    resampler = SeedResampler(study.seeds[0], settings.resamples, settings.confidence)
    states = {RECIPE: dict.fromkeys(study.seeds, "finished")}
    tree = results.gather(study, states, {RECIPE: runs}, resampler, declared)
    if into is None:
        yield page.of_replicates(tree, {})
        return
    figures = curves.draw(tree, declared)
    text = page.of_replicates(tree, figures)
    page.write(into, text, tree, figures)
    yield text
    yield f"wrote results.md, results.json and figures/ to {into}"


def _read(folder: Path, declared: Arms) -> FinishedRun:
    workspace = Workspace(folder)
    if not workspace.params.is_file():
        raise MissingInputError(
            "no run lies here: it has no params.yaml",
            where=str(folder),
            fix="name the folder in which `make run` or `rlp study run` worked, of each run",
        )
    params = load(workspace.params)
    found = finished_runs.read(
        StudyRun(RECIPE, params.seed, folder, {}, params, links=()), declared
    )
    if not found.items:
        raise MissingInputError(
            "nothing was evaluated in this run",
            where=str(workspace.reports / "evaluate"),
            fix="let it run to its end; `dvc repro` there goes on with it",
        )
    return found


def _check_replicates(runs: Sequence[StudyRun]) -> None:
    first = runs[0]
    for run in runs[1:]:
        differs = sorted(_differing(deciding(first.params), deciding(run.params)))
        others = [key for key in differs if key != "seed"]
        if others:
            raise UsageError(
                "the runs differ in more than their seed, and are no replicates: "
                + ", ".join(f"`{key}`" for key in others),
                where=f"{first.folder} and {run.folder}",
                fix="compare runs of equal parameters; for variants beside one another write a "
                "study: docs/guides/run-a-study.md",
            )
    seeds = [run.seed for run in runs]
    for run in runs:
        if seeds.count(run.seed) > 1:
            raise UsageError(
                f"two runs have seed {run.seed}: the second tells nothing that the first does not",
                where=", ".join(str(other.folder) for other in runs if other.seed == run.seed),
                fix="name each run once, or run again with another `seed`",
            )


def _differing(first: Any, second: Any, key: str = "") -> Iterator[str]:
    """Dotted keys at which two trees of parameters differ."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for name in first.keys() | second.keys():
            inner = f"{key}.{name}" if key else str(name)
            yield from _differing(first.get(name), second.get(name), inner)
    elif first != second:
        yield key


def _as_study(runs: Sequence[FinishedRun], declared: Arms) -> StudyFile:
    """A study of one variant, which reports what the comparison of a single run does."""
    return StudyFile(
        title=f"One recipe, {len(runs)} {'runs' if len(runs) > 1 else 'run'}",
        question="How do its arms compare, and how much does a run say about another?",
        profile="params.yaml of each run",
        seeds=tuple(one.run.seed for one in runs),
        variants={RECIPE: StudyVariant(description="the recipe of all runs")},
        metrics=METRICS,
        pairs=tuple(
            StudyPair(arm=arm, over=over, metric=metric, why=why)
            for arm, over, why in declared.pairs
            for metric in ("pass_at_1_best", "gain_over_base")
        ),
    )

"""`rlp study` and `rlp compare`: several runs of one question."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from rlp_core.cli.group import CommandGroup
from rlp_core.errors import UsageError


@click.group(cls=CommandGroup)
def study() -> None:
    """Run one experiment over seeds and variants, and write its page of results."""


@study.command("list")
@click.pass_obj
def list_studies(root: Path) -> None:
    """List the studies in studies/."""
    from rlp_core.study import reading

    for name in reading.names(root):
        click.echo(f"{name:16} {reading.read(reading.find(root, name)).title}")


def _parted(_context: click.Context, _option: click.Parameter, given: str | None) -> list[str]:
    return [part.strip() for part in (given or "").split(",") if part.strip()]


@study.command("run")
@click.argument("name")
@click.option("--seeds", callback=_parted, help="Only these, such as 1,2.")
@click.option("--variants", callback=_parted, help="Only these, such as a,b.")
@click.option("--folder", type=click.Path(path_type=Path), help="By default studies/NAME.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Seeds at once.")
@click.option("--until", multiple=True, help="A stage to run to; may be given several times.")
@click.option("--runner", type=click.Choice(["dvc", "stages"]), default="dvc", show_default=True)
@click.pass_obj
def run_study(
    root: Path, /, name: str, seeds: list[str], variants: list[str], **given: Any
) -> None:
    """Run study NAME, or a study file, or go on with it.

    What is finished is not run again. `--runner stages` does without DVC and MLflow.
    """
    from rlp_core.study.command import RunOptions, run

    wrong = next((seed for seed in seeds if not seed.isdecimal()), None)
    if wrong is not None:
        raise UsageError(f"{wrong!r} is no seed", where="--seeds", fix="whole numbers: --seeds 1,2")
    given["until"] = tuple(given["until"])
    options = RunOptions(tuple(map(int, seeds)), tuple(variants), **given)
    sys.exit(run(root, name, options, ["rlp", *sys.argv[1:]], click.echo))


@study.command("report")
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path), help="By default studies/NAME.")
@click.option("--into", type=click.Path(path_type=Path), help="Write here; archives of runs too.")
@click.pass_obj
def report_study(root: Path, name: str, folder: Path | None, into: Path | None) -> None:
    """Write results.md, results.json and figures/ of study NAME from the runs that are finished."""
    from rlp_core.study.report import report

    for line in report(root, name, folder, into):
        click.echo(line)


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--into", type=click.Path(path_type=Path), help="Write the page here too.")
def compare(runs: tuple[Path, ...], into: Path | None) -> None:
    """Compare the arms over several runs that differ in their seed alone.

    RUN is a folder in which a run ended. With several, intervals cover the spread between runs.
    """
    from rlp_core.study import replicates

    for line in replicates.compare(runs, into):
        click.echo(line)

"""`rlp sweep`: trials over a space of parameters."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import click

from rlp_core.cli.group import CommandGroup


@click.group(cls=CommandGroup)
def sweep() -> None:
    """Try one recipe over a space of parameters, and write the page of the trials."""


@sweep.command("list")
@click.pass_obj
def list_sweeps(root: Path) -> None:
    """List the sweeps in sweeps/."""
    from rlp_core.sweep import reading

    for name in reading.names(root):
        found = reading.read(reading.find(root, name))
        click.echo(f"{name:16} {found.size:4} trials  {found.title}")


@sweep.command("run")
@click.argument("name")
@click.option("--jobs", type=click.IntRange(1), help="Trials at once; by default as the file says.")
@click.option("--retry-failed", is_flag=True, help="Run trials again that died.")
@click.option("--runner", type=click.Choice(["dvc", "stages"]), default="dvc", show_default=True)
@click.pass_obj
def run_sweep(root: Path, /, name: str, **given: Any) -> None:
    """Run sweep NAME, or go on with it.

    What ended is not run again. `--runner stages` does without DVC and MLflow.
    """
    from rlp_core.sweep.command import SweepOptions, run

    again = ["rlp", *sys.argv[1:]]
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does
    try:
        sys.exit(run(root, name, SweepOptions(**given), again, click.echo))
    finally:
        signal.signal(signal.SIGTERM, before)


@sweep.command("report")
@click.argument("name")
@click.option("--into", type=click.Path(path_type=Path), help="By default sweeps/NAME.")
@click.pass_obj
def report_sweep(root: Path, name: str, into: Path | None) -> None:
    """Write results.md, results.json, best.yaml and figures/ of sweep NAME, finished or not."""
    from rlp_core.sweep.report import report

    for line in report(root, name, into):
        click.echo(line)

"""One stage, and what can be known before and after: parameters, plan, doctor, bench, replay."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rlp_core.cli.group import CommandGroup
from rlp_core.errors import UsageError


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.pass_obj
def stage(root: Path, name: str) -> None:
    """Run one stage here and now, without DVC; `dvc repro` is the usual way."""
    import os

    from rlp_core.stage import main as run

    os.chdir(root)
    sys.exit(run([name]))


@click.group(cls=CommandGroup)
def params() -> None:
    """Look at params.yaml."""


@params.command("check")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.pass_obj
def check_params(root: Path, file: Path | None) -> None:
    """Check params.yaml, or FILE, and what it names, as a run does before it starts."""
    from rlp_core.checks import check
    from rlp_core.params import load
    from rlp_core.workspace import Workspace

    path = file or Workspace(root).params
    check(load(path), root)
    click.echo(f"{path}: all parameters are known and possible")


@click.command()
@click.option(
    "--stage", "name", help="One stage, such as rlp or evaluate@rlp; by default each kind."
)
@click.option(
    "--params",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="By default params.yaml.",
)
@click.option("--profile", "profile_name", help="A profile in place of a file.")
@click.option("--model", help="A model's folder in place of the one that the parameters name.")
@click.option("--memory", help="Of a GPU that is not here, such as 80GB.")
@click.pass_obj
def plan(
    root: Path,
    name: str | None,
    file: Path | None,
    profile_name: str | None,
    model: str | None,
    memory: str | None,
) -> None:
    """Say what stages will hold in memory and how long they will take; starts nothing.

    Loads no weights. Exits with an error where a stage does not fit.
    """
    from rlp_core import profiles
    from rlp_core.params import load
    from rlp_core.planning.command import told
    from rlp_core.workspace import Workspace

    if file is not None and profile_name is not None:
        raise UsageError(
            "a file and a profile are two sets of parameters",
            where="rlp plan --params FILE --profile NAME",
            fix="give one of them",
        )
    path = file or Workspace(root).params
    if profile_name is not None:
        path = profiles.path(root, profile_name)
    for line in told(load(path), root, stage=name, memory=memory, model=model):
        click.echo(line)


@click.command()
@click.pass_obj
def doctor(root: Path) -> None:
    """Look for what could go wrong: versions, switches, parameters, DVC, git, MLflow."""
    from rlp_core.doctor import examine

    findings = examine(root)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = "ok  " if finding.fine else "LOOK"
        click.echo(f"{mark}  {finding.name:{width}}  {finding.text}")
    if not all(finding.fine for finding in findings):
        sys.exit(1)


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def bench(root: Path, arguments: tuple[str, ...]) -> None:
    """Time a step of RLP, alone or beside TRL's; `rlp bench --help` lists the options.

    Starts `python -m benchmarks.bench`, which needs a checkout.
    """
    import subprocess

    from rlp_core.errors import UnavailableError

    if not (root / "benchmarks" / "bench.py").is_file():
        raise UnavailableError(
            "the benchmarks are not part of an installed package",
            where=str(root),
            fix="run it in a checkout, or name one: `rlp --root CHECKOUT bench`",
        )
    command = [sys.executable, "-m", "benchmarks.bench", *arguments]
    sys.exit(subprocess.run(command, cwd=root, check=False).returncode)


@click.command()
@click.argument("dump", type=click.Path(path_type=Path))
@click.pass_obj
def replay(root: Path, dump: Path) -> None:
    """Run the step in folder DUMP again, on the CPU, and say what in it is not finite.

    Exits with 0 if the fault shows here too, with 1 if it does not.
    """
    from rlp_core.monitoring.rerun import rerun as run_again

    read = run_again(root / dump)
    for line in read.lines():
        click.echo(line)
    if not read.reproduced:
        sys.exit(1)

"""What names of the parameters may stand for: worlds, benchmarks, kinds of records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rlp_core.cli.group import CommandGroup
from rlp_core.errors import UsageError


@click.group(cls=CommandGroup)
def worlds() -> None:
    """Look at the worlds that make tasks; `world` of a procedural source names one."""


@worlds.command("list")
def list_worlds() -> None:
    """List the worlds, those of installed packages too; what a world lacks is said beside it."""
    from rlp_core import environments

    listed({name: environments.summary(name) + _lacks(name) for name in environments.names()})


def _lacks(world: str) -> str:
    from rlp_core import environments

    extra = environments.class_of(world).needs
    return "" if extra is None or extra.installed else f" Not installed: {extra.fix}"


@worlds.command("show")
@click.argument("name")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Of the task.")
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="A setting of the world.")
def show_world(name: str, seed: int, given: tuple[str, ...]) -> None:
    """Print a task of world NAME: what is asked, what its expert says, what training reads."""
    from rlp_core import environments

    task = environments.shown(name, seed, dict(map(setting, given)))
    settings = ", ".join(f"{key}={value}" for key, value in task.settings) or "none"
    click.echo(f"{name}: {environments.summary(name)}\nsettings: {settings}")
    if task.solution is not None:
        click.echo(f"\nasked:\n{task.prompt}\n\nthe expert:")
        for step in task.solution.steps:
            click.echo(f"  {step}")
        click.echo(f"  answer: {task.solution.answer}")
    for text in task.texts:
        click.echo(f"\ntraining reads:\n{text}", nl=not text.endswith("\n"))


def setting(given: str) -> tuple[str, Any]:
    """Key and value of what was given by `--set KEY=VALUE`.

    Raises:
        UsageError: it is not written so.
        ConfigError: the value is no YAML.
    """
    from rlp_core.yaml_file import scalar

    key, sign, value = given.partition("=")
    if not sign or not key:
        raise UsageError(
            f"{given!r} sets nothing", where="--set", fix="write it so: --set max_terms=3"
        )
    return key, scalar(value, f"--set {given}")


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=None,
    help="Your own; by default what evaluate.benchmark_folder usually names, data/benchmarks.",
)
@click.pass_obj
def benchmarks(root: Path, folder: Path | None) -> None:
    """List the benchmarks: those of the package, and your own."""
    from rlp_core.evaluation import benchmarks as library

    known = library.files(root / (folder or "data/benchmarks"))
    read = {name: library.read(path) for name, path in sorted(known.items())}
    listed({n: f"{one.group:19}  {one.answer:8}  {one.title}" for n, one in read.items()})


@click.command()
@click.argument("kind")
def schema(kind: str) -> None:
    """Print the JSON Schema of KIND: document, demonstration or problem."""
    import json

    from rlp_core.data.schema import record_schema

    click.echo(json.dumps(record_schema(kind), indent=2, ensure_ascii=False))


def listed(told: dict[str, str]) -> None:
    """Print names, and what is told of each, in columns."""
    width = max(map(len, told))
    for name, text in told.items():
        click.echo(f"{name:{width}}  {text}")

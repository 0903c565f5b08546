"""What a name of the parameters may stand for: prompts, benchmarks, the kinds of records."""

from __future__ import annotations

from pathlib import Path

import click

from rlp_core.cli.group import CommandGroup


@click.group(cls=CommandGroup)
def prompts() -> None:
    """Look at the prompts that ask a model to think; `thought.prompt` names one."""


@prompts.command("list")
def list_prompts() -> None:
    """List the prompts."""
    from rlp_core import prompts as library

    known = library.names()
    width = max(map(len, known))
    for name in known:
        click.echo(f"{name:{width}}  {library.get(name).title}")


@prompts.command("show")
@click.argument("name")
def show_prompt(name: str) -> None:
    """Print a prompt: what it is, and its words."""
    from rlp_core import prompts as library

    prompt = library.get(name)
    click.echo(f"title:  {prompt.title}\nsource: {prompt.source}\nplace:  {prompt.place}\n")
    click.echo(prompt.text, nl=not prompt.text.endswith("\n"))


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
    width = max(map(len, known))
    for name, path in sorted(known.items()):
        found = library.read(path)
        click.echo(f"{name:{width}}  {found.group:19}  {found.answer:8}  {found.title}")


@click.command()
@click.argument("kind")
def schema(kind: str) -> None:
    """Print the JSON Schema of KIND: document, demonstration or problem."""
    import json

    from rlp_core.data.schema import record_schema

    click.echo(json.dumps(record_schema(kind), indent=2, ensure_ascii=False))

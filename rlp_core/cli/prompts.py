"""`rlp prompts`: the library of prompts, and which of them makes a model think."""

from __future__ import annotations

from pathlib import Path

import click

from rlp_core.cli.group import CommandGroup
from rlp_core.cli.models import thinking_of
from rlp_core.cli.parts import listed, setting


@click.group(cls=CommandGroup)
def prompts() -> None:
    """Prompts that ask a model to think; `thought.prompt` names one."""


@prompts.command("list")
def list_prompts() -> None:
    """List the prompts."""
    from rlp_core import prompts as library

    listed({name: library.get(name).title for name in library.names()})


@prompts.command("show")
@click.argument("name")
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="A variable of it.")
@click.option("--open", "opening", default="<think>", show_default=True, help="Opens a thought.")
@click.option("--close", "closing", default="</think>", show_default=True, help="Closes it.")
def show_prompt(name: str, given: tuple[str, ...], opening: str, closing: str) -> None:
    """Print a prompt: what it is, and its words as a model reads them.

    NAME may end with a version: NAME@2.
    """
    from rlp_core import prompts as library

    prompt = library.get(name)
    words = library.words(name, (opening, closing), dict(map(setting, given)))
    click.echo(f"title:   {prompt.title}\nsource:  {prompt.source}\nversion: {prompt.version}")
    click.echo(f"place:   {prompt.place}\nwords:   {words.digest}")
    if prompt.variables:
        told = ", ".join(f"{key}={value}" for key, value in prompt.variables.items())
        click.echo(f"variables, as they usually are: {told}")
    text = words.start or words.lead
    click.echo(f"\n{text}", nl=not text.endswith("\n"))


def _parted(_context: click.Context, _option: click.Parameter, given: str | None) -> list[str]:
    return [part.strip() for part in (given or "").split(",") if part.strip()]


@prompts.command("rank")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option(
    "--prompts", "names", callback=_parted, help="Only these, such as terse,look-ahead@1."
)
@click.option("--texts", default=24, show_default=True, type=click.IntRange(2))
@click.option("--positions", default=2, show_default=True, type=click.IntRange(1), help="Per text.")
@click.option("--samples", default=4, show_default=True, type=click.IntRange(1), help="Thoughts.")
@click.option("--horizon", default=1, show_default=True, type=click.IntRange(1), help="Scored.")
@click.option("--text-tokens", default=128, show_default=True, type=click.IntRange(2))
@click.option("--temperature", default=0.7, show_default=True, type=click.FloatRange(0))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0))
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--open", "opening", help="Opens a thought; by default what the folder says.")
@click.option("--close", "closing", help="Closes a thought; by default what the folder says.")
@click.option("--max-tokens", type=click.IntRange(1), help="Longest thought; by default the same.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("reports/prompts"),
    show_default=True,
    help="Folder of the ranking; one that is there is replaced.",
)
@click.option("--track/--no-track", default=True, show_default=True, help="A run in MLflow.")
@click.pass_obj
def rank_prompts(
    root: Path,
    /,
    model: Path,
    corpus: Path,
    names: list[str],
    texts: int,
    opening: str | None,
    closing: str | None,
    max_tokens: int | None,
    device: str,
    output: Path,
    track: bool,
    **tried: int | float,
) -> None:
    """Say under which prompt the thoughts of the model in folder MODEL are worth most.

    CORPUS is a .txt file, or a file of rows with a field `text` (.jsonl, .csv, .parquet, ...), also
    gzipped. Every prompt meets the same texts, places and random numbers. Nothing is trained.
    """
    from rlp_core.data.thinking import Thinking
    from rlp_core.errors import MissingInputError
    from rlp_core.evaluation.prompt_rows import ThoughtTrials
    from rlp_core.ranking import RankRequest, rank

    if not model.is_dir():
        raise MissingInputError(
            "no model folder here", where=str(model), fix="name a folder with config.json"
        )
    thinking = thinking_of(model, opening, closing, max_tokens) or Thinking.read(model)
    trials = ThoughtTrials(**tried)  # type: ignore[arg-type]
    request = RankRequest(
        model, corpus, root / output, tuple(names), texts, trials, device, tracked=track
    )
    for said in rank(root, request, thinking):
        click.echo(said)

"""Models: brought in, asked to think, promoted and traced."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rlp_core.cli.group import CommandGroup
from rlp_core.errors import UsageError

if TYPE_CHECKING:
    from rlp_core.data.thinking import Thinking


@click.group(cls=CommandGroup)
def model() -> None:
    """Bring models in."""


@model.command("import")
@click.argument("source")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--revision", default="", help="Commit, tag or branch of a model on the hub.")
@click.option(
    "--tokenizer",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with the tokenizer to use instead of the source's own.",
)
@click.option("--replace", is_flag=True, help="Take the place of a model that is there already.")
@click.pass_obj
def import_model(
    root: Path, source: str, folder: Path, revision: str, tokenizer: Path | None, replace: bool
) -> None:
    """Write FOLDER, which `base.checkpoint` can name, from SOURCE.

    SOURCE is the name of a model on the hub, a folder, or a .gguf file. Weights become fp32
    safetensors. Nothing is downloaded unless HF_HUB_OFFLINE=0.
    """
    from rlp_core.importing import import_model as bring_in

    done = bring_in(source, root / folder, revision=revision, tokenizer=tokenizer, replace=replace)
    origin = done.origin
    written = ", ".join(f"{count} {kind}" for kind, count in origin.quantisation.items())
    click.echo(f"{origin.name}: {origin.architecture}, {done.parameters:,} parameters")
    if written:
        click.echo(f"tensors were {written}; they are fp32 now")
    click.echo(f"an answer ends at {', '.join(done.ends)}" if done.ends else "no end of text known")
    click.echo(f"{folder}: {done.bytes / 1e6:.0f} MB, read back and equal")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("text")
@click.option("--next", "following", help="What really follows TEXT: weigh it, thinking and not.")
@click.option("--thoughts", default=3, show_default=True, type=click.IntRange(1, 64))
@click.option("--temperature", default=0.7, show_default=True, type=click.FloatRange(0))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0))
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--open", "opening", help="Opens a thought; by default what the folder says.")
@click.option("--close", "closing", help="Closes a thought; by default what the folder says.")
@click.option("--max-tokens", type=click.IntRange(1), help="Longest thought; by default the same.")
def think(
    model: Path,
    text: str,
    following: str | None,
    thoughts: int,
    temperature: float,
    seed: int,
    device: str,
    opening: str | None,
    closing: str | None,
    max_tokens: int | None,
) -> None:
    """Let the model in folder MODEL think after TEXT, and show how it goes on.

    TEXT is - for standard input, which is read as it is, its last line end too. Needs no checkout.
    """
    from rlp_core.think import Asked
    from rlp_core.think import think as think_after

    if text == "-":
        text = _standard_input()
    thinking = thinking_of(model, opening, closing, max_tokens)
    asked = Asked(text, following, thoughts, temperature, seed, device)
    for said in think_after(model, asked, thinking):
        click.echo(said)


def thinking_of(
    model: Path, opening: str | None, closing: str | None, max_tokens: int | None
) -> Thinking | None:
    """How the model in a folder thinks, with what was given in place of what the folder says.

    None where nothing was given, or there is no folder that could say the rest.
    """
    from rlp_core.data.thinking import Thinking

    given = {"open": opening, "close": closing, "max_tokens": max_tokens}
    chosen = {name: value for name, value in given.items() if value is not None}
    if len(chosen) == len(given):
        return Thinking(**chosen)  # type: ignore[arg-type]  # a text, a text and a number
    if chosen and model.is_dir():
        return dataclasses.replace(Thinking.read(model), **chosen)  # type: ignore[arg-type]
    return None


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"standard input is no UTF-8 text: {error}",
            where="rlp think MODEL -",
            fix="convert it first: iconv -f LATIN1 -t UTF-8",
        ) from error


@click.command()
@click.argument("model", default="rlp-policy")
@click.pass_obj
def rollback(root: Path, model: str) -> None:
    """Make the champion before the present one champion of registered MODEL again."""
    from rlp_core.champion.command import told_rollback

    click.echo(told_rollback(root, model))


@click.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="All of it, parameters too, as JSON.")
@click.pass_obj
def lineage(root: Path, model: str, as_json: bool) -> None:
    """Say what MODEL came from: code, parameters, data, validation, flow run.

    MODEL is registered: NAME@ALIAS, such as rlp-policy@champion, or NAME/VERSION.
    """
    import json

    from rlp_core.champion.command import lineage_tree, told_lineage

    if as_json:
        click.echo(json.dumps(lineage_tree(root, model), indent=2, ensure_ascii=False))
        return
    for line in told_lineage(root, model):
        click.echo(line)


@click.command()
@click.argument("model")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--run", "again", is_flag=True, help="Compute all anew in place of the cache.")
@click.pass_obj
def reproduce(root: Path, model: str, folder: Path, again: bool) -> None:
    """Check out in FOLDER what MODEL was made from, bring its data, and verify every digest.

    MODEL as in `rlp lineage`. Exits with 1 where anything is missing or differs.
    """
    from rlp_core.champion.command import run_reproduce

    if not run_reproduce(root, model, folder.absolute(), again=again, say=click.echo):
        sys.exit(1)

"""`rlp advise`: whether to imitate, to reinforce, or both."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from rlp_core.errors import UsageError

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("corpus", type=_FILE)
@click.argument("demonstrations", type=_FILE, required=False)
@click.option("--model", type=click.Path(path_type=Path), help="Folder of the model to be taught.")
@click.option("--problems", type=_FILE, help="Ask it these; by default what the data ask.")
@click.option("--json", "as_json", is_flag=True, help="All figures and thresholds, as JSON.")
@click.option(
    "--sample",
    default=400,
    show_default=True,
    type=click.IntRange(2),
    help="Problems, and texts, to try the model on.",
)
@click.option(
    "--samples",
    default=8,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Thoughts at a place, and answers to a problem.",
)
@click.option(
    "--temperature", default=0.7, show_default=True, type=click.FloatRange(0, min_open=True)
)
@click.option(
    "--text-tokens",
    default=512,
    show_default=True,
    type=click.IntRange(2),
    help="Tokens of a text at most.",
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0))
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--open", "opening", help="Opens a thought; by default what the folder says.")
@click.option("--close", "closing", help="Closes a thought; by default what the folder says.")
@click.option("--max-tokens", type=click.IntRange(1), help="Longest thought; by default the same.")
def advise(
    corpus: Path,
    demonstrations: Path | None,
    model: Path | None,
    problems: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Say whether imitation, RLP, both or neither fits CORPUS and DEMONSTRATIONS, and why.

    CORPUS holds documents, DEMONSTRATIONS what experts show, such as data/validated/rlp.jsonl and
    data/validated/bootstrap.jsonl; left out or empty: there are none. With --model its own success
    is measured too. Nothing is trained.
    """
    from rlp_core.advising.command import AdviceRequest, told
    from rlp_core.advising.trial import TrialOptions

    how = {"open": given["opening"], "close": given["closing"], "max_tokens": given["max_tokens"]}
    chosen = {name: value for name, value in how.items() if value is not None}
    if model is None and (chosen or problems is not None):
        raise UsageError(
            "there is no model to try", where="rlp advise", fix="name one: --model FOLDER"
        )
    options = TrialOptions(
        given["sample"],
        given["samples"],
        given["temperature"],
        given["text_tokens"],
        given["seed"],
        given["device"],
    )
    asked = AdviceRequest(
        corpus, demonstrations, model, problems, _thinking(model, chosen), options
    )
    for line in told(asked, as_json=as_json):
        click.echo(line)


def _thinking(model: Path | None, chosen: dict[str, Any]) -> Any:
    """How the model thinks where that was told; None: as its folder says."""
    from rlp_core.data.thinking import Thinking

    if len(chosen) == 3:
        return Thinking(**chosen)
    if chosen and model is not None and model.is_dir():
        return dataclasses.replace(Thinking.read(model), **chosen)
    return None

"""The card of a model: what it is made from, what it cost, what it can do, and what it is not for.

It goes with the model as its `README.md`. Nothing in it was typed but what `promote.card` says:
all else are the run's facts, and one that is absent is an error. Equal runs give equal cards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

from rlp_core.evaluation.bias.scores import is_score
from rlp_core.evaluation.comparison import MEANINGS
from rlp_core.reporting.card_facts import CardFacts, flat, told_path
from rlp_core.reporting.charts import text


def render(facts: CardFacts) -> str:
    """The whole card, in Markdown, with the header that hubs read."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # Markdown, not HTML; `cell` escapes what comes from settings
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": cell, "interval": text, "signed": _signed}
    verdict, settings = facts.verdict, facts.settings
    results = verdict["results"]
    return environment.get_template("model_card.md.j2").render(
        facts=facts,
        verdict=verdict,
        card=settings["promote"]["card"],
        start=_start(settings["base"]),
        failed=[reason for reason in verdict["reasons"] if not reason["holds"]],
        results=list(_rows(results, bias=False)),
        bias=list(_rows(results, bias=True)),
        benchmarks=settings["evaluate"]["benchmarks"],
        flops=sum(stage.flops for stage in facts.training),
        thought=list(flat(settings["thought"])),
        seed=settings["seed"],
        evaluate=settings["evaluate"],
        confidence=f"{100 * settings['compare']['confidence']:g} %",
        forced=results["forced_close_share"]["winner"]["value"],
        longest=settings["thought"]["max_tokens"],
    )


def cell(value: object) -> str:
    """A text as Markdown shows it in a table, whatever characters it holds."""
    line = " ".join(str(value).split())
    for mark in "\\`*_[]<>|":
        line = line.replace(mark, f"\\{mark}")
    return line


def _signed(found: Mapping[str, Any]) -> str:
    return text(found, "+")


def _start(base: Mapping[str, Any]) -> dict[str, str] | None:
    """The checkpoint that training began with; None where the model was made from scratch."""
    if not base["checkpoint"]:
        return None
    return {"name": told_path(base["checkpoint"]), "revision": base["revision"]}


def _rows(results: Mapping[str, Any], *, bias: bool) -> Iterator[dict[str, Any]]:
    """Metrics with what they mean, those of a benchmark behind the average over all."""
    for name in results:
        stem, _, benchmark = name.partition("/")
        if is_score(name) is bias and (bias or stem in MEANINGS):
            meaning = "" if bias else MEANINGS[stem]
            yield {"name": name, "of": benchmark, "meaning": meaning, **results[name]}

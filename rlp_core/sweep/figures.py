"""The figures of a sweep's page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from rlp_core.arms import Arms
from rlp_core.reporting.figures import Figure, bar_plot
from rlp_core.reporting.slice_figures import Slice, best_so_far, slice_plots

Tree = Mapping[str, Any]


def draw(tree: Tree, arms: Arms) -> dict[str, Figure]:
    """Those that the finished trials allow, by name.

    Args:
        tree: of `rlp_core.sweep.results`.
        arms: as they are declared; the figures have the colour of `rlp`.
    """
    done = [trial for trial in tree["trials"] if trial["state"] == "finished"]
    if not done:
        return {}
    of_rlp = arms.of_stage("rlp")
    colour = (of_rlp.colour if of_rlp else next(iter(arms.colours.values()))).light
    made = [_history(tree, done, colour), _slices(tree, done, colour)]
    if tree["importances"]:
        made.append(_importances(tree["importances"], colour))
    return {figure.name: figure for figure in made}


def _history(tree: Tree, done: list[Tree], colour: str) -> Figure:
    metric = tree["sweep"]["metric"]
    better = max if metric["direction"] == "maximize" else min
    values = [trial["value"] for trial in done]
    bests = list(accumulate(values, better))
    return best_so_far(
        "history",
        "Each finished trial, and the best until then",
        f"{metric['name']} by trial: the first has {values[0]:.3g}, the best {bests[-1]:.3g}.",
        [trial["number"] for trial in done],
        values,
        bests,
        colour=colour,
        label=metric["name"],
    )


def _slices(tree: Tree, done: list[Tree], colour: str) -> Figure:
    name = tree["sweep"]["metric"]["name"]
    values = [trial["value"] for trial in done]
    best = next(n for n, trial in enumerate(done) if trial["number"] == tree["best"]["number"])
    slices = [
        _slice(key, domain, [trial["parameters"][key] for trial in done], values)
        for key, domain in tree["sweep"]["space"].items()
    ]
    said = "; ".join(
        f"{key} of the best {json.dumps(value)}"
        for key, value in tree["best"]["parameters"].items()
    )
    return slice_plots(
        "slices",
        f"{name} of every finished trial over each parameter, the best trial filled",
        f"{name} over each parameter: {said}.",
        slices,
        colour=colour,
        best=best,
        label=name,
    )


def _slice(key: str, domain: Tree, given: list[Any], values: list[float]) -> Slice:
    if domain["kind"] != "choices":
        return Slice(key, given, values, log=domain["log"])
    labels = [value if isinstance(value, str) else json.dumps(value) for value in domain["values"]]
    return Slice(key, [domain["values"].index(value) for value in given], values, labels)


def _importances(importances: Mapping[str, float], colour: str) -> Figure:
    said = "; ".join(f"{key} {share:.2f}" for key, share in importances.items())
    return bar_plot(
        "importances",
        "Share of the variance over the space that each parameter explains by itself, by fANOVA",
        f"Importances: {said}.",
        {key: (colour, share) for key, share in importances.items()},
        label="share of the variance",
    )

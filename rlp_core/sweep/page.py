"""`results.md`: the page of a sweep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rlp_core.evaluation.comparison import MEANINGS
from rlp_core.reporting.figures import Figure
from rlp_core.study.page import markdown_table
from rlp_core.sweep.planned import trial_name
from rlp_core.sweep.running import told_value

Tree = Mapping[str, Any]

STATES = {
    "finished": "came to their end",
    "pruned": "were pruned",
    "died": "died",
    "to_go": "have not ended",
}


def markdown(tree: Tree, name: str, figures: Mapping[str, Figure]) -> str:
    """The page.

    Args:
        tree: of `rlp_core.sweep.results`.
        name: of the sweep, for its commands.
        figures: of `rlp_core.sweep.figures`, in `figures/NAME.svg`.
    """
    parts = [
        f"# {tree['sweep']['title']}",
        f"```bash\nrlp sweep run {name}\nrlp sweep report {name}\n```",
        *_asked(tree),
        *_best(tree),
        *_figures(tree, figures),
        *_trials(tree),
    ]
    return "\n\n".join(parts) + "\n"


def _asked(tree: Tree) -> Iterator[str]:
    sweep, counts = tree["sweep"], tree["counts"]
    metric, stages = sweep["metric"], tree["stages"]
    described = MEANINGS.get(metric["name"].partition("/")[0], "")
    told = f": {described}" if described else ""
    yield (
        f"All trials begin with profile `{sweep['profile']}`{_overrides(sweep['overrides'])}, and "
        f"are judged by `{metric['name']}` of stage `{metric['stage']}`{told}; the aim is to "
        f"{metric['direction']} it. Shared by all, and computed once: "
        f"{_listed(stages['shared'])}. Run by each: {_listed(stages['own'])}."
    )
    rows = [[f"`{key}`", _domain(domain)] for key, domain in sweep["space"].items()]
    yield markdown_table(["parameter", "values"], rows)
    settings = ", ".join(
        f"{key} {value}" for key, value in sweep["sampler"].items() if key != "kind"
    )
    pruner = sweep["pruner"]
    if pruner is not None:
        yield (
            f"A trial was pruned where its mean of `{pruner['column']}` over {pruner['every']} "
            f"steps of stage `{pruner['stage']}`, the best until then, was not among the best "
            f"{pruner['percentile']:g} % of the finished trials at that step; not before step "
            f"{pruner['warmup_steps']}, nor before {pruner['startup_trials']} trials were finished."
        )
    ended = ", ".join(f"{counts[key]} {words}" for key, words in STATES.items())
    yield (
        f"Drawn by sampler `{sweep['sampler']['kind']}`{f' ({settings})' if settings else ''}. "
        f"Of {counts['trials']} trials, {ended}; {counts['attempts']} attempts in all."
    )


def _best(tree: Tree) -> Iterator[str]:
    yield "## The best trial"
    best, metric = tree["best"], tree["sweep"]["metric"]["name"]
    if best is None:
        yield "No trial is finished."
        return
    yield (
        f"{trial_name(best['number'])}, `{metric}` {best['value']:.6g}. The best of "
        f"{tree['counts']['finished']} is chosen by the numbers that are told of it, and looks "
        "better than it is; what it is worth, a study over other seeds tells: these parameters as "
        "`overrides` of a variant. They are in `best.yaml` too."
    )
    yield f"```yaml\n{yaml_lines(tree['overrides'])}```"


def yaml_lines(overrides: Tree) -> str:
    """Overrides as a file of YAML holds them; JSON is YAML."""
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in overrides.items())


def _figures(tree: Tree, figures: Mapping[str, Figure]) -> Iterator[str]:
    if figures:
        yield "## What the parameters change"
        for name, figure in figures.items():
            yield f"![{figure.alt}](figures/{name}.svg)"
            yield f"{figure.caption}."
        if tree["no_importance"]:
            yield f"No importances are told: {tree['no_importance']}."


def _trials(tree: Tree) -> Iterator[str]:
    yield "## All trials"
    if not tree["trials"]:
        yield "None was begun."
        return
    space = list(tree["sweep"]["space"])
    rows = [
        [
            str(trial["number"]),
            *(told_value(trial["parameters"][key]) for key in space),
            "–" if trial["value"] is None else f"{trial['value']:.6g}",  # noqa: RUF001
            trial["state"] + (f" at step {trial['pruned_at']}" if trial["pruned_at"] else ""),
            str(trial["attempts"]),
        ]
        for trial in tree["trials"]
    ]
    head = [*(f"`{key}`" for key in space), tree["sweep"]["metric"]["name"]]
    yield markdown_table(["trial", *head, "state", "attempts"], rows)
    for trial in tree["trials"]:
        if trial["reason"]:
            said = " ".join(trial["reason"].split()).replace("|", "\\|")
            yield f"{trial_name(trial['number'])} died: {said}"


def _domain(domain: Tree) -> str:
    if domain["kind"] == "choices":
        return ", ".join(map(told_value, domain["values"])).replace("|", "\\|")
    kind = "whole numbers" if domain["kind"] == "int" else "real numbers"
    scale = ", evenly over the logarithm" if domain["log"] else ""
    step = f", {domain['step']} apart" if domain.get("step", 1) != 1 else ""
    return f"{kind} from {domain['low']:.6g} to {domain['high']:.6g}{step}{scale}"


def _overrides(overrides: Tree) -> str:
    told = ", ".join(f"`{key}: {json.dumps(value)}`" for key, value in overrides.items())
    return f" with {told}" if told else ""


def _listed(stages: list[str]) -> str:
    return ", ".join(f"`{stage}`" for stage in stages) or "nothing"

"""Prompts in order of what thoughts are worth under them, with intervals over texts.

The order is by one baseline that all prompts share: the model that reads no prompt and thinks
nothing (`true_gain`). By each prompt's own baseline, its prediction without a thought, a prompt
would win that spoils this prediction. Differences are paired: every prompt met the same texts,
places and random numbers. P-values are adjusted for the number of prompts (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlp_core.evaluation.claims import ALPHA
from rlp_core.evaluation.comparison import rounded
from rlp_core.evaluation.control_metrics import control_statistics
from rlp_core.evaluation.item_files import Row
from rlp_core.evaluation.statistics import Estimate, Resampler, holm, mean

NO_PROMPT = "(none)"
"""The row of the model without a prompt."""

RANKED = {
    "true_gain": "nats that a thought adds over the model that reads no prompt and thinks nothing",
    "horizon_gain": "nats that a thought adds over no thought under the same prompt: the "
    "information gain",
    "content_gain": "nats that it adds over the best of its three controls",
    "gain_over_empty": "nats that it adds over an empty thought",
    "empty_thought_gain": "nats that an empty thought adds over none",
    "other_thought_gain": "nats that another text's thought adds over none",
    "random_thought_gain": "nats that as many random tokens add over none",
}
"""Metrics of a prompt, per place that was thought at."""

Tree = dict[str, Any]


def ranking(measured: Mapping[str, Sequence[Row]], seed: int) -> Tree:
    """What was found of each prompt, best first.

    Args:
        measured: rows of `prompt_rows` by name; `NO_PROMPT` must be among them.
        seed: of the resamples.

    Returns:
        `order`, the names; and `prompts`, per name the metrics of `RANKED` with their intervals,
        the difference of `true_gain` to no prompt with its adjusted p-value, and the lengths of the
        thoughts.
    """
    resampler, base = Resampler(seed), measured[NO_PROMPT]
    found = {name: control_statistics(rows, base) for name, rows in measured.items()}
    apart = {
        name: resampler.difference(of["true_gain"], found[NO_PROMPT]["true_gain"])
        for name, of in found.items()
        if name != NO_PROMPT
    }
    adjusted = holm({name: estimate.p for name, estimate in apart.items()})
    prompts: Tree = {}
    for name, rows in measured.items():
        entry: Tree = {metric: _entry(resampler.estimate(found[name][metric])) for metric in RANKED}
        if name in apart:
            entry["over_no_prompt"] = _entry(apart[name]) | {"p": rounded(adjusted[name])}
        prompts[name] = entry | _lengths(rows, resampler)
    values = {name: of["true_gain"].value() for name, of in found.items()}
    return {"order": sorted(values, key=lambda name: (-values[name], name)), "prompts": prompts}


def verdict(tree: Tree) -> str:
    """What may be said of the first, in words that claim no more than was measured."""
    prompts, best = tree["prompts"], tree["order"][0]
    surer = [
        name
        for name in tree["order"]
        if (apart := prompts[name].get("over_no_prompt"))
        and apart["p"] is not None
        and apart["p"] < ALPHA
        and apart["value"] > 0
    ]
    content = [n for n in tree["order"] if (prompts[n]["content_gain"]["low"] or 0.0) > 0]
    said = (
        f"Thoughts are worth more than without a prompt, beyond what the choice of texts explains "
        f"(p < {ALPHA:g}, adjusted), under {_named(surer)}."
        if surer
        else "Under no prompt are thoughts worth more than without one beyond what the choice of "
        f"texts explains (p < {ALPHA:g}, adjusted)."
    )
    said += (
        f" What is thought is worth more than every control, by its interval, under "
        f"{_named(content)}."
        if content
        else " Under none is what is thought worth more than every control, by its interval: no "
        "prompt was seen to make this model think."
    )
    return f"First is {_named([best])}{_taken_away(prompts[best]['true_gain'])}. {said}"


def _taken_away(gain: Tree) -> str:
    """That even the best is below 0, where its interval says so: an order is no recommendation."""
    if gain["high"] is None or gain["high"] >= 0:
        return ""
    return f", and even there a thought takes away: {gain['value']:+.2f} nats a place"


def _lengths(rows: Sequence[Row], resampler: Resampler) -> Tree:
    """Tokens of a thought, and the share that closed themselves, with intervals over texts."""
    flat = [
        (f"{row['id']}/{k}", row["key"], length, closed)
        for row in rows
        for k, (length, closed) in enumerate(zip(row["lengths"], row["closed"], strict=True))
    ]
    ids, keys, lengths, closed = (list(column) for column in zip(*flat, strict=True))
    return {
        "thought_tokens": _entry(resampler.estimate(mean(ids, keys, lengths))),
        "closed_share": _entry(resampler.estimate(mean(ids, keys, closed))),
        "empty_share": _entry(
            resampler.estimate(mean(ids, keys, [float(length == 0) for length in lengths]))
        ),
    }


def _entry(estimate: Estimate) -> Tree:
    return {
        "value": rounded(estimate.value),
        "low": rounded(estimate.low),
        "high": rounded(estimate.high),
        "n": estimate.n,
        "clusters": estimate.clusters,
    }


def _named(names: Sequence[str]) -> str:
    return ", ".join("no prompt" if name == NO_PROMPT else f"`{name}`" for name in names)

"""What the cells of `benchmarks.advice` say together: means over seeds, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rlp_core.evaluation.seeds import BySeed, SeedEstimate, SeedResampler
from rlp_core.evaluation.statistics import mean

Measured = Mapping[str, Any]

NOTHING = 0.05
"""pass@1 over the base's that counts as something."""

EQUAL = 0.03
"""pass@1 below the best way's at which a cheaper way is as good."""

SOLVED = 0.95
"""pass@1 of a base that needs nothing."""


def summary(bases: Mapping[str, Measured], cells: Sequence[Measured]) -> list[dict[str, Any]]:
    """A row per amount and quality: pass@1 thinking of each way, and which turned out best.

    Seeds are drawn, and within them problems (`rlp_core.evaluation.seeds`); a seed that lacks the
    cell without demonstrations, which is RLP alone, is left out of what compares with it.

    Args:
        bases: by seed what was measured of the base.
        cells: what `run_cell` returned.
    """
    resampler = SeedResampler(1)
    alone = _by_seed([cell for cell in cells if cell["amount"] == 0], "both")
    base = {int(seed): _statistic(of) for seed, of in bases.items()}
    rows = []
    for amount, quality in sorted({(cell["amount"], cell["quality"]) for cell in cells}):
        mine = [cell for cell in cells if (cell["amount"], cell["quality"]) == (amount, quality)]
        imitation, both = _by_seed(mine, "imitation"), _by_seed(mine, "both")
        own_base = {seed: base[seed] for seed in imitation}
        ways = {"base": own_base, "imitation": imitation, "rlp": alone, "both": both}
        estimates = {name: resampler.estimate(of) for name, of in ways.items() if of}
        rows.append(
            {
                "amount": amount,
                "quality": quality,
                "seeds": sorted(imitation),
                **{name: _told(of) for name, of in estimates.items()},
                "both_over_imitation": _told(resampler.difference(both, imitation)),
                "rlp_over_imitation": _told(resampler.difference(alone, imitation)),
                "helpful_before": sum(c["imitation"]["helpful"] for c in mine) / len(mine),
                "best": best({name: of.value for name, of in estimates.items()}),
                "advised": sorted({cell["advice"] for cell in mine}),
                "borderline": sorted({name for cell in mine for name in cell["borderline"]}),
            }
        )
    return rows


def best(values: Mapping[str, float]) -> str:
    """The cheapest way that is as good as the best, by pass@1; `neither` where none does a thing.

    Imitation costs less than RLP, and each less than both.
    """
    ways = {name: values[name] for name in ("imitation", "rlp", "both") if name in values}
    top = max(ways.values())
    if values["base"] >= SOLVED or top - values["base"] < NOTHING:
        return "neither"
    return next(name for name, value in ways.items() if value >= top - EQUAL)


def table(result: Mapping[str, Any]) -> str:
    """The summary in Markdown."""
    lines = [
        "| experts | demonstrations | base | imitation | RLP alone | both | both over imitation "
        "| best | advised |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["summary"]:
        names = ("base", "imitation", "rlp", "both", "both_over_imitation")
        figures = " | ".join(_shown(row.get(name)) for name in names)
        advised = ", ".join(row["advised"]) + (" (borderline)" if row["borderline"] else "")
        experts = row["quality"] if row["amount"] else "none"
        lines.append(f"| {experts} | {row['amount']} | {figures} | {row['best']} | {advised} |")
    right = sum(row["advised"] == [row["best"]] for row in result["summary"])
    lines.append("")
    lines.append(f"The advice is what turned out best in {right} of {len(result['summary'])} cells")
    if result["missing_cells"]:
        lines.append(f"{result['missing_cells']} cells are missing")
    return "\n".join(lines)


def _by_seed(cells: Sequence[Measured], way: str) -> BySeed:
    return {cell["seed"]: _statistic(cell[way]) for cell in cells}


def _statistic(of: Measured) -> Any:
    names = [f"{number:05d}" for number in range(len(of["thinking"]))]
    return mean(names, names, of["thinking"])


def _told(of: SeedEstimate) -> dict[str, Any]:
    """As JSON; what is not a number is null."""
    tree = asdict(of)
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in tree.items()}


def _shown(of: Measured | None) -> str:
    if of is None or of["value"] is None:
        return "-"
    if of["low"] is None:
        return f"{of['value']:.3f}"
    return f"{of['value']:.3f} [{of['low']:.3f}, {of['high']:.3f}]"

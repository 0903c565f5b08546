"""The tables of docs/results.md from the comparisons of several seeds.

    python -m benchmarks.seeds comparison-1.json comparison-2.json comparison-3.json

Each file is `reports/comparison.json` of one seed, in the order of the columns.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlp_core.arms import declared

Comparison = dict[str, Any]

HELD_OUT = {
    "information gain, nats": "information_gain",
    "over base, nats": "gain_over_base",
    "cross-entropy": "cross_entropy",
}


def with_interval(arm: Comparison, metric: str) -> str:
    """A value and its interval."""
    found = arm[metric]
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def of_seeds(seeds: Sequence[Comparison], arm: str, metric: str) -> str:
    """The values of all seeds."""
    return ", ".join(f"{seed['arms'][arm][metric]['value']:.2f}" for seed in seeds)


def tables(seeds: Sequence[Comparison]) -> str:
    """Thinking pass@1 with intervals, and what the held-out texts say, as Markdown.

    Raises:
        ValueError: no seed, or seeds of different arms.
    """
    if not seeds or any(seed["arms"].keys() != seeds[0]["arms"].keys() for seed in seeds):
        raise ValueError("the comparisons must be of the same arms, and at least one")
    arms = [arm for arm in declared().names if arm in seeds[0]["arms"]]
    pass_at_1 = _table(
        ["arm", *(f"seed {i + 1}" for i in range(len(seeds)))],
        [
            [arm, *(with_interval(seed["arms"][arm], "pass_at_1_thinking") for seed in seeds)]
            for arm in arms
        ],
    )
    held_out = _table(
        ["arm", *HELD_OUT],
        [[arm, *(of_seeds(seeds, arm, metric) for metric in HELD_OUT.values())] for arm in arms],
    )
    return f"{pass_at_1}\n{held_out}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |\n" for cells in (head, *rows)]
    return "".join([lines[0], "|---" * len(head) + "|\n", *lines[1:]])


def main() -> None:
    """Print the tables."""
    print(tables([json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]))


if __name__ == "__main__":
    main()

"""How fast worlds make problems: a task drawn, asked, solved by its expert, verified and written.

    python -m benchmarks.worlds --problems 1000

prints JSON as the last line of stdout: problems a second of each world at its default settings, and
how long all together took.
"""

from __future__ import annotations

import json
import random
import time
from typing import Any

import click

from rlp_core import environments
from rlp_core.environments import Environment


def solve(world: Environment[Any, Any], seed: int) -> None:
    """Make one problem whole."""
    settings = world.settings()
    task = world.sample(random.Random(seed), settings)
    solution = world.expert(task)
    if not world.verify(task, solution.answer):
        raise AssertionError(f"{world.name}, seed {seed}: the expert is wrong")
    for worked in (False, True):
        world.document(task, solution, worked=worked)


def measured(name: str, problems: int) -> float:
    """Problems a second of a world with an expert."""
    world = environments.get(name)
    assert isinstance(world, Environment)
    solve(world, 0)  # imports, and what is computed once
    begun = time.perf_counter()
    for seed in range(problems):
        solve(world, seed)
    return problems / (time.perf_counter() - begun)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--problems", default=1000, show_default=True, type=click.IntRange(1))
def main(problems: int) -> None:
    """Time every world with an expert that comes with the package."""
    rates = {name: measured(name, problems) for name in environments.with_experts()}
    for name, rate in sorted(rates.items(), key=lambda one: one[1]):
        print(f"{name:16} {rate:10,.0f} problems a second")
    seconds = sum(problems / rate for rate in rates.values())
    rounded = {name: round(rate) for name, rate in rates.items()}
    print(json.dumps({"problems": problems, "seconds": round(seconds, 3), "rates": rounded}))


if __name__ == "__main__":
    main()

"""Where RLP overtakes imitation, over a grid of how many experts there are and how good they are.

    python -m benchmarks.advice --seeds 1,2 --jobs 2 --output docs/results/advice.json

For every seed a base is trained that has read worked solutions of chains of digits and never a
thought. In every cell it imitates so many demonstrations of such a quality, and is then reinforced
on text without thoughts; it is measured after each. The column without demonstrations is RLP alone.
What `rlp advise` recommends beforehand stands beside what turned out best.

A cell that is done is not done again, so the command can be stopped and started. Cells of other
settings lie in another folder of `.rlp/advice`; those of older code in the same:
remove it when what a cell trains or measures has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import click

from benchmarks.advice_cell import QUALITIES, TRIAL, Calibration, run_cell, train_base
from benchmarks.advice_results import summary, table
from rlp_core import quiet
from rlp_core.files import write_json, write_text

AMOUNTS = (0, 50, 250, 1000, 4000)

SECTIONS = ("thought", "base", "bootstrap", "rlp", "evaluate")
"""Of the profile, what a cell reads."""

Cell = tuple[int, int, str]
"""Seed, amount, quality."""


def cells(seeds: Sequence[int], amounts: Sequence[int], qualities: Sequence[str]) -> list[Cell]:
    """All of them, in order; without demonstrations there is one quality."""
    return [
        (seed, amount, quality)
        for seed, amount, quality in product(seeds, amounts, qualities)
        if amount or quality == qualities[0]
    ]


def folder_of(root: Path, settings: Calibration) -> Path:
    """Where what such settings give is kept."""
    said = {"settings": asdict(settings), "qualities": {k: asdict(q) for k, q in QUALITIES.items()}}
    params = settings.params(root, 0)
    said |= {name: getattr(params, name).model_dump(mode="json") for name in SECTIONS}
    key = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return root / ".rlp" / "advice" / key[:12]


def make(root: Path, settings: Calibration, cell: Cell | int) -> None:
    """Make a base (a seed alone) or a cell, where it is not there yet."""
    folder = folder_of(root, settings)
    if isinstance(cell, int):
        base = folder / f"base-{cell}"
        if not (base / TRIAL).is_file():
            train_base(root, settings, cell, base)
        return
    target = _path(folder, cell)
    if not target.is_file():
        seed, amount, quality = cell
        made = run_cell(root, settings, folder / f"base-{seed}", seed, amount, quality)
        write_json(target, made)


def _path(folder: Path, cell: Cell) -> Path:
    seed, amount, quality = cell
    return folder / "cells" / f"{quality}-{amount}-{seed}.json"


def gathered(root: Path, settings: Calibration, wanted: Sequence[Cell]) -> dict[str, Any]:
    """What there is of the wanted cells, and what it says together; the missing are counted."""
    folder = folder_of(root, settings)
    found = [_read(_path(folder, cell)) for cell in wanted if _path(folder, cell).is_file()]
    seeds = sorted({cell["seed"] for cell in found})
    bases = {str(seed): _read(folder / f"base-{seed}" / TRIAL)["measured"] for seed in seeds}
    return {
        "settings": asdict(settings),
        "qualities": {name: asdict(quality) for name, quality in QUALITIES.items()},
        "missing_cells": len(wanted) - len(found),
        "bases": bases,
        "cells": found,
        "summary": summary(bases, found),
    }


def _read(path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return tree


def _numbers(_context: click.Context, option: click.Parameter, given: str) -> list[int]:
    parts = [part.strip() for part in given.split(",")]
    wrong = next((part for part in parts if not part.isdecimal()), None)
    if wrong is not None:
        raise click.BadParameter(f"{wrong!r} is no whole number: --{option.name} 1,2")
    return list(map(int, parts))


def _qualities(_context: click.Context, _option: click.Parameter, given: str) -> list[str]:
    names = [name.strip() for name in given.split(",")]
    wrong = next((name for name in names if name not in QUALITIES), None)
    if wrong is not None:
        raise click.BadParameter(f"{wrong!r} is none of {', '.join(QUALITIES)}")
    return names


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seeds", default="1,2", show_default=True, callback=_numbers)
@click.option(
    "--amounts", default=",".join(map(str, AMOUNTS)), show_default=True, callback=_numbers
)
@click.option("--qualities", default=",".join(QUALITIES), show_default=True, callback=_qualities)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Cells at once.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="JSON of it all.")
@click.option("--figure", type=click.Path(path_type=Path, dir_okay=False), help="SVG of it all.")
@click.option("--one", hidden=True, help="One base (seed) or cell (seed,amount,quality).")
def main(
    seeds: list[int],
    amounts: list[int],
    qualities: list[str],
    jobs: int,
    output: Path | None,
    figure: Path | None,
    one: str | None,
) -> None:
    """Train the grid, or go on with it, and say where RLP overtakes imitation."""
    quiet.apply()
    root, settings = Path.cwd(), Calibration()
    if one is not None:
        first, *rest = one.split(",")
        make(root, settings, (int(first), int(rest[0]), rest[1]) if rest else int(first))
        return
    wanted = cells(seeds, amounts, qualities)

    def go(name: str) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "benchmarks.advice", "--one", name]
        subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL)
        click.echo(f"there: {name}", err=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(go, [str(seed) for seed in seeds]))
        list(pool.map(go, [",".join(map(str, cell)) for cell in wanted]))
    result = gathered(root, settings, wanted)
    if output is not None:
        write_json(output, result)
    if figure is not None:
        from benchmarks.advice_figure import drawn

        write_text(figure, drawn(result).document())
    click.echo(table(result))


if __name__ == "__main__":
    main()

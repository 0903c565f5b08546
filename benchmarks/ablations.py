"""Ablations of RLP on the tiny world, in the shape of the paper's tables, over seeds.

For every seed a workspace under `.rlp/ablations` is taken from raw data to the bootstrap by the
stages themselves, with the `params.yaml` of this checkout. From there each setting runs RLP with
one thing changed, and is measured on the profile's problems and held-out texts. A run that is
there already is not done again, so the command can be stopped and started.

    python -m benchmarks.ablations --seeds 1,2,3 --jobs 2

writes `reports/ablations/runs/*.json` and `reports/ablations/tables.md`.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from rlp_core import quiet
from rlp_core.errors import MissingInputError
from rlp_core.files import write_text
from rlp_core.objective import estimators

STAGES = ("prepare", "validate", "base", "bootstrap")
STUDENT_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Two-sided 95 % points of Student's t for n values (n - 1 degrees of freedom)."""
FIGURES = {
    "pass_at_1_thinking": "pass@1 thinking",
    "true_gain": "gain over the start, nats",
    "thought_tokens": "tokens of a thought",
    "teraflop": "TFLOP spent",
}


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        title: its heading.
        rows: per row what is changed in `params.yaml`; with a key of `bootstrap` the row has a
            bootstrap of its own.
        every: steps between measurements of pass@1 during the run; 0: at the end alone.
    """

    title: str
    rows: dict[str, dict[str, Any]]
    every: int = 0

    @property
    def figures(self) -> dict[str, str]:
        """Columns, by the name of the figure."""
        return CURVE_FIGURES if self.every else FIGURES


CURVE_FIGURES = {
    "pass_highest": "pass@1, highest",
    "pass_lowest_late": "pass@1, lowest after step 100",
    "pass_at_1_thinking": "pass@1 at the end",
    "information_gain_everywhere": "gain at uniform places, nats",
}


def _kind(estimator: str) -> tuple[bool, bool]:
    """Its order in the table: those that compare a group first, those of a token last."""
    declared = estimators.get(estimator)
    return declared.per_token, not declared.compares_group


ANYWHERE = {"rlp.position_selection": "uniform", "rlp.steps": 240}
FILLER = {"bootstrap.filler_share": 0.4, "bootstrap.mismatched_filler_share": 0.5}

TABLES = {
    "rollouts": Table("Rollouts G", {str(g): {"rlp.group_size": g} for g in (2, 4, 8, 16)}),
    "length": Table(
        "Longest thought L, tokens", {str(n): {"thought.max_tokens": n} for n in (6, 12, 24, 48)}
    ),
    "kl": Table("Weight of the KL", {str(w): {"rlp.kl_weight": w} for w in (0.0, 0.01, 0.1, 1.0)}),
    "estimator": Table(
        "Estimator",
        {name: {"rlp.estimator": name} for name in sorted(estimators.built_in(), key=_kind)},
    ),
    "temperature": Table(
        "Sampling temperature", {str(t): {"rlp.temperature": t} for t in (0.5, 0.7, 1.0, 1.3)}
    ),
    "anywhere": Table(
        "Thinking at uniformly drawn positions, 240 updates",
        {
            "paper": ANYWHERE,
            "filler": {**ANYWHERE, **FILLER},
            "filler-ntp": {**ANYWHERE, **FILLER, "rlp.ntp_weight": 0.1},
        },
        every=20,
    ),
}


def prepare(root: Path, seed: int) -> Path:
    """A workspace of the seed with its bootstrap, made where it is not there.

    Raises:
        MissingInputError: a stage failed; its own message stands above.
    """
    workspace = root / ".rlp" / "ablations" / f"seed-{seed}"
    if (workspace / "models" / "bootstrap").is_dir():
        return workspace
    (workspace / "data" / "external").mkdir(parents=True, exist_ok=True)
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    params["seed"] = seed
    folder = root / params["evaluate"]["benchmark_folder"]
    params["evaluate"]["benchmark_folder"] = str(folder.resolve())
    write_text(workspace / "params.yaml", yaml.safe_dump(params, sort_keys=False))
    for stage in STAGES:
        click.echo(f"seed {seed}: stage {stage}", err=True)
        done = subprocess.run(
            [sys.executable, "-m", "rlp_core.stage", stage],
            cwd=workspace,
            stdout=subprocess.DEVNULL,
        )
        if done.returncode:
            raise MissingInputError(
                f"stage {stage} of seed {seed} ended with exit code {done.returncode}",
                where=str(workspace),
                fix="see the message above; then run the command again",
            )
    return workspace


def interval(values: Sequence[float]) -> str:
    """Mean over seeds with Student's 95 % interval, as text; one value stands alone."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.3f}"
    half = STUDENT_95[len(values)] * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:.3f} ± {half:.3f}"


def table(name: str, folder: Path, seeds: Sequence[int]) -> str:
    """A table in Markdown; a missing run leaves its row out."""
    found = TABLES[name]
    lines = [
        f"### {found.title}",
        "",
        f"| | {' | '.join(found.figures.values())} | pass@1 by seed |",
        f"|---|{'---|' * (len(found.figures) + 1)}",
    ]
    for row in found.rows:
        paths = [folder / f"{name}-{row}-{seed}.json" for seed in seeds]
        if not all(path.is_file() for path in paths):
            continue
        runs = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        cells = [interval([run[key] for run in runs]) for key in found.figures]
        each = ", ".join(f"{run['pass_at_1_thinking']:.3f}" for run in runs)
        lines.append(f"| {row} | {' | '.join(cells)} | {each} |")
    return "\n".join([*lines, ""])


def _settings(tables: Iterable[str], seeds: Sequence[int]) -> list[tuple[str, str, int]]:
    return [(name, row, seed) for name in tables for row in TABLES[name].rows for seed in seeds]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seeds", default="1,2,3", show_default=True, help="With commas between.")
@click.option("--tables", default=",".join(TABLES), show_default=True, help="With commas between.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1))
@click.option("--one", nargs=3, hidden=True, help="One run: table, row, seed.")
def main(seeds: str, tables: str, jobs: int, one: tuple[str, str, str] | None) -> None:
    """Run RLP with one thing changed at a time, and write tables over seeds."""
    quiet.apply()
    root = Path.cwd()
    folder = root / "reports" / "ablations"
    if one is not None:
        name, row, seed = one
        workspace = root / ".rlp" / "ablations" / f"seed-{seed}"
        from benchmarks.ablation_run import run_one

        target = folder / "runs" / f"{name}-{row}-{seed}.json"
        run_one(workspace, TABLES[name].rows[row], TABLES[name].every, target)
        return
    names, numbers = tables.split(","), [int(seed) for seed in seeds.split(",")]
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def go(setting: tuple[str, str, int]) -> None:
        name, row, seed = setting
        if (folder / "runs" / f"{name}-{row}-{seed}.json").is_file():
            return
        command = [sys.executable, "-m", "benchmarks.ablations", "--one", name, row, str(seed)]
        subprocess.run(command, cwd=root, env=environment, check=True)
        click.echo(f"done: {name} {row}, seed {seed}", err=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda seed: prepare(root, seed), numbers))
        list(pool.map(go, _settings(names, numbers)))
    text = "\n".join(table(name, folder / "runs", numbers) for name in names)
    write_text(folder / "tables.md", text)
    click.echo(text)


if __name__ == "__main__":
    main()

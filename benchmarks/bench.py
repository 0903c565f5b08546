"""`rlp bench`: our step and TRL's side by side, against each other and against the machine.

Both sides do the work of `Work`: the same random model, documents, positions, number and length of
thoughts. Our steps run between TRL's, so that both meet the same machine, and the ratio of the
fastest steps is reported beside that of the medians: other programs only ever add time. Our update
is also run densely, one padded row per thought, which is the update of the usual recipe within the
same code. All of it stands in one JSON object, the last line of stdout.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from benchmarks.recipes import RECIPES
from rlp_core import quiet
from rlp_core.errors import RlpError, UsageError

if TYPE_CHECKING:
    from benchmarks.work import Work

Say = Callable[[str], None]


def run(preset: str, recipes: tuple[str, ...], steps: int, threads: int | None, say: Say) -> str:
    """Measure everything; returns the JSON.

    Args:
        preset: a name of `PRESETS`.
        recipes: of `RECIPES`; none: our side alone.
        steps: of each side that are timed.
        threads: of the CPU; None: those of the work.
        say: takes a line for a person.

    Raises:
        UnavailableError: TRL is asked for and not installed.
        UsageError: no work or recipe of that name.
    """
    unknown = [name for name in recipes if name not in RECIPES]
    if unknown:
        raise UsageError(
            f"no recipe is called {unknown[0]!r}", where="--peer", fix=f"take {', '.join(RECIPES)}"
        )
    # said before anything slow is imported: seconds of silence look like a fault
    say(f"bench: loads torch and measures the machine; then each step is told as it ends: {steps}")
    work = _work(preset, threads)
    if recipes:
        from benchmarks import trl_peer

        trl_peer.require_trl()
    from benchmarks import growth, rlp_step
    from rlp_core.monitoring import roofline

    peak = roofline.measure(work.threads)
    say(f"machine: {peak.gflops_fp32:.0f} GFLOP/s fp32, {peak.gigabytes_per_second:.0f} GB/s")
    found: dict[str, Any] = {"work": dataclasses.asdict(work), "machine": dataclasses.asdict(peak)}
    ours = rlp_step.run(
        work, steps, each=lambda number, one: say(f"step {number}: {one.seconds:.2f} s")
    )
    found["rlp"] = _ours(ours, peak)
    found["peers"] = {name: _beside(work, name, steps, say) for name in recipes}
    update = rlp_step.update_against_dense(work, max(1, steps // 2))
    found["update_against_dense"] = update
    say(
        f"update: {found['rlp']['mfu']['update']:.0%} of the matrix peak, "
        f"{update['ratio']:.1f} times the dense one"
    )
    say("growth: time per thought and memory, for other sizes of the work")
    found["growth"] = growth.report(work, max(2, steps // 2))
    return json.dumps(found)


def _work(preset: str, threads: int | None) -> Work:
    from benchmarks.work import PRESETS

    if preset not in PRESETS:
        raise UsageError(
            f"no work is called {preset!r}", where="--work", fix=f"take {', '.join(PRESETS)}"
        )
    work = PRESETS[preset]
    return dataclasses.replace(work, threads=threads or work.threads)


def _beside(work: Work, recipe: str, steps: int, say: Say) -> dict[str, Any]:
    """TRL's steps, one of ours before each."""
    from benchmarks import rlp_step, trl_peer

    made, ours = rlp_step.trainer(work), []
    peer = trl_peer.run(
        work,
        RECIPES[recipe],
        steps=steps,
        before_step=lambda number: ours.append(rlp_step.step(made, number).seconds),
    )
    timed = ours[-steps:]
    ratios = {
        "median": statistics.median(peer.seconds_per_step) / statistics.median(timed),
        "fastest": min(peer.seconds_per_step) / min(timed),
    }
    say(
        f"TRL ({recipe}): {statistics.median(peer.seconds_per_step):.2f} s a step, ours "
        f"{statistics.median(timed):.2f} s: {ratios['median']:.1f} times as fast "
        f"(fastest steps: {ratios['fastest']:.1f})"
    )
    return {**dataclasses.asdict(peer), "our_seconds_per_step": timed, "ratio": ratios}


def _ours(steps: list[Any], peak: Any) -> dict[str, Any]:
    """Medians of our steps, and the share of the machine that the phases reach."""
    phases = {
        name: statistics.median(step.phases[name] for step in steps) for name in steps[0].phases
    }
    gflop = steps[0].gflop
    drawn = sum(gflop[name] for name in ("prefill", "decode", "score"))
    return {
        "seconds_per_step": [step.seconds for step in steps],
        "phases": phases,
        "gflop": gflop,
        "mfu": {
            "update": gflop["update"] / phases["update"] / peak.gflops_fp32,
            "decode": drawn / phases["decode"] / peak.gflops_fp32,
            "step": sum(gflop.values())
            / statistics.median(step.seconds for step in steps)
            / peak.gflops_fp32,
        },
        "decode_bandwidth": steps[0].gigabytes / phases["decode"] / peak.gigabytes_per_second,
    }


@click.command()
@click.option("--work", default="reference", show_default=True, help="What a step does.")
@click.option("--peer", "peers", multiple=True, help="TRL's recipe, tuned or usual; repeatable.")
@click.option("--steps", default=5, show_default=True, type=click.IntRange(1))
@click.option("--threads", type=click.IntRange(1), help="By default those of the work.")
def main(work: str, peers: tuple[str, ...], steps: int, threads: int | None) -> None:
    """Time a step of RLP, alone or beside TRL's; JSON is the last line of stdout.

    A peer needs `pip install -e '.[bench]'`.
    """
    quiet.apply()
    try:
        click.echo(run(work, peers, steps, threads, lambda line: click.echo(line, err=True)))
    except RlpError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

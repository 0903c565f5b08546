"""A plan in words: the table of its memory, how it is cut, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence

from rlp_core.planning.device import SPARE, Memory
from rlp_core.planning.memory import LINES, Moment
from rlp_core.planning.stage import Plan
from rlp_core.planning.units import gigabytes
from rlp_core.planning.work import Speed

HOUR = 3600


def lines(plan: Plan, memory: Memory | None, speed: Speed | None) -> list[str]:
    """What is told of a stage before it begins.

    Args:
        plan: of the stage.
        memory: what it must fit into; None: not known.
        speed: of the machine; None: no time is told.
    """
    model = plan.model
    trained = f"{model.trainable:,}" if model.shared else "all"
    told = [
        f"plan of {plan.stage}: {model.name}, {model.parameters:,} parameters, {trained} of them "
        f"trained, computing in {plan.precision}",
        *_table(columns(plan)),
        f"at most {gigabytes(plan.peak.total)} GB ({plan.peak.name}); {_against(plan, memory)}",
        *plan.passes,
    ]
    if plan.work.total:
        told.append(work(plan, speed))
    told.append(f"assumed: {'; '.join(plan.assumed)}")
    return [told[0], *(f"  {line}" for line in told[1:])]


def columns(plan: Plan) -> list[Moment]:
    """The moments, of an update the largest alone."""
    kept: dict[str, Moment] = {}
    for moment in plan.moments:
        name = moment.name.partition(":")[0]
        if name not in kept or kept[name].total < moment.total:
            kept[name] = Moment(name, moment.lines)
    return list(kept.values())


def work(plan: Plan, speed: Speed | None) -> str:
    """FLOPs of the stage, and the time they take."""
    told = f"{flops(plan.work.total)} at most"
    if speed is None:
        return told
    return (
        f"{told}; {duration(plan.work.seconds(speed))} at {speed.share:.0%} of "
        f"{speed.teraflops:.3g} TFLOP/s and {speed.gigabytes:.3g} GB/s, {speed.told}"
    )


def flops(count: float) -> str:
    """FLOPs with the prefix that leaves one to three digits before the point."""
    for size, prefix in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G")):
        if count >= size:
            return f"{count / size:.3g} {prefix}FLOP"
    return f"{count:.3g} FLOP"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.0f} h"


def _against(plan: Plan, memory: Memory | None) -> str:
    if memory is None:
        return "this machine does not say how much memory it has"
    fits = "it fits" if plan.peak.total <= memory.usable else "it does NOT fit"
    return f"{fits} into {gigabytes(memory.usable)} GB: {1 - SPARE:.0%} of {memory}"


def _table(moments: Sequence[Moment]) -> list[str]:
    named = [line for line in LINES if any(moment.lines.get(line) for moment in moments)]
    rows = [["GB", *(moment.name for moment in moments)]]
    rows += [[line, *(_cell(moment.lines.get(line, 0)) for moment in moments)] for line in named]
    rows.append(["in all", *(gigabytes(moment.total) for moment in moments)])
    wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            [
                row[0].ljust(wide[0]),
                *(cell.rjust(w) for cell, w in zip(row[1:], wide[1:], strict=True)),
            ]
        )
        for row in rows
    ]


def _cell(size: int) -> str:
    return gigabytes(size) if size else "-"

"""A step of RLP on a GPU: seconds, shares of what the card can do, memory measured and planned.

The work is that of `rlp_step` at the shape of a published model with random weights, in bf16 with
masters in fp32. Before anything is timed the update through branches is compared with the dense
one, on a small part of the work.

    python -m benchmarks.gpu --work qwen3-0.6b --thought-tokens 256 --budget 8000

prints JSON as the last line of stdout.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks import rlp_step
from benchmarks.work import PRESETS, Work
from rlp_core import quiet

if TYPE_CHECKING:
    from rlp_core.planning.stage import Plan
    from rlp_core.training.learner import RLPLearner

PROFILE = Path(__file__).resolve().parents[1] / "profiles" / "qwen3-1.7b.yaml"
SMALL: dict[str, Any] = {
    "documents": 1,
    "positions": 2,
    "group_size": 2,
    "tokens": 256,
    "thought_tokens": 32,
}
"""What of the work is compared with the dense path."""


def planned(work: Work, budget: int) -> Plan:
    """The plan of the stage that would do the work."""
    from rlp_core.params import load
    from rlp_core.planning.plan import stage_plan
    from rlp_core.planning.shapes import ModelShape
    from rlp_core.policy.model import Shape, config_of
    from rlp_core.training.config import AuditConfig

    params = load(PROFILE)
    settings = params.rlp.model_copy(
        update={
            "documents": work.documents,
            "max_tokens": work.tokens,
            "positions": work.positions,
            "group_size": work.group_size,
            "horizon": work.horizon,
            "audit": AuditConfig(every=0),
        }
    )
    params = params.model_copy(
        update={
            "rlp": settings,
            "thought": params.thought.model_copy(
                update={"max_tokens": work.thought_tokens, "prompt": ""}
            ),
            "runtime": params.runtime.model_copy(
                update={
                    "decode_batch_size": work.thoughts,
                    "update_token_budget": budget,
                    "verify": "off",
                }
            ),
        }
    )
    shape = Shape(
        work.width, work.layers, work.heads, work.kv_heads, work.feed_forward,
        work.tokens + work.thought_tokens + 8, work.head_size,
    )  # fmt: skip
    model = ModelShape.of(config_of(shape, work.vocabulary), "random")
    return stage_plan(params, "rlp", model, on_gpu=True, saves=False)


def compared(work: Work, device: str, kernel: str) -> dict[str, Any]:
    """The update through branches against the dense one, in bf16 and fp32, on part of the work."""
    small = dataclasses.replace(work, layers=4, **SMALL)
    return {
        precision: rlp_step.update_against_dense(
            small, 1, device=device, precision=precision, kernel=kernel
        )
        for precision in ("float32", "bfloat16")
    }


def timed(made: RLPLearner, steps: int) -> dict[str, Any]:
    """Seconds and shares of some steps after one that is not counted, and the peak of memory."""
    import torch

    torch.cuda.reset_peak_memory_stats()
    found = [made.step(number) for number in range(steps + 1)][1:]
    told = {name: statistics.median(each.speed[name] for each in found) for name in found[0].speed}
    return {
        "told": told,
        "each": [each.speed for each in found],
        "tflop": {name: value / 1e12 / (steps + 1) for name, value in made.ledger.flops.items()},
        "mismatch": max(each.metrics["mismatch"] for each in found),
        "peak_gb": torch.cuda.max_memory_allocated() / 1e9,
        "reserved_gb": torch.cuda.max_memory_reserved() / 1e9,
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--work", "preset", type=click.Choice(list(PRESETS)), default="qwen3-0.6b")
@click.option("--thought-tokens", type=click.IntRange(1), help="L; by default that of the work.")
@click.option("--budget", type=click.IntRange(1), default=4100, show_default=True)
@click.option("--kernel", default="auto", show_default=True)
@click.option("--steps", type=click.IntRange(1), default=2, show_default=True)
@click.option("--compare/--no-compare", default=True, show_default=True)
@click.option("--record/--no-record", default=True, show_default=True)
def main(
    preset: str,
    thought_tokens: int | None,
    budget: int,
    kernel: str,
    steps: int,
    compare: bool,
    record: bool,
) -> None:
    """Time our step on a GPU; JSON is the last line of stdout."""
    quiet.apply()
    import torch

    from rlp_core.monitoring import roofline
    from rlp_core.rollout import recording

    if not record:
        recording.RECORDERS.clear()
    work = PRESETS[preset]
    work = dataclasses.replace(work, thought_tokens=thought_tokens or work.thought_tokens)
    device = "cuda"
    found: dict[str, Any] = {
        "work": dataclasses.asdict(work),
        "card": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "kernel": kernel,
        "recorded": record,
        "budget": budget,
        "peak": dataclasses.asdict(peak := roofline.measure(work.threads, device, 0.5)),
    }
    if compare:
        found["compared"] = compared(work, device, kernel)
        click.echo(json.dumps(found["compared"]))
    gc.collect()
    torch.cuda.empty_cache()
    plan = planned(work, budget)
    found["planned_gb"] = plan.peak.total / 1e9
    found["planned_at"] = plan.peak.name
    made = rlp_step.trainer(work, 0, device, "bfloat16", kernel, budget)
    made.peak = peak
    found |= timed(made, steps)
    click.echo(json.dumps(found))


if __name__ == "__main__":
    main()

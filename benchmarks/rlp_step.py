"""Our side: the same step through `RLPLearner`, and its update densely, for comparison.

A step reads each document once, draws K x G thoughts of L tokens as branches of it, scores what
follows each of them on the live cache, and updates through the same branches. In tokens through
the network, per document: T (baseline) + T (prefill) + K G (L + H) (decode and score) + 3 (T + K G
L) (update).

    python -m benchmarks.rlp_step --threads 2

prints JSON as the last line of stdout.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from benchmarks.work import DELIMITERS, PRESETS, Work
from rlp_core import quiet

if TYPE_CHECKING:
    from torch import Tensor

    from rlp_core.training.learner import RLPLearner


@dataclass(frozen=True)
class StepTimes:
    """One step of ours.

    Attributes:
        seconds: of the whole step.
        phases: seconds of each phase; they add up to the step.
        gflop: by phase, as the ledger counts them.
        gigabytes: that decoding read.
    """

    seconds: float
    phases: dict[str, float]
    gflop: dict[str, float]
    gigabytes: float


def trainer(
    work: Work,
    seed: int = 0,
    device: str = "cpu",
    precision: Literal["float32", "bfloat16"] = "float32",
    kernel: str = "auto",
    budget: int = 10**6,
) -> RLPLearner:
    """The trainer of a step of the work: every thought has exactly L tokens.

    `</think>` is not drawn before the last token of a thought, in sampling and in the update;
    `budget` is `runtime.update_token_budget`.
    """
    import torch

    from rlp_core.config import RLPConfig
    from rlp_core.data.thought import ThoughtConfig
    from rlp_core.rollout.engine import prepare
    from rlp_core.training.config import AuditConfig, OptimizerConfig
    from rlp_core.training.learner import RLPLearner
    from rlp_core.training.positions import TokenizedDocument

    settings = RLPConfig(
        steps=1000,
        documents=work.documents,
        max_tokens=work.tokens,
        positions=work.positions,
        position_selection="uniform",
        group_size=work.group_size,
        temperature=work.temperature,
        min_thought_tokens=work.thought_tokens - 1,
        horizon=work.horizon,
        discount=1.0,
        clip_low=0.2,
        clip_high=0.28,
        ema_decay=0.99,
        optimizer=OptimizerConfig(name="adamw", lr=1e-4),
        audit=AuditConfig(every=0),
        precision=precision,
    )
    opened, closed = DELIMITERS
    with torch.device(device):  # made where it will lie: a large one takes long on the host
        model = work.model(seed)
    prepare(model, kernel)
    documents = [
        TokenizedDocument(i, p.tokens, p.positions) for i, p in enumerate(work.passages(seed))
    ]
    return RLPLearner(
        model,
        work.codec(),
        settings,
        ThoughtConfig(open=opened, close=closed, max_tokens=work.thought_tokens),
        seed,
        documents,
        decode_batch_size=10**6,
        update_token_budget=budget,
    )


def step(made: RLPLearner, number: int) -> StepTimes:
    """One step, timed by its own stopwatch."""
    before = dict(made.ledger.flops)
    result = made.step(number)
    phases = {
        name.removeprefix("seconds_"): value
        for name, value in result.speed.items()
        if name.startswith("seconds_")
    }
    gflop = {name: (value - before.get(name, 0)) / 1e9 for name, value in made.ledger.flops.items()}
    return StepTimes(sum(phases.values()), phases, gflop, made.ledger.bytes_read / 1e9)


def run(
    work: Work,
    steps: int,
    warmup: int = 1,
    seed: int = 0,
    device: str = "cpu",
    each: Callable[[int, StepTimes], None] | None = None,
) -> list[StepTimes]:
    """Time `steps` steps after some that are not counted; `each` is told of every one at once."""
    import torch

    torch.set_num_threads(work.threads)
    made = trainer(work, seed, device)
    found = []
    for number in range(warmup + steps):
        timed = step(made, number)
        if each is not None and number >= warmup:
            each(number - warmup + 1, timed)
        found.append(timed)
    return found[warmup:]


def update_against_dense(
    work: Work,
    repeats: int,
    seed: int = 0,
    device: str = "cpu",
    precision: Literal["float32", "bfloat16"] = "float32",
    kernel: str = "auto",
) -> dict[str, Any]:
    """The update of one rollout through branches and densely: seconds and largest differences.

    Densely every thought is a padded row with its whole context, as in the usual recipe.
    """
    import torch

    torch.set_num_threads(work.threads)
    made = trainer(work, seed, device, precision, kernel)
    groups = made.groups(0)
    seconds: dict[str, list[float]] = {"branches": [], "dense": []}
    gradients: dict[str, list[Tensor]] = {}
    mismatch: dict[str, float] = {}
    for _ in range(repeats + 1):
        for path in seconds:
            with _densely(made, path == "dense"):
                begun = time.perf_counter()
                sums = made.accumulate(groups, 0)
                seconds[path].append(time.perf_counter() - begun)
            gradients[path] = [p.grad for p in made.stepper.parameters if p.grad is not None]
            mismatch[path] = sums.mismatch
            made.policy.zero_grad(set_to_none=True)
    pairs = zip(gradients["branches"], gradients["dense"], strict=True)
    median = {path: statistics.median(values[1:]) for path, values in seconds.items()}
    return {
        "seconds": {path: values[1:] for path, values in seconds.items()},
        "ratio": median["dense"] / median["branches"],
        # both against what the sampler recorded for the same tokens
        "logprob_difference": {path: mismatch[path] for path in seconds},
        "gradient_difference": max(
            float((one - other).norm() / other.norm()) for one, other in pairs
        ),
    }


@contextmanager
def _densely(made: RLPLearner, densely: bool) -> Iterator[None]:
    from rlp_core.rollout import dense, engine
    from rlp_core.rollout.attention import NAME

    through_branches = engine.states
    if densely:
        made.policy.set_attn_implementation("sdpa")
        engine.states = dense.states
    try:
        yield
    finally:
        made.policy.set_attn_implementation(NAME)
        engine.states = through_branches


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--work", "preset", type=click.Choice(list(PRESETS)), default="reference")
@click.option("--steps", type=click.IntRange(1), default=5, show_default=True)
@click.option("--threads", type=click.IntRange(1), help="By default those of the work.")
@click.option("--device", default="cpu", show_default=True)
def main(preset: str, steps: int, threads: int | None, device: str) -> None:
    """Time our step of the work; JSON is the last line of stdout."""
    quiet.apply()
    work = PRESETS[preset]
    work = dataclasses.replace(work, threads=threads or work.threads)
    found = run(work, steps, device=device)
    click.echo(
        json.dumps(
            {
                "work": dataclasses.asdict(work),
                "seconds_per_step": [each.seconds for each in found],
                "steps": [dataclasses.asdict(each) for each in found],
            }
        )
    )


if __name__ == "__main__":
    main()

"""The peer: the same step through TRL's GRPOTrainer with an information-gain reward function.

This is what RLP costs whoever builds it from the usual parts. TRL treats every thought as a
sequence of its own, so a thought at position t of a document pays for t tokens of context again
and again: the prompt is prefilled for each of the G thoughts, read again with the thought for the
reasoned score, and read again, with gradients, by the update, which is three forward passes' worth.
Per thought of L tokens that is 5 (t + L) tokens through the network, and t for the baseline. TRL
pads the rows of generation and update to the longest of the batch. A lean step reads each document
once for all of its K x G thoughts.

`benchmarks.recipes` says how TRL may do it. Every recipe spares TRL what is not the work: older
log-probabilities (one update per rollout, so the ratio is 1), a reference model, logging and
saving. `settings` in the result tells all choices.

    python -m benchmarks.trl_peer --recipe tuned --steps 2 --threads 2

prints progress to stderr, and the result as JSON in the last line of stdout. Phases, in seconds
of one step: `generation` (prompts to tokens, sampling, tokens to text), `reward_policy`,
`reward_baseline`, `bookkeeping` (padding, advantages, TRL's metrics), `update` (forward, backward,
clipping, AdamW), `ema_update`. They add up to the step.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import click

from benchmarks.recipes import RECIPES, Choices
from benchmarks.work import PRESETS, Work
from rlp_core import quiet
from rlp_core.errors import ConfigError, RlpError, UnavailableError

LIBRARIES = ("trl", "transformers", "accelerate", "torch")


@dataclass(frozen=True)
class PeerResult:
    """What was measured, warm-up left out.

    Attributes:
        seconds_per_step: one figure per step.
        phases: per phase one figure per step; they add up to `seconds_per_step`.
        thoughts: scored per step.
        thought_tokens: sampled per step.
        settings: what TRL was told, and `Choices`.
        versions: of the libraries.
        work: the fields of `Work`.
    """

    seconds_per_step: list[float]
    phases: dict[str, list[float]]
    thoughts: int
    thought_tokens: int
    settings: dict[str, Any]
    versions: dict[str, str]
    work: dict[str, Any]


def require_trl() -> None:
    """Raise `UnavailableError` where TRL is not installed."""
    if importlib.util.find_spec("trl") is None:
        raise UnavailableError(
            "TRL is not installed, so there is no peer to compare with",
            where="benchmarks.trl_peer, Python environment",
            fix="pip install -e '.[bench]' (it is no part of `make install`)",
        )


def run(
    work: Work,
    choices: Choices,
    *,
    steps: int,
    warmup: int = 1,
    seed: int = 0,
    before_step: Callable[[int], None] | None = None,
) -> PeerResult:
    """Do the work `warmup + steps` times through TRL, and time the last `steps`.

    Sets the number of torch's threads in this process.

    Args:
        work: what to do.
        choices: one of `RECIPES`, or others.
        steps: optimizer steps to time, on the same documents each.
        warmup: optimizer steps before them.
        seed: of the model, the documents and the sampling.
        before_step: called with the number of each step, warm-up included, before its clock
            starts. A comparison runs its other side here, so that both meet the same machine.

    Raises:
        UnavailableError: TRL is not installed.
        ConfigError: the thoughts cannot be split into passes of `update_rows`, or G = 1.
    """
    require_trl()
    import torch

    rows = min(choices.update_rows, work.thoughts)
    if work.thoughts % rows:
        raise ConfigError(
            f"{work.thoughts} thoughts cannot be split into passes of {rows}",
            where="Choices.update_rows",
            fix=f"use a divisor of {work.thoughts}",
        )
    if work.group_size < 2:
        raise ConfigError(
            "TRL centres rewards by group, and a group of one has no centre",
            where=f"Work(group_size={work.group_size})",
            fix="use 2 or more",
        )
    torch.set_num_threads(work.threads)
    chosen = dataclasses.replace(choices, update_rows=rows)
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(sys.stderr),  # TRL prints a summary
        warnings.catch_warnings(),
    ):
        # between TRL and transformers, and not ours to mend
        warnings.simplefilter("ignore", FutureWarning)
        return _train(work, chosen, steps, warmup, seed, before_step, folder)


def _train(
    work: Work,
    choices: Choices,
    steps: int,
    warmup: int,
    seed: int,
    before_step: Callable[[int], None] | None,
    folder: str,
) -> PeerResult:
    from benchmarks import trl_trainer
    from benchmarks.trl_reward import InformationGain
    from rlp_core.policy.ema import EmaTarget
    from rlp_core.training.timers import PhaseTimer

    watch, passages, policy = PhaseTimer(), work.passages(seed), work.model(seed)
    target = EmaTarget(policy, choices.ema_decay)
    reward = InformationGain(
        policy,
        target.model,
        work.codec(),
        passages,
        horizon=work.horizon,
        rows=choices.reward_rows or work.thoughts,
        baseline_per_thought=choices.baseline_per_thought,
        watch=watch,
    )
    settings = trl_trainer.config(work, choices, warmup + steps, seed, folder)
    trainer = trl_trainer.TimedTrainer(
        model=policy,
        reward_funcs=reward,
        args=settings,
        train_dataset=trl_trainer.prompts(work, passages),
        processing_class=work.tokenizer(),
        callbacks=[trl_trainer.StepClock(watch, target, before_step)],
        watch=watch,
    )
    trainer.train()
    timed = watch.steps[warmup:]
    return PeerResult(
        seconds_per_step=[sum(step.values()) for step in timed],
        phases={name: [step[name] for step in timed] for name in timed[0]},
        thoughts=len(reward.lengths) // len(watch.steps),
        thought_tokens=sum(reward.lengths) // len(watch.steps),
        settings={**_told(settings), **dataclasses.asdict(choices)},
        versions={name: version(name) for name in LIBRARIES},
        work=dataclasses.asdict(work),
    )


def _told(settings: Any) -> dict[str, Any]:
    """The settings that bear on speed."""
    names = (
        "per_device_train_batch_size gradient_accumulation_steps steps_per_generation"
        " num_iterations num_generations max_completion_length temperature generation_kwargs"
        " beta scale_rewards loss_type optim gradient_checkpointing bf16 torch_compile"
    )
    return {name: getattr(settings, name) for name in names.split()}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--work", "preset", type=click.Choice(list(PRESETS)), default="reference")
@click.option("--recipe", type=click.Choice(list(RECIPES)), default="tuned", show_default=True)
@click.option("--steps", type=click.IntRange(1), default=2, show_default=True)
@click.option("--warmup", type=click.IntRange(0), default=1, show_default=True)
@click.option("--threads", type=click.IntRange(1), help="By default those of the work.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def main(preset: str, recipe: str, steps: int, warmup: int, threads: int | None, seed: int) -> None:
    """Time the step of the work through TRL; JSON is the last line of stdout."""
    quiet.apply()
    work = PRESETS[preset]
    work = dataclasses.replace(work, threads=threads or work.threads)
    click.echo(f"TRL, {recipe}: {warmup} + {steps} steps of {work.thoughts} thoughts", err=True)
    try:
        result = run(
            work,
            RECIPES[recipe],
            steps=steps,
            warmup=warmup,
            seed=seed,
            before_step=lambda number: click.echo(f"step {number}", err=True),
        )
    except RlpError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    click.echo(f"TRL: {statistics.median(result.seconds_per_step):.2f} s per step", err=True)
    click.echo(json.dumps(dataclasses.asdict(result)))


if __name__ == "__main__":
    main()

"""TRL's trainer with a stopwatch in it. Importing this file needs TRL: see `trl_peer`.

`TimedTrainer` calls two of TRL's own methods, unchanged, with the watch running. They are private
to TRL, so the extra `bench` pins its version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datasets import Dataset  # type: ignore[import-untyped]
from transformers import TrainerCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from benchmarks.work import FORBIDDEN, Passage, Work
from rlp_core.policy.ema import EmaTarget
from rlp_core.training.timers import PhaseTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.recipes import Choices


class TimedTrainer(GRPOTrainer):
    """GRPOTrainer whose phases are timed from outside; what it computes is TRL's."""

    def __init__(self, *args: Any, watch: PhaseTimer, **kwargs: Any) -> None:
        """Build TRL's trainer. `watch` is charged with `generation` and `bookkeeping`."""
        super().__init__(*args, **kwargs)
        self.watch = watch

    def _generate(self, prompts: list[str]) -> Any:
        with self.watch.phase("generation"):
            return super()._generate(prompts)

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        with self.watch.phase("bookkeeping"):  # around generation and rewards: pad, centre, log
            return super()._prepare_inputs(generation_batch)


class StepClock(TrainerCallback):
    """Marks the steps, and moves the EMA target at the end of each, as the usual recipe does."""

    def __init__(
        self,
        watch: PhaseTimer,
        target: EmaTarget,
        before_step: Callable[[int], None] | None = None,
    ) -> None:
        """Hold the watch, the target, and what to call before the clock of a step starts."""
        self.watch, self.target, self.before_step = watch, target, before_step

    def on_step_begin(self, *_args: Any, **_kwargs: Any) -> None:
        """All of a step that no phase covers is the update."""
        if self.before_step is not None:
            self.before_step(len(self.watch.steps))
        self.watch.begin("update")

    def on_step_end(self, *_args: Any, **kwargs: Any) -> None:
        """Called after the optimizer has stepped."""
        with self.watch.phase("ema_update"):
            self.target.update(kwargs["model"])
        self.watch.end()


def prompts(work: Work, passages: list[Passage]) -> Dataset:
    """One row per position, in order: the prompt as text, and the columns of the reward."""
    codec = work.codec()
    rows = []
    for number, passage in enumerate(passages):
        for at in passage.positions:
            text = codec.decode([*passage.tokens[:at], codec.open_id])
            rows.append({"prompt": text, "document": number, "position": at})
    return Dataset.from_list(rows)


def config(work: Work, choices: Choices, steps: int, seed: int, folder: str) -> GRPOConfig:
    """TRL's settings: those of `choices`, and nothing that costs time and is not the work.

    Args:
        work: what to do.
        choices: how; `update_rows` divides the thoughts.
        steps: optimizer steps, each on all thoughts of the work.
        seed: of TRL's sampling.
        folder: where TRL may write.
    """
    passes = work.thoughts // choices.update_rows
    return GRPOConfig(
        output_dir=folder,
        seed=seed,
        use_cpu=True,
        bf16=False,
        max_steps=steps,
        # one rollout of all thoughts, then one update: no log-probabilities of an older policy
        per_device_train_batch_size=choices.update_rows,
        gradient_accumulation_steps=passes,
        steps_per_generation=passes,
        num_iterations=1,
        num_generations=work.group_size,
        max_completion_length=work.thought_tokens,
        temperature=work.temperature,
        top_p=1.0,
        top_k=0,
        generation_kwargs={"suppress_tokens": list(FORBIDDEN), "use_cache": True},
        # the objective: no reference model, rewards centred by group, one mean per thought
        beta=0.0,
        scale_rewards="none",
        loss_type="grpo",
        learning_rate=choices.lr,
        lr_scheduler_type="constant",
        gradient_checkpointing=choices.recompute,
        # nothing that is not the work
        torch_compile=False,
        shuffle_dataset=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        log_completions=False,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        push_to_hub=False,
    )

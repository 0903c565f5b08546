"""How the peer does the step: what TRL is told, and how its reward function scores.

Two recipes, because the figure depends on who wrote the script:

- `tuned` gives TRL every advantage that its options and a careful reward function allow: no
  recomputed activations, forward passes of the sizes that run fastest, the baseline once per
  position, and reward batches that need no padding. A speed-up over it is the method's own.
  (Eager attention with a static cache was tried too: the step takes as long.)
- `usual` keeps TRL's defaults (8 rows per pass, gradient checkpointing), and its reward function
  scores all thoughts in one padded batch per model.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choices:
    """How TRL does the work.

    Attributes:
        update_rows: thoughts per forward and backward pass; TRL accumulates the gradient.
        recompute: gradient checkpointing.
        reward_rows: rows per forward pass of the reward function; 0 takes all at once.
        baseline_per_thought: score the baseline for every thought, not once per position.
        lr: learning rate of AdamW.
        ema_decay: tau of the EMA target.
    """

    update_rows: int
    recompute: bool
    reward_rows: int
    baseline_per_thought: bool
    lr: float = 1e-4
    ema_decay: float = 0.99


RECIPES = {
    "tuned": Choices(
        update_rows=16,
        recompute=False,
        reward_rows=8,
        baseline_per_thought=False,
    ),
    "usual": Choices(
        update_rows=8,
        recompute=True,
        reward_rows=0,
        baseline_per_thought=True,
    ),
}

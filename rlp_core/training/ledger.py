"""The compute ledger: tokens and model FLOPs, phase by phase.

FLOPs are those that the mathematics needs (paper, section 11): 2 per parameter and token forward,
4 per head dimension, head, layer and pair of token and visible token for attention, twice the
forward again for the backward pass, of which the half that makes the gradients of weights falls
away where these are frozen. Padding is not counted, so the figure does not depend on how a batch
was cut, and the two arms that are to be compared are counted alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rlp_core.policy.model import frozen_count, head_size, parameter_count
from rlp_core.training.checkpoint import State

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TRAINING = 3
"""Forward and backward, in forwards."""


class Ledger:
    """Adds up what a run spends."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.body, self.head = parameter_count(model)
        self.frozen_body, self.frozen_head = frozen_count(model)
        config = model.config
        self.per_pair = (
            4 * config.num_hidden_layers * config.num_attention_heads * head_size(config)
        )
        self.tokens: dict[str, int] = defaultdict(int)
        self.flops: dict[str, int] = defaultdict(int)
        self.usual = 0
        """FLOPs that the usual recipe would have spent on the same thoughts."""
        self.bytes_read = 0
        """Memory that the last decoding read."""

    def rows(self, phase: str, lengths: Iterable[int], scored: int, passes: int = 1) -> None:
        """Count whole rows read from their start.

        Args:
            phase: the name it is booked under.
            lengths: tokens of each row.
            scored: rows of logits that were made.
            passes: 1 forward only, `TRAINING` with the backward pass.
        """
        for length in lengths:
            self._add(phase, length, length * (length + 1) // 2, 0, passes)
        self._add(phase, 0, 0, scored, passes)

    def fed(self, phase: str, tokens: int, pairs: int, scored: int) -> None:
        """Count tokens that were fed one by one.

        Args:
            phase: the name it is booked under.
            tokens: how many.
            pairs: of token and visible token, summed over them.
            scored: rows of logits that were made.
        """
        self._add(phase, tokens, pairs, scored, 1)

    def branches(
        self,
        phase: str,
        contexts: Iterable[int],
        lengths: Iterable[int],
        scored: int,
        passes: int = 1,
    ) -> None:
        """Count tokens that go on from contexts read already.

        Args:
            phase: the name it is booked under.
            contexts: tokens before each branch.
            lengths: tokens fed in each.
            scored: rows of logits that were made.
            passes: 1 forward only, `TRAINING` with the backward pass.
        """
        for context, length in zip(contexts, lengths, strict=True):
            self._add(phase, length, length * context + length * (length + 1) // 2, 0, passes)
        self._add(phase, 0, 0, scored, passes)

    def usual_recipe(self, context: int, thought: int, targets: int) -> None:
        """Count what one thought costs where every thought is a row of its own.

        Generation, old log-probabilities, the reasoned and the baseline score, and the update,
        each with the whole context (`docs/performance.md`).
        """
        whole = context + 1 + thought
        rows = [(whole, 2 + TRAINING), (whole + targets, 1), (context + targets, 1)]
        for length, passes in rows:
            self.usual += self._flops(length, length * (length + 1) // 2, 0, passes)
        for scored, passes in ((2 * thought + 2 * targets, 1), (thought, TRAINING)):
            self.usual += self._flops(0, 0, scored, passes)

    def _add(self, phase: str, tokens: int, pairs: int, scored: int, passes: int) -> None:
        self.tokens[phase] += tokens
        self.flops[phase] += self._flops(tokens, pairs, scored, passes)

    def _flops(self, tokens: int, pairs: int, scored: int, passes: int) -> int:
        """Of tokens through the body, of pairs in attention, and of rows of logits."""
        spent: int = 2 * self.body * tokens + self.per_pair * pairs + 2 * self.head * scored
        if passes != TRAINING:
            return passes * spent
        unmade: int = 2 * self.frozen_body * tokens + 2 * self.frozen_head * scored
        return passes * spent - unmade

    @property
    def redundancy(self) -> float:
        """FLOPs of the usual recipe for the same thoughts, over those that were spent."""
        return self.usual / self.total_flops if self.total_flops else 1.0

    @property
    def total_flops(self) -> int:
        return sum(self.flops.values())

    def as_dict(self) -> dict[str, dict[str, int]]:
        """`{"tokens": {phase: n, ..., "total": n}, "flops": {...}}`."""
        return {
            "tokens": {**self.tokens, "total": sum(self.tokens.values())},
            "flops": {**self.flops, "total": self.total_flops},
        } | ({"usual_recipe": {"flops": self.usual}} if self.usual else {})

    def state(self) -> State:
        """What was spent so far."""
        return State(
            values={"tokens": dict(self.tokens), "flops": dict(self.flops), "usual": self.usual}
        )

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        spent: Any = state.values
        self.tokens = defaultdict(int, spent["tokens"])
        self.flops = defaultdict(int, spent["flops"])
        self.usual = spent["usual"]

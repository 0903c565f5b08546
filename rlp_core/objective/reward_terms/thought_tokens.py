"""The length of a thought: with a weight below 0, what thinking costs."""

from __future__ import annotations

from rlp_core.objective.reward_terms._reward_term import FinishedThought, reward_term


@reward_term(unit="tokens")
def thought_tokens(thought: FinishedThought) -> float:
    """Tokens of the thought, a drawn closing delimiter counted."""
    return len(thought.tokens)

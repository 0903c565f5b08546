"""Whether a thought ends by itself."""

from __future__ import annotations

from rlp_core.objective.reward_terms._reward_term import FinishedThought, reward_term


@reward_term(unit="0 or 1")
def closed(thought: FinishedThought) -> float:
    """1 for a thought that closed itself before the limit, 0 for one closed by force."""
    return 1.0 if thought.closed else 0.0

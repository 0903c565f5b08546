"""Whether a thought has the form of one."""

from __future__ import annotations

from rlp_core.objective.reward_terms._reward_term import FinishedThought, reward_term


@reward_term(unit="0 or 1")
def well_formed(thought: FinishedThought) -> float:
    """1 for a thought that closed itself, says something, and holds no control token; else 0."""
    return float(thought.closed and bool(thought.text.strip()) and not thought.controls)

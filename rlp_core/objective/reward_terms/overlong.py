"""What a thought pays for coming near the limit: DAPO's soft punishment of length."""

from __future__ import annotations

from rlp_core.objective.reward_terms._reward_term import FinishedThought, reward_term

_CACHE = 0.2
"""L_cache as a share of L_max: the paper's 4096 of 20480 tokens."""


@reward_term(unit="-1 to 0")
def overlong(thought: FinishedThought) -> float:
    """0 up to four fifths of the limit, then falling evenly to -1 at it (arXiv 2503.14476, eq. 13).

    L_max is `limit`, the most that may be drawn, so a thought that was closed by force has -1. With
    a weight above 0 it is a cost.
    """
    longest, length = thought.limit, len(thought.tokens)
    cache = _CACHE * longest
    return -min(1.0, max(0.0, length - (longest - cache)) / cache)

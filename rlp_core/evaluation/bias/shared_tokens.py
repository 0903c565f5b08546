"""Which tokens two sentences share: what is left of a pair without the words of the groups.

The likelihood of a whole sentence holds how common the group's own word is, which is no stereotype.
Compared over the shared tokens alone, each given all that stands before it, that word is read and
not scored (Nangia et al. 2020, here for a model that reads from left to right).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def shared_places(first: Sequence[int], second: Sequence[int]) -> tuple[list[int], list[int]]:
    """Indices of the tokens that two rows share, in order: as many of the one as of the other.

    The order of the two changes nothing but the order of what is returned.
    """
    one, other = sorted((tuple(first), tuple(second)))
    found = difflib.SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    mine = [start + i for start, _, size in found for i in range(size)]
    theirs = [start + i for _, start, size in found for i in range(size)]
    return (mine, theirs) if tuple(first) == one else (theirs, mine)

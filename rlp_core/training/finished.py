"""What reward terms are given: the thoughts of a group as texts, with all that is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rlp_core.objective.reward_terms import FinishedThought
from rlp_core.training.groups import RolloutGroup

if TYPE_CHECKING:
    from rlp_core.data.tokenizer import Codec


def finished_thoughts(group: RolloutGroup, codec: Codec, limit: int) -> Iterator[FinishedThought]:
    """The thoughts of a group, in order.

    Args:
        group: drawn and scored.
        codec: turns tokens into text.
        limit: tokens of a thought at most.
    """
    position = group.position
    following = codec.decode(position.following)
    for tokens, closed, predicted in zip(group.tokens, group.stopped, group.predicted, strict=True):
        inner = tokens[:-1] if closed else tokens
        yield FinishedThought(
            tokens=tokens,
            text=codec.decode(inner),
            closed=closed,
            following=following,
            predicted=predicted,
            baseline=group.baseline,
            record=position.document.record,
            position=position.index,
            limit=limit,
            controls=sum(token in codec.control for token in inner),
        )

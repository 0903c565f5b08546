"""What reward terms are given: the thoughts of a group as texts, with all that is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rlp_core.objective.reward_terms import FinishedThought
from rlp_core.training.groups import RolloutGroup

if TYPE_CHECKING:
    from rlp_core.data.tokenizer import Codec


def finished_thoughts(group: RolloutGroup, codec: Codec) -> Iterator[FinishedThought]:
    """The thoughts of a group, in order."""
    position = group.position
    following = codec.decode(position.following)
    for tokens, closed, predicted in zip(group.tokens, group.stopped, group.predicted, strict=True):
        yield FinishedThought(
            tokens=tokens,
            text=codec.decode(tokens[:-1] if closed else tokens),
            closed=closed,
            following=following,
            predicted=predicted,
            baseline=group.baseline,
            record=position.document.record,
            position=position.index,
        )

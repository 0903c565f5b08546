"""Which records a step reads, and what of them is to be learnt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rlp_core.data.records import Demonstration, Document
from rlp_core.data.tokenizer import Codec
from rlp_core.rollout.rng import generator


@dataclass(frozen=True)
class Example:
    """Tokens, and the places among them whose prediction is to be learnt (each at least 1)."""

    tokens: list[int]
    places: range


def batch_indices(count: int, batch: int, step: int, seed: int, stream: int) -> list[int]:
    """The records of one step: shuffled epochs, laid end to end.

    A pure function of its arguments, so a step reads the same records however the run got there.

    Args:
        count: records there are.
        batch: records per step.
        step: counted from 0.
        seed: the run's seed.
        stream: keeps stages apart that share a seed.
    """
    chosen: list[int] = []
    orders: dict[int, list[int]] = {}
    for place in range(step * batch, (step + 1) * batch):
        epoch, offset = divmod(place, count)
        if epoch not in orders:
            orders[epoch] = generator(seed, stream, epoch).permutation(count).tolist()
        chosen.append(orders[epoch][offset])
    return chosen


def document_example(codec: Codec, document: Document, max_tokens: int) -> Example | None:
    """Learn every token of a text but its prefix; None where there is none."""
    tokens, _ = codec.document(document.text, [], max_tokens, ends=document.ends)
    learnt = range(codec.first, len(tokens))
    return Example(tokens, learnt) if learnt else None


def demonstration_example(codec: Codec, demo: Demonstration, max_tokens: int) -> Example | None:
    """Learn thought and continuation, not the context; None where the cut leaves nothing."""
    context = [*codec.context(demo.context), codec.open_id]
    tokens = [
        *context,
        *codec.encode(demo.thought),
        codec.close_id,
        *codec.encode(demo.continuation),
        codec.end_id,
    ][:max_tokens]
    return Example(tokens, range(len(context), len(tokens))) if len(tokens) > len(context) else None


def examples(found: Iterable[Example | None]) -> list[Example]:
    """What can be learnt from."""
    return [example for example in found if example is not None]

"""Which records a step reads, and what of them is to be learnt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rlp_core.data.records import Demonstration, Document
from rlp_core.data.tokenizer import Codec
from rlp_core.rollout.rng import generator
from rlp_core.training.truncation import Truncation


@dataclass(frozen=True)
class Example:
    """Tokens, and the places among them whose prediction is to be learnt (each at least 1).

    Attributes:
        tokens: what is read.
        places: what is learnt; none: the example is dropped.
        whole: tokens that the record has, uncut.
    """

    tokens: list[int]
    places: range
    whole: int


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


def document_example(codec: Codec, document: Document, max_tokens: int) -> Example:
    """Learn every token of a text but its prefix; what is beyond `max_tokens` is cut."""
    tokens, _ = codec.document(document.text, [], ends=document.ends)
    kept = tokens[:max_tokens]
    return Example(kept, range(codec.first, len(kept)), len(tokens))


def demonstration_example(codec: Codec, demo: Demonstration, max_tokens: int) -> Example:
    """Learn thought, continuation and the end of text after it, not the context.

    A model that is never shown an end does not stop: the end is taught whatever the continuation's
    last character is, and `Codec.answer` stops at it. A demonstration that is longer than
    `max_tokens` is dropped whole: half of one would teach thoughts that never close, or lead to
    nothing.
    """
    context = [*codec.context(demo.context), *codec.opening]
    tokens = [
        *context,
        *codec.encode(demo.thought),
        codec.close_id,
        *codec.encode(demo.continuation),
        codec.end_id,
    ]
    if len(tokens) > max_tokens:
        return dropped(len(tokens))
    return Example(tokens, range(len(context), len(tokens)), len(tokens))


def dropped(whole: int) -> Example:
    """An example of a record of `whole` tokens that nothing is learnt from."""
    return Example([], range(0), whole)


def learnable(found: Iterable[Example]) -> list[Example]:
    """What can be learnt from."""
    return [example for example in found if example.places]


def truncation(found: Iterable[Example]) -> Truncation:
    """What the limit on tokens cost."""
    return Truncation.of((e.whole, len(e.tokens) if e.places else 0) for e in found)

"""What thoughts are worth under one prompt, text by text: the same for every prompt but the words.

Texts, places and random numbers are counted in tokens of the text alone, so a prompt in front of it
moves none of them: differences between prompts are paired. Beside each thought stand the controls
of `controls.py`: an empty one, the thought of the same number in another text, random tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from rlp_core.data.records import Document
from rlp_core.data.tokenizer import Codec
from rlp_core.evaluation.controls import UNFINISHED, bare, ordinary, partners
from rlp_core.evaluation.evaluator import HELDOUT, RANDOM, Tokens
from rlp_core.evaluation.item_files import TRIED, Row
from rlp_core.rollout.engine import generate
from rlp_core.rollout.rng import number_of, uniform
from rlp_core.rollout.sampling import Completions, Prompt, SamplingParams
from rlp_core.rollout.scoring import Continuation, score_continuations
from rlp_core.training.groups import ThinkPosition, trunks_of
from rlp_core.training.positions import TokenizedDocument, select_positions

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class ThoughtTrials:
    """What is tried under every prompt.

    Attributes:
        text_tokens: tokens that are read of a text at most.
        positions: K, places to think per text.
        samples: G, thoughts per place.
        thought_tokens: L, tokens of a thought at most, the closing delimiter counted.
        temperature: of the thoughts; above 0.
        horizon: H, tokens behind a place that are scored.
        seed: of places, thoughts and random tokens.
        micro_batch: continuations through the network at once where they are scored.
        decode_batch_size: thoughts in flight at once.
    """

    text_tokens: int = 128
    positions: int = 2
    samples: int = 4
    thought_tokens: int = 64
    temperature: float = 0.7
    horizon: int = 1
    seed: int = 1
    micro_batch: int = 32
    decode_batch_size: int = 64


@dataclass(frozen=True)
class RankedText:
    """A text, and the places to think in it: indices of its tokens, the first of which is 0."""

    document: Document
    positions: tuple[int, ...]


def placed(codec: Codec, documents: Sequence[Document], trials: ThoughtTrials) -> list[RankedText]:
    """The texts that have a place to think, and their places, drawn uniformly.

    Args:
        codec: of the model without a prompt.
        documents: texts; one that is of a single token has no place.
        trials: how many places.
    """
    found = []
    for document in documents:
        text = _tokenized(codec, document, trials)
        chosen = select_positions(text, trials.positions, "uniform", trials.seed, 0)
        if chosen:
            shift = len(codec.prefix)
            found.append(RankedText(document, tuple(place - shift for place in chosen)))
    return found


def prompt_rows(
    model: PreTrainedModel, codec: Codec, texts: Sequence[RankedText], trials: ThoughtTrials
) -> list[Row]:
    """One row per text, as in `controls.jsonl`, with the lengths of the thoughts besides.

    Log-probabilities are sums over the scored tokens of a place, in nats; `direct` is that after
    the text and what the prompt puts before it, without a thought.

    Args:
        model: prepared (`engine.prepare`).
        codec: of the model with the prompt.
        texts: as `placed` found them; of two documents' keys at least.
        trials: what is tried.
    """
    spots = _spots(codec, texts, trials)
    drawn = _thoughts(model, codec, spots, trials)
    scored = _scored(model, codec, spots, _bodies(codec, texts, spots, drawn, trials), trials)
    rows, at, many = [], 0, trials.samples
    for text in texts:
        mine = range(at, at + len(text.positions))
        at = mine.stop
        thoughts = range(mine.start * many, mine.stop * many)
        after = {name: [scored[s][name] for s in mine] for name in TRIED if name != "thinking"}
        after["empty"] = [values * many for values in after["empty"]]
        predicted = [sum(drawn.predicted[k]) for k in thoughts]
        rows.append(
            {
                "id": text.document.id,
                "key": text.document.key,
                "positions": list(text.positions),
                "tokens": [len(spots[s].targets) for s in mine],
                "bytes": [_bytes(codec, spots[s]) for s in mine],
                "direct": [scored[s]["direct"][0] for s in mine],
                "thinking": [predicted[k : k + many] for k in range(0, len(predicted), many)],
                **after,
                "lengths": [len(bare(codec, drawn.tokens[k])) for k in thoughts],
                "closed": [int(drawn.stopped[k]) for k in thoughts],
            }
        )
    return rows


def _tokenized(codec: Codec, document: Document, trials: ThoughtTrials) -> TokenizedDocument:
    limit = len(codec.prefix) + trials.text_tokens
    tokens, _ = codec.document(document.text, [], limit, ends=document.ends)
    return TokenizedDocument(
        number_of(document.id), tokens, list(range(codec.first, len(tokens))), document
    )


def _spots(codec: Codec, texts: Sequence[RankedText], trials: ThoughtTrials) -> list[ThinkPosition]:
    """All places, text by text, in tokens of prompt and text."""
    shift, found = len(codec.prefix), []
    for text in texts:
        tokenized = _tokenized(codec, text.document, trials)
        for place in text.positions:
            begin = place + shift
            end = min(begin + trials.horizon, len(tokenized.tokens))
            found.append(ThinkPosition(tokenized, begin, range(begin, end)))
    return found


def _thoughts(
    model: PreTrainedModel, codec: Codec, spots: Sequence[ThinkPosition], trials: ThoughtTrials
) -> Completions:
    lead, many, shift = codec.opening[:-1], trials.samples, len(codec.prefix)
    trunks, index = trunks_of(spots, lead)
    asked = [
        Prompt(i, spot.index + len(lead), codec.open_id, tuple(spot.following))
        for i, spot in zip(index, spots, strict=True)
    ]
    item = np.repeat(np.array([s.document.number for s in spots], dtype=np.int64), many)
    place = np.repeat(np.array([s.index - shift for s in spots], dtype=np.int64), many)
    rollout = np.tile(np.arange(many), len(spots))
    return generate(
        model,
        trunks,
        asked,
        SamplingParams(many, codec.close_id, trials.thought_tokens, trials.temperature),
        lambda t, rows: uniform(trials.seed, HELDOUT, item[rows], place[rows], rollout[rows], t),
        trials.decode_batch_size,
    )


def _bodies(
    codec: Codec,
    texts: Sequence[RankedText],
    spots: Sequence[ThinkPosition],
    drawn: Completions,
    trials: ThoughtTrials,
) -> list[dict[str, list[Tokens]]]:
    """Per place the control thoughts, without delimiters."""
    many, allowed, shift = trials.samples, ordinary(codec), len(codec.prefix)
    thoughts = [bare(codec, tokens) for tokens in drawn.tokens]
    keys = [text.document.key for text in texts for _ in text.positions]
    found: list[dict[str, list[Tokens]]] = []
    for s, partner in enumerate(partners(keys)):
        random = []
        for k in range(many):
            where = (trials.seed, RANDOM, spots[s].document.number, spots[s].index - shift, k)
            drawn_from = uniform(*where, np.arange(len(thoughts[s * many + k])))
            chosen = allowed[(drawn_from * len(allowed)).astype(np.int64)]
            random.append([int(token) for token in chosen])
        other = thoughts[partner * many : (partner + 1) * many]
        found.append({"empty": [[]], "other": other, "random": random})
    return found


def _scored(
    model: PreTrainedModel,
    codec: Codec,
    spots: Sequence[ThinkPosition],
    bodies: Sequence[Mapping[str, Sequence[Tokens]]],
    trials: ThoughtTrials,
) -> list[dict[str, list[float]]]:
    """Per place the log-probability of its targets without a thought, and after each control."""
    trunks, index = trunks_of(spots)
    asked = []
    for trunk, spot, of in zip(index, spots, bodies, strict=True):
        targets = spot.following
        heads: list[Tokens] = [[]]
        heads += [[*codec.opening, *b, codec.close_id] for kind in of.values() for b in kind]
        asked += [Continuation(trunk, spot.index, [*h, *targets], len(targets)) for h in heads]
    values = iter(score_continuations(model, trunks, asked, trials.micro_batch))
    return [
        {"direct": list(islice(values, 1))}
        | {name: list(islice(values, len(kind))) for name, kind in of.items()}
        for of in bodies
    ]


def _bytes(codec: Codec, spot: ThinkPosition) -> int:
    """Bytes of the text that the targets stand for; a character counts where it is complete."""
    tokens = spot.document.tokens
    return _complete(codec, tokens[: spot.targets.stop]) - _complete(codec, tokens[: spot.index])


def _complete(codec: Codec, tokens: Sequence[Any]) -> int:
    inner = [token for token in tokens[len(codec.prefix) :] if token != codec.end_id]
    return len(codec.decode(inner).rstrip(UNFINISHED).encode())

"""Measures one model item by item: answers, held-out text and bias sets, thinking and not.

Every random number is counted by (seed, what for, item, rollout, token), so all arms meet the same
numbers and their differences are paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from rlp_core.data.records import Document, Problem
from rlp_core.data.tokenizer import Codec
from rlp_core.evaluation.bias import ChoiceItem
from rlp_core.evaluation.bias.shared_tokens import shared_places
from rlp_core.evaluation.chat import chat_frame
from rlp_core.evaluation.config import Evaluate
from rlp_core.evaluation.losses import Loss
from rlp_core.rollout.engine import complete, generate
from rlp_core.rollout.rng import number_of, uniform
from rlp_core.rollout.sampling import Completions, Prompt, SamplingParams
from rlp_core.rollout.scoring import Continuation, score, score_continuations
from rlp_core.training.groups import ThinkPosition, trunks_of
from rlp_core.training.positions import TokenizedDocument, select_positions, tokenize_document
from rlp_core.workspace import WEIGHED_RULES

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Tokens = list[int]

THOUGHTS, ANSWERS, DIRECT, HELDOUT, BIAS, WORK, EXAMPLES, RANDOM = range(10, 18)
"""What a random number is for."""


@dataclass(frozen=True)
class Places:
    """Where thoughts were drawn in held-out text.

    Attributes:
        texts: every document, tokenized.
        kept: indices of those that are measured.
        positions: of each of these where thoughts were drawn.
        spots: (document, position) of all of them, in order.
        drawn: `evaluate.samples` thoughts for each spot.
    """

    texts: list[TokenizedDocument]
    kept: list[int]
    positions: list[list[int]]
    spots: list[tuple[int, int]]
    drawn: Completions


@dataclass(frozen=True)
class Evaluator:
    """A model, and how it is to be measured.

    Attributes:
        model: on its device.
        codec: its tokenizer.
        settings: section `evaluate`.
        thought_tokens: tokens of a thought at most.
        seed: the seed of the run.
        micro_batch: rows through the network at once where they are scored.
        decode_batch_size: thoughts and answers in flight at once.
    """

    model: PreTrainedModel
    codec: Codec
    settings: Evaluate
    thought_tokens: int
    seed: int
    micro_batch: int
    decode_batch_size: int = 512

    @cached_property
    def chat(self) -> tuple[Tokens, Tokens]:
        """What stands before and behind a user's message."""
        return chat_frame(self.codec)

    def losses(
        self,
        problems: Sequence[Problem],
        documents: Sequence[Document],
        items: Sequence[ChoiceItem],
    ) -> list[Loss]:
        """What the limits on tokens take from these records; nothing runs through the model."""
        settings = self.settings
        texts = [self._text(document) for document in documents]
        whole = [len(self.codec.document(d.text, [], ends=d.ends)[0]) for d in documents]
        around = sum(map(len, self.chat)) if settings.chat_template else len(self.codec.prefix)
        asked = [around + len(self.codec.encode(problem.prompt)) for problem in problems]
        answers = [
            len(self.codec.encode(p.answer))
            for p in problems
            if p.rule not in WEIGHED_RULES and p.harness is None
        ]
        weighed = [self._bias_context(item.context) for item in items]
        fix = f"raise evaluate.max_tokens = {settings.max_tokens}, or give shorter texts"
        return [
            Loss(
                "dropped_heldout_documents",
                sum(not _measurable(text) for text in texts),
                len(texts),
                "held-out documents are dropped: no place to think lies within evaluate.max_tokens",
                fix,
            ),
            Loss(
                "cut_heldout_documents",
                sum(n > len(text.tokens) for n, text in zip(whole, texts, strict=True)),
                len(texts),
                "held-out documents are cut: their end is not measured",
                fix,
                bounded=False,
            ),
            Loss(
                "cut_problem_prompts",
                sum(length > settings.max_tokens for length in asked),
                len(asked),
                "prompts of problems are cut: the model does not read their beginning",
                fix,
            ),
            Loss(
                "unanswerable_problems",
                sum(n > settings.answer_tokens for n in answers),
                len(answers),
                "problems have an answer longer than evaluate.answer_tokens: written so, no model "
                "can give it",
                f"raise evaluate.answer_tokens = {settings.answer_tokens}, or leave them out",
            ),
            Loss(
                "cut_bias_contexts",
                sum(len(context) > settings.max_tokens for context in weighed),
                len(weighed),
                "bias items are cut: the model does not read their beginning",
                fix,
            ),
            *(
                Loss(
                    f"dropped_bias_items/{name}",
                    sum(self._too_long(item) for item in items if item.suite == name),
                    sum(item.suite == name for item in items),
                    f"items of bias set {name} are dropped: a choice is longer than "
                    "evaluate.max_tokens",
                    fix,
                )
                for name in self.settings.bias.bounded()
            ),
        ]

    def measurable(self, documents: Sequence[Document]) -> list[Document]:
        """The documents that leave something to measure; nothing runs through the model."""
        return [document for document in documents if _measurable(self._text(document))]

    def places(self, documents: Sequence[Document]) -> Places:
        """Where thoughts are tried in held-out documents, and those that were drawn there.

        A document that leaves nothing to measure has none; `losses` counts them.
        """
        texts = [self._text(document) for document in documents]
        kept = [i for i, text in enumerate(texts) if _measurable(text)]
        count = self.settings.heldout_positions
        positions = [select_positions(texts[i], count, "uniform", self.seed, 0) for i in kept]
        spots = [(i, p) for i, chosen in zip(kept, positions, strict=True) for p in chosen]
        horizon = self.settings.horizon if self.settings.controls else 1
        drawn = self.think_at(texts, spots, self.settings.samples, horizon)
        return Places(texts, kept, positions, spots, drawn)

    def heldout(
        self, documents: Sequence[Document], places: Places | None = None
    ) -> list[dict[str, Any]]:
        """Rows of `heldout.jsonl`: log-probabilities of real text, with thoughts and without.

        Args:
            documents: to be measured; one that leaves nothing to measure has no row.
            places: what `places` found in them, where it is at hand.
        """
        found = places or self.places(documents)
        texts, kept = found.texts, found.kept
        whole = [range(self.codec.first, len(texts[i].tokens)) for i in kept]
        logprobs = score(self.model, [texts[i].tokens for i in kept], whole, self.micro_batch)
        rows = []
        for i, chosen, values in zip(kept, found.positions, logprobs, strict=True):
            rows.append(
                {
                    "id": documents[i].id,
                    "key": documents[i].key,
                    "tokens": len(values),
                    "bytes": len(self.plain(texts[i].tokens).encode()),
                    "nll": -float(np.sum(values)),
                    "positions": chosen,
                    "direct": [values[p - self.codec.first] for p in chosen],
                }
            )
        many = self.settings.samples
        each = (values[0] for values in found.drawn.predicted)
        for row, chosen in zip(rows, found.positions, strict=True):
            row["thinking"] = [list(islice(each, many)) for _ in chosen]
        return rows

    def weighable(self, items: Sequence[ChoiceItem]) -> list[ChoiceItem]:
        """The items whose choices are within the limit on tokens, where their set bounds them."""
        return [item for item in items if not self._too_long(item)]

    def bias_direct(self, items: Sequence[ChoiceItem]) -> list[dict[str, Any]]:
        """Rows of `bias.jsonl` without what was thought: each choice's log-probability."""
        return self._bias_rows(items, *self._tokenized(items))

    def _bias_rows(
        self,
        items: Sequence[ChoiceItem],
        contexts: list[Tokens],
        options: list[list[tuple[int, Tokens]]],
        places: list[list[list[int]]],
    ) -> list[dict[str, Any]]:
        direct = self.weigh_options(contexts, options, kept=places)
        return [
            {
                "id": item.id,
                "suite": item.suite,
                "category": item.category,
                "cluster": item.cluster,
                "logprob_direct": values,
                "logprob_thinking": [],
                "tokens": [len(kept) for kept in of],
                "meta": item.meta,
            }
            for item, values, of in zip(items, direct, places, strict=True)
        ]

    def bias(self, items: Sequence[ChoiceItem]) -> list[dict[str, Any]]:
        """Rows of `bias.jsonl`: each choice's log-probability, with thoughts and without."""
        contexts, options, places = self._tokenized(items)
        rows = self._bias_rows(items, contexts, options, places)
        many = self.settings.bias.thoughts
        drawn = self.think(
            contexts,
            [number_of(item.id) for item in items],
            many,
            self.settings.temperature,
            BIAS,
        )
        thinking = self.weigh_options(contexts, options, drawn, many, places)
        for row, values in zip(rows, thinking, strict=True):
            row["logprob_thinking"] = values
        return rows

    def _text(self, document: Document) -> TokenizedDocument:
        selection = "answer" if document.spans else "uniform"
        return tokenize_document(self.codec, document, self.settings.max_tokens, selection)

    def plain(self, tokens: Tokens) -> str:
        """The text that predicted tokens stand for, without start and end of text."""
        inner = tokens[self.codec.first :]
        return self.codec.decode(t for t in inner if t != self.codec.end_id)

    def asked(self, text: str) -> Tokens:
        """What is read of a problem: its text, or the user's message that it is."""
        if not self.settings.chat_template:
            return self.cut(self.codec.context(text))
        before, after = self.chat
        room = self.settings.max_tokens - len(before) - len(after)
        inner = self.codec.encode(text)
        return [*before, *inner[-max(room, 1) :], *after]

    def cut(self, tokens: Tokens) -> Tokens:
        """Keep what every text begins with, and the end, of a context that is too long.

        The model was trained on texts that all begin so.
        """
        kept = self.settings.max_tokens - len(self.codec.prefix)
        if len(tokens) <= self.settings.max_tokens or kept < 1:
            return tokens[-self.settings.max_tokens :]
        return [*self.codec.prefix, *tokens[-kept:]]

    def _tokenized(
        self, items: Sequence[ChoiceItem]
    ) -> tuple[list[Tokens], list[list[tuple[int, Tokens]]], list[list[list[int]]]]:
        """Contexts, options as `weigh_options` takes them, and of each the tokens that count."""
        contexts = [self.cut(self._bias_context(item.context)) for item in items]
        choices = [[self.codec.encode(choice) for choice in item.choices] for item in items]
        options = [[(i, choice) for choice in mine] for i, mine in enumerate(choices)]
        places = [compared(item, of) for item, of in zip(items, choices, strict=True)]
        return contexts, options, places

    def _too_long(self, item: ChoiceItem) -> bool:
        lengths = (len(self.codec.encode(choice)) for choice in item.choices)
        return "form" in item.meta and max(lengths) > self.settings.max_tokens

    def _bias_context(self, text: str) -> Tokens:
        """Something must stand before the first choice, where a set has no context."""
        return self.codec.context(text) or [self.codec.end_id]

    def think(
        self,
        contexts: Sequence[Tokens],
        numbers: Sequence[int],
        copies: int,
        temperature: float,
        purpose: int,
    ) -> Completions:
        """So many thoughts after each context."""
        item = np.repeat(np.array(numbers, dtype=np.int64), copies)
        rollout = np.tile(np.arange(copies), len(contexts))
        return complete(
            self.model,
            [[*context, *self.codec.opening] for context in contexts],
            SamplingParams(copies, self.codec.close_id, self.thought_tokens, temperature),
            lambda t, rows: uniform(self.seed, purpose, item[rows], 0, rollout[rows], t),
            self.decode_batch_size,
        )

    def answer(
        self,
        contexts: Sequence[Tokens],
        numbers: Sequence[int],
        copies: int,
        temperature: float,
        purpose: int = ANSWERS,
    ) -> list[str]:
        """One answer per row; contexts come once per problem, or once per problem and thought."""
        drawn = self.draw(
            contexts, numbers, copies, temperature, purpose, self.settings.answer_tokens
        )
        return [self.codec.answer(tokens) for tokens in drawn.tokens]

    def draw(
        self,
        contexts: Sequence[Tokens],
        numbers: Sequence[int],
        copies: int,
        temperature: float,
        purpose: int,
        tokens: int,
    ) -> Completions:
        """As `answer`, of up to so many tokens, before anything is read out of them."""
        per_context = len(numbers) * copies // len(contexts)
        item = np.repeat(np.array(numbers, dtype=np.int64), copies)
        rollout = np.tile(np.arange(copies), len(numbers))
        return complete(
            self.model,
            contexts,
            SamplingParams(per_context, self.codec.end_id, tokens, temperature),
            lambda t, rows: uniform(self.seed, purpose, item[rows], rollout[rows], t),
            self.decode_batch_size,
        )

    def think_at(
        self,
        texts: Sequence[TokenizedDocument],
        spots: Sequence[tuple[int, int]],
        many: int,
        horizon: int,
    ) -> Completions:
        """So many thoughts at places of texts, each text read once, and scores of what follows.

        The first thoughts of a place are the same however many are drawn.
        """
        lead = self.codec.opening[:-1]
        places = [
            ThinkPosition(texts[i], p, range(p, min(p + horizon, len(texts[i].tokens))))
            for i, p in spots
        ]
        trunks, index = trunks_of(places, lead)
        prompts = [
            Prompt(i, place.index + len(lead), self.codec.open_id, tuple(place.following))
            for i, place in zip(index, places, strict=True)
        ]
        item = np.repeat(np.array([p.document.number for p in places], dtype=np.int64), many)
        position = np.repeat(np.array([p.index for p in places], dtype=np.int64), many)
        rollout = np.tile(np.arange(many), len(places))
        return generate(
            self.model,
            trunks,
            prompts,
            SamplingParams(
                many, self.codec.close_id, self.thought_tokens, self.settings.temperature
            ),
            lambda t, rows: uniform(
                self.seed, HELDOUT, item[rows], position[rows], rollout[rows], t
            ),
            self.decode_batch_size,
        )

    def weigh(
        self,
        contexts: Sequence[Tokens],
        choices: Sequence[Sequence[Tokens]],
    ) -> list[list[float]]:
        """Total log-probability of every choice after its context."""
        return self.weigh_options(
            contexts, [[(i, choice) for choice in mine] for i, mine in enumerate(choices)]
        )

    def weigh_options(
        self,
        contexts: Sequence[Tokens],
        options: Sequence[Sequence[tuple[int, Tokens]]],
        drawn: Completions | None = None,
        copies: int = 1,
        kept: Sequence[Sequence[Sequence[int]]] | None = None,
    ) -> list[list[float]]:
        """Log-probability of every option of every item, in nats; the contexts are read once.

        Args:
            contexts: what is read.
            options: per item and option the index of its context, and the tokens that count.
            drawn: `copies` thoughts of each context, in order: the probability of an option is the
                mean of those after each; None: nothing is thought.
            copies: thoughts per context.
            kept: per item and option the indices of the tokens that count; None: all.
        """
        closed = None if drawn is None else thoughts_of(self.codec, drawn)
        asked = [
            Continuation(
                place,
                len(contexts[place]),
                [*thought, *tokens],
                len(tokens),
                None if kept is None else kept[i][j],
            )
            for i, mine in enumerate(options)
            for j, (place, tokens) in enumerate(mine)
            for thought in ([[]] if closed is None else closed[place * copies :][:copies])
        ]
        totals = score_continuations(self.model, contexts, asked, self.micro_batch)
        mixed = np.logaddexp.reduce(np.reshape(totals, (-1, copies)), axis=1) - np.log(copies)
        each = iter(mixed.tolist())
        return [[next(each) for _ in mine] for mine in options]


def compared(item: ChoiceItem, choices: Sequence[Tokens]) -> list[list[int]]:
    """Of each choice the indices of the tokens whose log-probability counts."""
    if item.meta.get("weighed") == "shared":
        return list(shared_places(choices[0], choices[1]))
    return [list(range(len(choice))) for choice in choices]


def _measurable(text: TokenizedDocument) -> bool:
    """Whether a text has something to predict, and a place to think."""
    return len(text.tokens) > 1 and bool(text.candidates)


def thoughts_of(codec: Codec, drawn: Completions) -> list[Tokens]:
    """Drawn thoughts in their delimiters, closed."""
    return [
        [*codec.opening, *tokens, *([] if stopped else [codec.close_id])]
        for tokens, stopped in zip(drawn.tokens, drawn.stopped, strict=True)
    ]


def reasoned(
    evaluator: Evaluator, contexts: Sequence[Tokens], drawn: Completions, copies: int
) -> list[Tokens]:
    """Contexts with their thoughts, closed: what an answer is drawn from."""
    closed = thoughts_of(evaluator.codec, drawn)
    return [[*contexts[i // copies], *thought] for i, thought in enumerate(closed)]

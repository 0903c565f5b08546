"""Measures one model item by item: answers, held-out text and bias sets, thinking and not.

Every random number is counted by (seed, what for, item, rollout, token), so all arms meet the same
numbers and their differences are paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rlp_core.data.records import Document, Problem
from rlp_core.data.tokenizer import Codec
from rlp_core.evaluation.answers import is_right
from rlp_core.evaluation.bias import ChoiceItem
from rlp_core.evaluation.config import Evaluate
from rlp_core.evaluation.losses import Loss
from rlp_core.rollout.engine import complete
from rlp_core.rollout.rng import number_of, uniform
from rlp_core.rollout.sampling import Completions, SamplingParams
from rlp_core.rollout.scoring import score
from rlp_core.training.positions import TokenizedDocument, select_positions, tokenize_document

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Tokens = list[int]

THOUGHTS, ANSWERS, DIRECT, HELDOUT, BIAS, WORK, EXAMPLES, RANDOM = range(10, 18)
"""What a random number is for."""

_WHOLE = 1 << 62
"""A limit on tokens that cuts nothing."""


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

    def losses(
        self,
        problems: Sequence[Problem],
        documents: Sequence[Document],
        items: Sequence[ChoiceItem],
    ) -> list[Loss]:
        """What the limits on tokens take from these records; nothing runs through the model."""
        settings = self.settings
        texts = [self._text(document) for document in documents]
        whole = [len(self.codec.document(d.text, [], _WHOLE)[0]) for d in documents]
        asked = [self.codec.context(problem.prompt) for problem in problems]
        answers = [len(self.codec.encode(problem.answer)) for problem in problems]
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
                sum(len(context) > settings.max_tokens for context in asked),
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
        ]

    def problems(self, problems: Sequence[Problem]) -> list[dict[str, Any]]:
        """Rows of `problems.jsonl`: sampled and greedy answers, with thoughts and without."""
        contexts = [self.cut(self.codec.context(problem.prompt)) for problem in problems]
        numbers = [number_of(problem.id) for problem in problems]
        many, warm = self.settings.samples, self.settings.temperature
        drawn = self.think(contexts, numbers, many, warm, THOUGHTS)
        thinking = self.answer(reasoned(self, contexts, drawn, many), numbers, many, warm)
        chosen = self.think(contexts, numbers, 1, 0.0, THOUGHTS)
        greedy = self.answer(reasoned(self, contexts, chosen, 1), numbers, 1, 0.0)
        direct = self.answer(contexts, numbers, many, warm, DIRECT)
        direct_greedy = self.answer(contexts, numbers, 1, 0.0, DIRECT)
        rows = []
        for i, problem in enumerate(problems):
            mine = slice(i * many, (i + 1) * many)
            rows.append(
                {
                    "id": problem.id,
                    "key": problem.key,
                    "benchmark": problem.benchmark,
                    "prompt": problem.prompt,
                    "answer": problem.answer,
                    "thinking": [marked(a, problem) for a in thinking[mine]],
                    "thinking_greedy": marked(greedy[i], problem),
                    "direct": [marked(a, problem) for a in direct[mine]],
                    "direct_greedy": marked(direct_greedy[i], problem),
                    "thought": self.codec.decode(chosen.tokens[i]),
                    "thinking_text": greedy[i],
                    "direct_text": direct_greedy[i],
                    "thought_tokens": float(np.mean([len(t) for t in drawn.tokens[mine]])),
                    "forced": float(np.mean([not s for s in drawn.stopped[mine]])),
                }
            )
        return rows

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
        drawn = self.think(
            [texts[i].tokens[:p] for i, p in spots],
            [texts[i].number for i, _ in spots],
            self.settings.samples,
            self.settings.temperature,
            HELDOUT,
            [p for _, p in spots],
        )
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
        each = self._after_thoughts(found)
        for row, chosen in zip(rows, found.positions, strict=True):
            row["thinking"] = [next(each) for _ in chosen]
        return rows

    def bias(self, items: Sequence[ChoiceItem]) -> list[dict[str, Any]]:
        """Rows of `bias.jsonl`: each choice's log-probability, with thoughts and without."""
        contexts = [self.cut(self._bias_context(item.context)) for item in items]
        choices = [[self.codec.encode(choice) for choice in item.choices] for item in items]
        direct = self.weigh(contexts, choices)
        many = self.settings.bias.thoughts
        drawn = self.think(
            contexts,
            [number_of(item.id) for item in items],
            many,
            self.settings.temperature,
            BIAS,
        )
        copies = [c for c in choices for _ in range(many)]
        thinking = self.weigh(reasoned(self, contexts, drawn, many), copies)
        rows = []
        for i, item in enumerate(items):
            mine = np.array(thinking[i * many : (i + 1) * many])
            rows.append(
                {
                    "id": item.id,
                    "suite": item.suite,
                    "category": item.category,
                    "cluster": item.cluster,
                    "logprob_direct": direct[i],
                    "logprob_thinking": (np.logaddexp.reduce(mine) - np.log(many)).tolist(),
                    "tokens": [len(c) for c in choices[i]],
                    "meta": item.meta,
                }
            )
        return rows

    def _text(self, document: Document) -> TokenizedDocument:
        selection = "answer" if document.spans else "uniform"
        return tokenize_document(self.codec, document, self.settings.max_tokens, selection)

    def plain(self, tokens: Tokens) -> str:
        """The text that predicted tokens stand for, without start and end of text."""
        inner = tokens[self.codec.first :]
        return self.codec.decode(t for t in inner if t != self.codec.end_id)

    def cut(self, tokens: Tokens) -> Tokens:
        """Keep what every text begins with, and the end, of a context that is too long.

        The model was trained on texts that all begin so.
        """
        kept = self.settings.max_tokens - len(self.codec.prefix)
        if len(tokens) <= self.settings.max_tokens or kept < 1:
            return tokens[-self.settings.max_tokens :]
        return [*self.codec.prefix, *tokens[-kept:]]

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
        positions: Sequence[int] | None = None,
    ) -> Completions:
        item = np.repeat(np.array(numbers, dtype=np.int64), copies)
        place = np.repeat(np.array(positions or [0] * len(contexts), dtype=np.int64), copies)
        rollout = np.tile(np.arange(copies), len(contexts))
        return complete(
            self.model,
            [[*context, *self.codec.opening] for context in contexts],
            SamplingParams(copies, self.codec.close_id, self.thought_tokens, temperature),
            lambda t, rows: uniform(self.seed, purpose, item[rows], place[rows], rollout[rows], t),
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

    def _after_thoughts(self, found: Places) -> Iterator[list[float]]:
        """Place by place the log-probability of the next token after each thought."""
        many = self.settings.samples
        contexts = [found.texts[i].tokens[:p] for i, p in found.spots]
        targets = [[[found.texts[i].tokens[p]]] for i, p in found.spots for _ in range(many)]
        flat = self.weigh(reasoned(self, contexts, found.drawn, many), targets)
        for start in range(0, len(flat), many):
            yield [values[0] for values in flat[start : start + many]]

    def weigh(
        self, contexts: Sequence[Tokens], choices: Sequence[Sequence[Tokens]]
    ) -> list[list[float]]:
        """Total log-probability of every choice after its context."""
        rows = [[*c, *choice] for c, many in zip(contexts, choices, strict=True) for choice in many]
        heads = [len(c) for c, many in zip(contexts, choices, strict=True) for _ in many]
        places = [range(head, len(row)) for head, row in zip(heads, rows, strict=True)]
        totals = iter(score(self.model, rows, places, self.micro_batch))
        return [[float(np.sum(next(totals))) for _ in many] for many in choices]


def marked(answer: str, problem: Problem) -> int:
    """1 where an answer is right by the rule of the problem's benchmark, else 0."""
    return int(is_right(answer, problem.answer, problem.rule, problem.choices))


def _measurable(text: TokenizedDocument) -> bool:
    """Whether a text has something to predict, and a place to think."""
    return len(text.tokens) > 1 and bool(text.candidates)


def reasoned(
    evaluator: Evaluator, contexts: Sequence[Tokens], drawn: Completions, copies: int
) -> list[Tokens]:
    """Contexts with their thoughts, closed: what an answer is drawn from."""
    codec = evaluator.codec
    return [
        [*contexts[i // copies], *codec.opening, *tokens, *([] if stopped else [codec.close_id])]
        for i, (tokens, stopped) in enumerate(zip(drawn.tokens, drawn.stopped, strict=True))
    ]

"""Thoughts with answers to problems, as groups that the update reads, and what each answer earns.

A completion is a thought, its close, and an answer up to its end. Where a thought reached its limit
the close was fed and not drawn: the answer is drawn behind it, and no loss is on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from rlp_core.data.records import Problem
from rlp_core.data.tokenizer import Codec
from rlp_core.rollout import engine
from rlp_core.rollout.rng import number_of, uniform
from rlp_core.rollout.sampling import Completions, Prompt, SamplingParams
from rlp_core.training.groups import RolloutGroup, RolloutWorker, ThinkPosition
from rlp_core.training.positions import TokenizedDocument

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Judge = Callable[[str, Problem], bool]
"""Whether an answer to a problem is right."""

ANSWER = 1
"""Keeps the numbers of a step's answers apart from those of its thoughts."""


@dataclass(frozen=True)
class AskedProblem:
    """A problem as tokens.

    Attributes:
        problem: the record.
        position: its end, where the thought begins; there is no text behind it.
    """

    problem: Problem
    position: ThinkPosition

    @staticmethod
    def of(problem: Problem, codec: Codec) -> AskedProblem:
        """Tokenize a problem."""
        tokens = codec.context(problem.prompt)
        text = TokenizedDocument(number_of(problem.id), tokens, [], whole=len(tokens))
        end = len(tokens)
        return AskedProblem(problem, ThinkPosition(text, end, range(end, end)))


@dataclass
class AnsweredGroup(RolloutGroup):
    """The G completions of one problem; `tokens` are whole completions, and so `logprobs`.

    Attributes:
        closes: of each, the index of the token that closes the thought.
        ended: whether the answer ended within its limit.
        answers: what was read as the answer; empty where it did not end.
        right: whether it was verified.
    """

    closes: list[int] = field(default_factory=list)
    ended: list[bool] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)

    @property
    def rewards(self) -> list[float]:
        """1 for each answer that was verified, else 0."""
        return [float(right) for right in self.right]

    @property
    def tells_apart(self) -> bool:
        """Whether some answers are right and some are wrong: else no advantage differs from 0."""
        return len(set(self.right)) > 1

    def learnt(self, index: int) -> list[int]:
        """All tokens of a completion but a close that was fed by force."""
        forced = None if self.stopped[index] else self.closes[index]
        return [i for i in range(len(self.tokens[index])) if i != forced]

    def part(self, chosen: Sequence[int]) -> AnsweredGroup:
        """Some of the completions, with all that is known of them."""

        def of(values: list[Any]) -> list[Any]:
            return [values[i] for i in chosen]

        some = super().part(chosen)
        assert isinstance(some, AnsweredGroup)
        return replace(
            some,
            closes=of(self.closes),
            ended=of(self.ended),
            answers=of(self.answers),
            right=of(self.right),
        )


@dataclass(frozen=True)
class Answering:
    """How completions are drawn and judged.

    Attributes:
        worker: draws thoughts, and knows the seed, the delimiters and the ledger.
        codec: reads answers.
        thought_tokens: of a thought at most, a drawn close counted.
        answer_tokens: of an answer at most, its end counted.
        judge: says what is right.
    """

    worker: RolloutWorker
    codec: Codec
    thought_tokens: int
    answer_tokens: int
    judge: Judge

    def draw(
        self,
        model: PreTrainedModel,
        asked: Sequence[AskedProblem],
        group_size: int,
        temperature: float,
        step: int,
    ) -> list[AnsweredGroup]:
        """Draw G thoughts with an answer each to every problem, and judge the answers.

        A completion depends on (seed, step, problem, rollout, token) and on the model alone.

        Args:
            model: attends through branches.
            asked: the problems.
            group_size: G.
            temperature: of thoughts and answers.
            step: counted from 0.
        """
        params = SamplingParams(group_size, self.codec.close_id, self.thought_tokens, temperature)
        thoughts = self.worker.sample(model, [one.position for one in asked], params, step)
        drawn = self._answers(model, thoughts, temperature, step)
        return [
            self._joined(one.problem, group, drawn, index * group_size)
            for index, (one, group) in enumerate(zip(asked, thoughts, strict=True))
        ]

    def _answers(
        self,
        model: PreTrainedModel,
        thoughts: Sequence[RolloutGroup],
        temperature: float,
        step: int,
    ) -> Completions:
        """One answer behind every thought; equal thoughts of a problem are read once."""
        rows = [(g, i) for g in range(len(thoughts)) for i in range(len(thoughts[g].tokens))]
        read = [self._before(thoughts[g], i) for g, i in rows]
        order = sorted(range(len(rows)), key=lambda row: (rows[row][0], read[row], row))
        trunks: list[list[int]] = []
        prompts = []
        for _, same in groupby(order, key=lambda row: (rows[row][0], read[row])):
            together = list(same)
            text = read[together[0]]
            trunks.append(text)
            prompts += [Prompt(len(trunks) - 1, len(text), self.codec.close_id)] * len(together)
        document = np.array([thoughts[rows[row][0]].position.document.number for row in order])
        rollout = np.array([rows[row][1] for row in order])
        found = engine.generate(
            model,
            trunks,
            prompts,
            SamplingParams(1, self.codec.end_id, self.answer_tokens, temperature),
            lambda token, asked: uniform(
                self.worker.seed, step, document[asked], 0, rollout[asked], ANSWER, token
            ),
            self.worker.decode_batch_size,
        )
        self.worker.ledger.rows("prefill", map(len, trunks), 0)
        for phase, (tokens, pairs, scored) in found.spent.items():
            self.worker.ledger.fed(phase, tokens, pairs, scored)
        back = sorted(range(len(order)), key=order.__getitem__)
        return Completions(
            [found.tokens[place] for place in back],
            [found.stopped[place] for place in back],
            [found.logprobs[place] for place in back],
        )

    def _before(self, group: RolloutGroup, index: int) -> list[int]:
        """What stands before the close of a thought: the problem, the opening, the thought."""
        tokens = group.tokens[index]
        own = tokens[:-1] if group.stopped[index] else tokens
        return [*group.position.context, *self.codec.opening, *own]

    def _joined(
        self, problem: Problem, group: RolloutGroup, drawn: Completions, first: int
    ) -> AnsweredGroup:
        """Thoughts and answers of a problem as completions."""
        made = AnsweredGroup(group.position, group.step, [], list(group.stopped), [], [])
        for index, thought in enumerate(group.tokens):
            row = first + index
            length = self.length(drawn.tokens[row])
            kept = drawn.tokens[row][: length or None]
            closing = [] if group.stopped[index] else [self.codec.close_id]
            made.closes.append(len(thought) + len(closing) - 1)
            made.tokens.append([*thought, *closing, *kept])
            made.logprobs.append(
                [
                    *group.logprobs[index],
                    *(0.0 for _ in closing),  # it was not drawn, and is not learnt
                    *drawn.logprobs[row][: len(kept)],
                ]
            )
            answer = self.codec.answer(kept) if length else ""
            made.ended.append(length > 0)
            made.answers.append(answer)
            made.right.append(bool(answer) and self.judge(answer, problem))
        return made

    def length(self, tokens: Sequence[int]) -> int:
        """Tokens of an answer up to the one that ends it; 0 where none does.

        What was drawn behind the end is no part of the answer: nobody reads it, and it is not
        learnt.
        """
        ends = any(token in self.codec.end_ids for token in tokens)
        if not (ends or "\n" in self.codec.decode(tokens)):
            return 0
        for count, token in enumerate(tokens, start=1):
            if token in self.codec.end_ids or "\n" in self.codec.decode(tokens[:count]):
                return count
        return 0

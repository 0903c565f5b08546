"""Rows of `robustness.jsonl`: what answers and reward owe to how a problem is written.

Every problem is asked clean and under each perturbation that applies to it, thinking and not, with
the same random numbers: what differs is the text alone.

The reward is that of training, on the right answer: log p(answer | prompt, thought) minus
log p(answer | prompt), after the very thoughts that answers followed. A written answer may begin
with a space or not; both are right, and their probabilities are added. Of choices that are weighed
it is the text of the right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from rlp_core.data.records import Problem
from rlp_core.evaluation.config import Evaluate
from rlp_core.evaluation.evaluator import Evaluator, Tokens, thoughts_of
from rlp_core.evaluation.item_files import CLEAN
from rlp_core.evaluation.perturbed import Asked
from rlp_core.evaluation.problem_rows import problem_rows
from rlp_core.evaluation.weighed import is_weighed
from rlp_core.rollout.rng import number_of
from rlp_core.rollout.sampling import Completions
from rlp_core.rollout.scoring import Continuation, score_continuations


def perturbed_rows(evaluator: Evaluator, asked: Asked) -> list[dict[str, Any]]:
    """One row per problem and way of asking it.

    Args:
        evaluator: the model, and how it is measured.
        asked: what `ask_perturbed` made.

    Returns:
        What `problem_rows` says of each, with `evaluate.robustness.samples` answers, and besides
        the perturbation and the log-probability of the right answer in nats, without a thought and
        after each; a clean one says which perturbations apply to it. A problem whose choices are
        read in contexts of their own is not among them: it was counted as one that none applies to.
    """
    applies: dict[str, dict[str, bool]] = {
        problem.id: {name: False for name in asked if name != CLEAN} for problem in asked[CLEAN]
    }
    for name, problems in asked.items():
        for problem in problems if name != CLEAN else ():
            applies[problem.id][name] = True
    made = []
    for name, problems in asked.items():
        keeping = _Keeping.of(evaluator)
        rows = problem_rows(keeping, problems)
        rewards = _rewards(keeping, problems)
        for row, reward in zip(rows, rewards, strict=True):
            own = {"applies": applies[row["id"]]} if name == CLEAN else {}
            made.append(row | own | {"perturbation": name} | reward)
    return made


@dataclass(frozen=True)
class _Keeping(Evaluator):
    """An evaluator with its own number of samples, which keeps the thoughts that it sampled.

    Attributes:
        thoughts: by the number of what was asked, in delimiters.
    """

    thoughts: dict[int, list[Tokens]] = field(default_factory=dict)

    @staticmethod
    def of(evaluator: Evaluator) -> _Keeping:
        """The same with `evaluate.robustness.samples`."""
        same = {one.name: getattr(evaluator, one.name) for one in fields(Evaluator)}
        settings: Evaluate = same.pop("settings")
        many = {"samples": settings.robustness.samples}
        return _Keeping(settings=settings.model_copy(update=many), **same)

    def think(
        self,
        contexts: Sequence[Tokens],
        numbers: Sequence[int],
        copies: int,
        temperature: float,
        purpose: int,
    ) -> Completions:
        """As `Evaluator.think`; sampled thoughts are kept, greedy ones are not."""
        drawn = super().think(contexts, numbers, copies, temperature, purpose)
        if temperature > 0:
            each = thoughts_of(self.codec, drawn)
            for i, number in enumerate(numbers):
                self.thoughts[number] = each[i * copies : (i + 1) * copies]
        return drawn


def _rewards(evaluator: _Keeping, problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Log-probabilities of right answers, without a thought and after each that was kept."""
    targets = [_target(evaluator, problem) for problem in problems]
    contexts = [evaluator.asked(target.text) for target in targets]
    asked = [
        Continuation(i, len(contexts[i]), [*thought, *form], len(form))
        for i, target in enumerate(targets)
        for thought in ([], *evaluator.thoughts[target.number])
        for form in target.forms
    ]
    each = iter(score_continuations(evaluator.model, contexts, asked, evaluator.micro_batch))
    rows = []
    for target in targets:
        bare, *after = (
            float(np.logaddexp.reduce([next(each) for _ in target.forms]))
            for _ in range(1 + len(evaluator.thoughts[target.number]))
        )
        rows.append({"answer_logprob_direct": bare, "answer_logprob_thinking": after})
    return rows


@dataclass(frozen=True)
class _Target:
    """What is read before a right answer, and the forms in which it may follow.

    Attributes:
        text: what is asked.
        number: that its thoughts are kept by.
        forms: tokens of each, all different.
    """

    text: str
    number: int
    forms: tuple[tuple[int, ...], ...]


def _target(evaluator: Evaluator, problem: Problem) -> _Target:
    codec, text, name = evaluator.codec, problem.prompt, problem.id
    forms = [codec.encode(f"{space}{problem.answer}") for space in ("", " ")]
    forms = [form[: evaluator.settings.answer_tokens] for form in forms]
    if is_weighed(problem):  # read as `weighed_rows` reads it
        pairs = problem.weighed()
        text, right = pairs[problem.choices.index(problem.answer)]
        texts = list(dict.fromkeys(context for context, _ in pairs))
        name = name if len(texts) == 1 else f"{name}/{texts.index(text)}"
        forms = [codec.encode(right.lstrip(" ") if evaluator.settings.chat_template else right)]
    return _Target(text, number_of(name), tuple(dict.fromkeys(map(tuple, forms))))

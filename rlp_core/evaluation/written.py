"""Answers that are written: sampled and greedy, thinking and not, each marked right or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np

from rlp_core.data.records import Problem
from rlp_core.evaluation import harness_marks, verified
from rlp_core.evaluation.answers import majority
from rlp_core.evaluation.evaluator import ANSWERS, DIRECT, THOUGHTS, Evaluator, Tokens, reasoned
from rlp_core.rollout.rng import number_of


def marked(answer: str, problem: Problem) -> int:
    """1 where an answer is right by the rule of the problem's benchmark, else 0."""
    if problem.harness is not None:
        return int(harness_marks.is_right(answer, problem.harness))
    return int(verified.is_judged_right(answer, problem))


def written_rows(evaluator: Evaluator, problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """What `problems.jsonl` holds of problems whose answers are written, in their order."""
    by_limit: dict[int, list[int]] = {}
    for i, problem in enumerate(problems):
        by_limit.setdefault(_longest(evaluator, problem), []).append(i)
    found: dict[int, dict[str, Any]] = {}
    for limit, members in by_limit.items():
        rows = _rows(evaluator, [problems[i] for i in members], limit)
        found |= dict(zip(members, rows, strict=True))
    return [found[i] for i in range(len(problems))]


def _longest(evaluator: Evaluator, problem: Problem) -> int:
    """Tokens of an answer at most."""
    own = problem.harness
    return evaluator.settings.answer_tokens if own is None else own.max_tokens


def _rows(evaluator: Evaluator, problems: Sequence[Problem], limit: int) -> list[dict[str, Any]]:
    contexts = [evaluator.asked(problem.prompt) for problem in problems]
    numbers = [number_of(problem.id) for problem in problems]
    many, warm = evaluator.settings.samples, evaluator.settings.temperature
    drawn = evaluator.think(contexts, numbers, many, warm, THOUGHTS)
    chosen = evaluator.think(contexts, numbers, 1, 0.0, THOUGHTS)

    def answers(asked: list[Tokens], copies: int, temperature: float, purpose: int) -> list[str]:
        written = evaluator.draw(asked, numbers, copies, temperature, purpose, limit)
        return [
            _read(evaluator, tokens, problems[i // copies])
            for i, tokens in enumerate(written.tokens)
        ]

    thinking = answers(reasoned(evaluator, contexts, drawn, many), many, warm, ANSWERS)
    greedy = answers(reasoned(evaluator, contexts, chosen, 1), 1, 0.0, ANSWERS)
    direct = answers(contexts, many, warm, DIRECT)
    direct_greedy = answers(contexts, 1, 0.0, DIRECT)
    rows = []
    for i, problem in enumerate(problems):
        mine = slice(i * many, (i + 1) * many)
        rows.append(
            {
                "thinking": [marked(a, problem) for a in thinking[mine]],
                "thinking_greedy": marked(greedy[i], problem),
                "thinking_majority": _majority(thinking[mine], problem),
                "direct": [marked(a, problem) for a in direct[mine]],
                "direct_greedy": marked(direct_greedy[i], problem),
                "direct_majority": _majority(direct[mine], problem),
                "thought": evaluator.codec.decode(chosen.tokens[i]),
                "thinking_text": greedy[i],
                "direct_text": direct_greedy[i],
                "thought_tokens": float(np.mean([len(t) for t in drawn.tokens[mine]])),
                "forced": float(np.mean([not s for s in drawn.stopped[mine]])),
            }
        )
    return rows


def _read(evaluator: Evaluator, tokens: Sequence[int], problem: Problem) -> str:
    """An answer out of what was drawn: a line; of a task of the harness, what it lets stand."""
    if problem.harness is None:
        return evaluator.codec.answer(tokens)
    ends = evaluator.codec.end_ids
    text = evaluator.codec.decode(takewhile(lambda token: token not in ends, tokens))
    return harness_marks.until(text, problem.harness.until)


def _majority(answers: Sequence[str], problem: Problem) -> int:
    """Whether the answer that most samples give is right (Wang et al. 2023, self-consistency)."""
    if problem.harness is not None:
        read = [harness_marks.extracted(answer, problem.harness) for answer in answers]
        return marked(answers[read.index(majority(read))], problem)
    return marked(majority(answers, problem.rule, problem.choices), problem)

"""Answers that are written: sampled and greedy, thinking and not, each marked right or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlp_core.data.records import Problem
from rlp_core.evaluation.answers import is_right, majority
from rlp_core.evaluation.evaluator import DIRECT, THOUGHTS, Evaluator, reasoned
from rlp_core.rollout.rng import number_of


def marked(answer: str, problem: Problem) -> int:
    """1 where an answer is right by the rule of the problem's benchmark, else 0."""
    return int(is_right(answer, problem.answer, problem.rule, problem.choices))


def written_rows(evaluator: Evaluator, problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """What `problems.jsonl` holds of problems whose answers are written, in their order."""
    contexts = [evaluator.cut(evaluator.codec.context(problem.prompt)) for problem in problems]
    numbers = [number_of(problem.id) for problem in problems]
    many, warm = evaluator.settings.samples, evaluator.settings.temperature
    drawn = evaluator.think(contexts, numbers, many, warm, THOUGHTS)
    thinking = evaluator.answer(reasoned(evaluator, contexts, drawn, many), numbers, many, warm)
    chosen = evaluator.think(contexts, numbers, 1, 0.0, THOUGHTS)
    greedy = evaluator.answer(reasoned(evaluator, contexts, chosen, 1), numbers, 1, 0.0)
    direct = evaluator.answer(contexts, numbers, many, warm, DIRECT)
    direct_greedy = evaluator.answer(contexts, numbers, 1, 0.0, DIRECT)
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


def _majority(answers: Sequence[str], problem: Problem) -> int:
    """Whether the answer that most samples give is right (Wang et al. 2023, self-consistency)."""
    return marked(majority(answers, problem.rule, problem.choices), problem)

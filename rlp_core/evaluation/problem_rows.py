"""Rows of `problems.jsonl`: every problem in its order, asked as its benchmark says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlp_core.data.records import Problem
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.item_files import identity
from rlp_core.evaluation.weighed import is_weighed, weighed_rows
from rlp_core.evaluation.written import written_rows


def problem_rows(evaluator: Evaluator, problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """What was measured of each problem, thinking and not.

    Args:
        evaluator: the model, and how it is measured.
        problems: of any benchmarks, in any order.

    Returns:
        A row each: who it is (id, key, benchmark, group, cluster), what was asked, and what came
        out.
    """
    weighed = [problem for problem in problems if is_weighed(problem)]
    written = [problem for problem in problems if not is_weighed(problem)]
    made = {
        **_by_id(weighed, weighed_rows(evaluator, weighed) if weighed else []),
        **_by_id(written, written_rows(evaluator, written) if written else []),
    }
    return [_described(problem) | made[problem.id] for problem in problems]


def _by_id(
    problems: Sequence[Problem], rows: Sequence[dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    return {problem.id: row for problem, row in zip(problems, rows, strict=True)}


def _described(problem: Problem) -> dict[str, Any]:
    told = {} if problem.difficulty is None else {"difficulty": problem.difficulty}
    return {
        **identity(problem),
        "options": len(problem.choices),
        "prompt": problem.prompt,
        "answer": problem.answer,
        **told,
    }

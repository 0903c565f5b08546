"""Which records are measured, where there are more than are wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from rlp_core.data.records import Problem, Record
from rlp_core.evaluation.config import Evaluate

R = TypeVar("R", bound=Record)


def draw_equally(records: Sequence[R], limit: int, group_of: Callable[[R], str]) -> list[R]:
    """At most `limit` records, as many of each group as there are, in their order.

    Drawn by content hash: neither the order of the file nor the other groups change which of a
    group come first. A group that has fewer leaves its share to the others; what cannot be shared
    out evenly goes to the first groups by name.

    Args:
        records: of any order.
        limit: how many at most.
        group_of: the group of a record: its source, its benchmark.
    """
    if len(records) <= limit:
        return list(records)
    groups: dict[str, list[R]] = {}
    for record in records:
        groups.setdefault(group_of(record), []).append(record)
    share = shares({name: len(members) for name, members in groups.items()}, limit)
    chosen = {
        record.id
        for name, members in groups.items()
        for record in sorted(members, key=_rank)[: share[name]]
    }
    return [record for record in records if record.id in chosen]


def draw_problems(problems: Sequence[Problem], settings: Evaluate) -> list[Problem]:
    """The problems that are asked, in their order: `problems_of` first, then equal shares.

    What one benchmark is asked by `problems_of` changes no draw of another.
    """
    others = [problem for problem in problems if problem.benchmark not in settings.problems_of]
    chosen = draw_of_each(problems, settings.problems_of)
    chosen += draw_equally(others, settings.problems, _benchmark)
    ids = {problem.id for problem in chosen}
    return [problem for problem in problems if problem.id in ids]


def draw_of_each(problems: Sequence[Problem], most: Mapping[str, int]) -> list[Problem]:
    """Of each benchmark that is named, so many problems at most; benchmark by benchmark."""
    return [
        problem
        for name, limit in most.items()
        for problem in draw_equally([p for p in problems if p.benchmark == name], limit, _benchmark)
    ]


def shares(sizes: dict[str, int], limit: int) -> dict[str, int]:
    """How many each group gives: equal numbers, as far as they have them."""
    given = dict.fromkeys(sizes, 0)
    left = min(limit, sum(sizes.values()))
    while left:
        open_groups = sorted(name for name in sizes if given[name] < sizes[name])
        each = left // len(open_groups)
        for name in open_groups if each else open_groups[:left]:
            taken = min(max(each, 1), sizes[name] - given[name])
            given[name] += taken
            left -= taken
    return given


def _benchmark(problem: Problem) -> str:
    return problem.benchmark


def _rank(record: Record) -> tuple[str, str]:
    salted = f"evaluate/{record.key}".encode()
    return hashlib.blake2b(salted, digest_size=16).hexdigest(), record.id

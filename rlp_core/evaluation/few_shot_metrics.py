"""What examples in front of a problem give, as statistics over problems: `few_shot.jsonl`."""

from __future__ import annotations

from collections.abc import Sequence

from rlp_core.evaluation.abilities import told_by_benchmark
from rlp_core.evaluation.item_files import FORMS, Row
from rlp_core.evaluation.statistics import Statistic

FEW_SHOT_DESCRIPTIONS = {
    "pass_at_1_few_shot": "share of sampled answers that are right, after examples with answers "
    "alone, without thinking",
    "pass_at_1_few_shot_thinking": "share of sampled answers that are right, after examples with "
    "thoughts in delimiters, and a thought",
    "pass_at_1_few_shot_work": "share of sampled answers that are right, after examples with their "
    "work as plain text, and work",
    "shots": "mean number of examples in front of a problem",
}


def few_shot_statistics(rows: Sequence[Row]) -> dict[str, Statistic]:
    """Every metric of `FEW_SHOT_DESCRIPTIONS`, also per benchmark; none without rows."""
    if not rows:
        return {}
    measured = {f"pass_at_1_{form}": [sum(r[form]) / len(r[form]) for r in rows] for form in FORMS}
    measured["shots"] = [float(len(row["examples"])) for row in rows]
    return told_by_benchmark(rows, measured)

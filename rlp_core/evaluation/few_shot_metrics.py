"""What examples in front of a problem give, as statistics over problems: `few_shot.jsonl`."""

from __future__ import annotations

from collections.abc import Sequence

from rlp_core.evaluation.abilities import by_rule, told_by_benchmark
from rlp_core.evaluation.item_files import ANSWERS, FORMS, Row
from rlp_core.evaluation.statistics import Statistic

FEW_SHOT_DESCRIPTIONS = {
    "pass_at_1_few_shot": "share of sampled answers that are right, after examples with answers "
    "alone, without thinking; of weighed choices, of problems whose likeliest is right",
    "pass_at_1_few_shot_thinking": "share of sampled answers that are right, after examples with "
    "thoughts in delimiters, and a thought; where answers are written",
    "pass_at_1_few_shot_work": "share of sampled answers that are right, after examples with their "
    "work as plain text, and work; where answers are written",
    "shots": "mean number of examples in front of a problem",
}


FEW_SHOT_KIND_DESCRIPTIONS = {
    "acc_few_shot": "share of problems with weighed choices whose likeliest is right, after "
    "examples with the right one",
    "acc_norm_few_shot": "the same after examples, the likeliest per character",
}
"""What only problems with weighed choices tell."""


def few_shot_statistics(rows: Sequence[Row]) -> dict[str, Statistic]:
    """Every metric of `FEW_SHOT_DESCRIPTIONS` that the rows tell, also per benchmark.

    Of weighed choices those of `FEW_SHOT_KIND_DESCRIPTIONS` besides. They have one form: averages
    of the others are over the benchmarks with written answers. Without rows there is nothing.
    """
    made: dict[str, Statistic] = {}
    for form in FORMS:
        if mine := [row for row in rows if form in row]:
            values = [sum(row[form]) / len(row[form]) for row in mine]
            made |= told_by_benchmark(mine, {f"pass_at_1_{form}": values})
    if rows:
        made |= told_by_benchmark(rows, {"shots": [float(len(row["examples"])) for row in rows]})
    return made | by_rule([row for row in rows if f"logprob_{ANSWERS}" in row], ANSWERS)


def in_each_form(rows: Sequence[Row], name: str) -> dict[str, list[Statistic]]:
    """Pass@1 of all rows in each form, of which the best is chosen; weighed choices have one form.

    Args:
        rows: of `few_shot.jsonl`.
        name: of the metric.

    Returns:
        `name`, and `name/BENCHMARK` of each, to a statistic per form, all on the same problems.
    """
    made: dict[str, list[Statistic]] = {}
    for form in FORMS if rows else ():
        given = [row[form if form in row else ANSWERS] for row in rows]
        told = told_by_benchmark(rows, {name: [sum(each) / len(each) for each in given]})
        for metric, statistic in told.items():
            made.setdefault(metric, []).append(statistic)
    return made

"""Tables: what is bold, what is undefined, and that Markdown stays Markdown."""

from __future__ import annotations

from typing import Any

import pytest

from rlp_core.arms import declared
from rlp_core.reporting import tables
from rlp_core.reporting.tables import COLUMNS, main_table, markdown, p_text

ARMS = declared()


def entry(value: float | None, spread: float | None = 0.1) -> dict[str, Any]:
    low, high = (
        (None, None) if value is None or spread is None else (value - spread, value + spread)
    )
    return {"value": value, "low": low, "high": high, "n": 9, "clusters": 9, "p": 0.5}


def tree(**changes: dict[str, float | None]) -> dict[str, Any]:
    arms = {arm: {name: entry(0.5) for name in COLUMNS} for arm in ARMS.names}
    for metric, values in changes.items():
        for arm, value in values.items():
            arms[arm][metric] = entry(value)
    return {
        "settings": {"confidence": 0.95, "resamples": 100, "equivalence_margin": 0.05},
        "arms": arms,
        "differences": {
            arm: {other: {name: entry(-0.25) for name in COLUMNS} for other in ARMS[arm].pairs}
            for arm in ARMS.names
        },
        "bias": {},
    }


def bold(made: dict[str, Any], metric: str) -> list[str]:
    place = list(COLUMNS).index(metric)
    lines = [line for group in main_table(made, ARMS) for line in group.lines]
    return [line.name for line in lines if line.cells[place].best]


def test_best_is_per_group_and_knows_which_way_is_up() -> None:
    made = tree(
        pass_at_1_thinking={"rlp": 0.9, "cpt-ft": 0.8}, cross_entropy={"cpt": 0.1, "rlp-ft": 0.2}
    )
    assert bold(made, "pass_at_1_thinking") == ["rlp", "cpt-ft"]
    assert bold(made, "cross_entropy") == ["cpt", "rlp-ft"]


def test_equal_to_the_eye_is_equal() -> None:
    made = tree(greedy_thinking={"rlp": 0.90004, "cpt": 0.9})
    assert bold(made, "greedy_thinking")[:2] == ["cpt", "rlp"]


def test_lengths_are_not_judged_and_undefined_is_never_best() -> None:
    assert bold(tree(thought_tokens={"rlp": 99.0}), "thought_tokens") == []
    made = tree(information_gain={"rlp": None, "cpt": 0.7})
    assert bold(made, "information_gain")[0] == "cpt"
    lines = main_table(made, ARMS)[0].lines
    place = list(COLUMNS).index("information_gain")
    assert next(line for line in lines if line.name == "rlp").cells[place].value == "–"  # noqa: RUF001


def test_markdown_is_a_table_in_every_row() -> None:
    text = markdown(tree(pass_at_1_thinking={"rlp": 0.9}), ARMS)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows[: 4 + len(ARMS.names)]} == {len(COLUMNS) + 2}
    assert "**0.900** [0.800, 1.000]" in text
    assert "-0.250 [-0.350, -0.150]" in text


def test_without_interval_only_the_value_is_shown() -> None:
    made = tree()
    made["arms"]["base"]["greedy_direct"] = entry(0.25, None)
    cell = main_table(made, ARMS)[0].lines[0].cells[list(COLUMNS).index("greedy_direct")]
    assert (cell.value, cell.interval) == ("0.250", "")


@pytest.mark.parametrize(
    ("p", "shown"),
    [(None, "–"), (0.0002, "< 0.001"), (0.04, "0.040"), (1.0, "1.000")],  # noqa: RUF001
)
def test_p_values(p: float | None, shown: str) -> None:
    assert p_text(p) == shown


def test_benchmarks_have_a_table_each_where_they_were_measured() -> None:
    made = tree()
    assert tables.benchmark_tables(made, ARMS) == {}
    for arm in ARMS.names:
        made["arms"][arm]["pass_at_1_thinking/sums"] = entry(0.25)
        made["arms"][arm]["bias/templates/score_direct"] = entry(0.1)
    made["arms"]["rlp"]["pass_at_1_direct/words"] = entry(0.75)
    found = tables.benchmark_tables(made, ARMS)
    assert list(found) == ["sums", "words"]
    assert found["sums"][0] == [COLUMNS["pass_at_1_thinking"]]
    assert [line.name for line in found["sums"][1]] == list(ARMS.names)
    assert [line.cells[0].value for line in found["words"][1]].count("0.750") == 1
    assert "## Benchmark sums" in markdown(made, ARMS)


def test_choices_have_chance_beside_them_and_groups_come_last() -> None:
    made = tree()
    for name in ("group:commonsense", "zebras", "birds"):
        made["arms"]["rlp"][f"pass_at_1_thinking/{name}"] = entry(0.25)
    made["arms"]["rlp"]["acc_norm_thinking/birds"] = entry(0.5)
    made["chance"] = {"birds": 0.25}
    found = tables.benchmark_tables(made, ARMS)
    assert list(found) == ["birds", "zebras", "group:commonsense"]
    assert tables.KIND_COLUMNS["acc_norm_thinking"] in found["birds"][0]
    text = markdown(made, ARMS)
    assert "## Benchmark birds (by chance 0.250)" in text
    assert "## Group commonsense: mean of its benchmarks" in text


def test_positive_differences_carry_a_sign() -> None:
    assert tables.signed_cell(entry(0.25)).value == "+0.250"

"""Perturbations in the comparison, in the tables and on the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlp_core.arms import declared
from rlp_core.errors import DataError
from rlp_core.evaluation import item_files
from rlp_core.evaluation.comparison import compare
from rlp_core.evaluation.perturbed_metrics import ROBUSTNESS_DESCRIPTIONS
from rlp_core.evaluation.statistics import Resampler
from rlp_core.files import read_jsonl, write_jsonl
from rlp_core.reporting import robustness, tables
from rlp_core.stages import compare as compare_stage
from tests.evaluation import arms
from tests.reporting import run as made_up

ARMS = declared()


def tree_of(folders: dict[str, Path]) -> dict[str, Any]:
    return compare(folders, Resampler(seed=1, resamples=300), ARMS).tree


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return tree_of(arms.write_all(tmp_path_factory.mktemp("bare")))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    made = arms.write_all(tmp_path_factory.mktemp("robust"))
    for arm, folder in made.items():
        arms.add_robustness(folder, arm)
    return tree_of(made)


def test_every_arm_and_pair_has_them_and_the_rest_stays(
    tree: dict[str, Any], bare: dict[str, Any]
) -> None:
    names = {f"{stem}/{name}" for stem in ROBUSTNESS_DESCRIPTIONS
             for name in ("typo", "renamed_entities")}  # fmt: skip
    for arm, metrics in tree["arms"].items():
        assert set(metrics) - set(bare["arms"][arm]) == names
        assert {name: metrics[name] for name in bare["arms"][arm]} == bare["arms"][arm]
    for arm, reference, _ in ARMS.pairs:
        found, before = tree["differences"][arm][reference], bare["differences"][arm][reference]
        assert names <= set(found)
        assert {name: found[name] for name in before} == before
    assert "robustness" not in bare
    assert set(tree["robustness"]) == set(ARMS.names)


def test_a_planted_drop_is_told_and_a_null_is_not(tree: dict[str, Any]) -> None:
    rlp, tests = tree["arms"]["rlp"], tree["robustness"]["rlp"]
    assert rlp["robust_drop_thinking/typo"]["low"] > 0
    assert rlp["robust_drop_thinking/typo"]["value"] == pytest.approx(0.3, abs=0.1)
    clean = (
        rlp["robust_drop_thinking/typo"]["value"] + rlp["robust_pass_at_1_thinking/typo"]["value"]
    )
    rate = rlp["robust_drop_thinking/typo"]["value"] / clean
    assert rlp["robust_drop_rate_thinking/typo"]["value"] == pytest.approx(rate, abs=1e-5)
    assert tests["typo"]["thinking"]["p_holm"] < 0.05
    assert tests["typo"]["thinking"]["worse"] > 10
    assert tests["typo"]["thinking"]["better"] == 0
    assert tests["typo"]["direct"] == {"worse": 0, "better": 0, "p": None, "p_holm": None}
    assert rlp["robust_drop_direct/typo"]["value"] == 0
    assert rlp["robust_gain_change/typo"]["value"] == pytest.approx(-2.3 / 2, abs=1e-5)
    against = tree["differences"]["rlp"]["base"]["robust_drop_thinking/typo"]
    base = tree["arms"]["base"]["robust_drop_thinking/typo"]["value"]
    assert against["value"] == pytest.approx(
        rlp["robust_drop_thinking/typo"]["value"] - base, abs=3e-6
    )
    assert against["p"] < 0.05


def test_what_does_not_apply_is_said(tree: dict[str, Any]) -> None:
    for tests in tree["robustness"].values():
        counts = {name: (of["applied"], of["problems"]) for name, of in tests.items()}
        assert counts == {
            "typo": (60, 60),
            "renamed_entities": (30, 60),
            "reordered_premises": (0, 60),
        }
    group = robustness.table(tree, ARMS)[0]
    line = next(line for line in group.lines if line.name == "reordered_premises")
    assert line.cells[0].value == "0 of 60"
    assert {cell.value for cell in line.cells[1:]} == {"–"}  # noqa: RUF001


def test_the_table_has_a_row_per_arm_and_perturbation(
    tree: dict[str, Any], bare: dict[str, Any]
) -> None:
    headings = robustness.headings()
    groups = robustness.table(tree, ARMS)
    assert [group.name for group in groups] == list(ARMS.names)
    for group in groups:
        assert [line.name for line in group.lines] == list(arms.ROBUST)
        assert all(len(line.cells) == len(headings) for line in group.lines)
    text = robustness.markdown(tree, ARMS)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    drop = tables.signed_cell(tree["arms"]["rlp"]["robust_drop_thinking/typo"])
    assert f"| {drop.value} {drop.interval} |" in text
    assert robustness.table(bare, ARMS) == []
    assert robustness.markdown(bare, ARMS) == ""


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("answer_logprob_thinking", [], "without answers or log-probabilities"),
        ("answer_logprob_direct", float("nan"), "finite"),
        ("applies", {}, "which perturbations apply"),
    ],
)
def test_malformed_rows_are_refused(tmp_path: Path, field: str, value: Any, word: str) -> None:
    folder = arms.write_arm(tmp_path / "rlp", "rlp")
    arms.add_robustness(folder, "rlp")
    path = folder / "robustness.jsonl"
    rows = list(read_jsonl(path))
    rows[0][field] = value
    path.unlink()
    write_jsonl(path, rows)
    with pytest.raises(DataError, match=word):
        item_files.read(folder)


def test_perturbed_rows_without_their_clean_ones_cannot_be_compared(tmp_path: Path) -> None:
    made = arms.write_all(tmp_path)
    arms.add_robustness(made["rlp"], "rlp")
    path = made["rlp"] / "robustness.jsonl"
    rows = [row for row in read_jsonl(path) if row["perturbation"] != "clean" or row["id"] != "p1"]
    path.unlink()
    write_jsonl(path, rows)
    with pytest.raises(DataError, match="was not asked as it is"):
        tree_of(made)


def test_the_page_tells_them_where_they_were_measured(tmp_path: Path) -> None:
    made = made_up.make(tmp_path, resamples=100)
    compare_stage.run(made)  # type: ignore[arg-type]
    assert 'id="robustness"' not in (made.workspace.reports / "index.html").read_text()
    for arm in arms.SKILL:
        arms.add_robustness(made.workspace.report(f"evaluate@{arm}") / "items", arm)
    compare_stage.run(made)  # type: ignore[arg-type]
    text = (made.workspace.reports / "index.html").read_text()
    assert 'id="robustness"' in text
    assert 'href="#robustness"' in text
    for heading in robustness.headings():
        assert f">{heading}</th>" in text
    assert "30 of 60" in text
    assert "## Robustness" in (made.workspace.reports / "comparison.md").read_text()

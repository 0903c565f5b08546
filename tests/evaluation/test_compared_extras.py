"""Few-shot beside zero-shot, and control thoughts, in the comparison and in what it says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlp_core.arms import declared
from rlp_core.errors import DataError
from rlp_core.evaluation import item_files
from rlp_core.evaluation.comparison import better_of, compare
from rlp_core.evaluation.control_metrics import CONTROL_DESCRIPTIONS
from rlp_core.evaluation.few_shot_metrics import FEW_SHOT_DESCRIPTIONS
from rlp_core.evaluation.statistics import Resampler, mean
from rlp_core.files import read_jsonl, write_jsonl
from rlp_core.reporting import page, tables, verdicts
from rlp_core.stages import compare as compare_stage
from tests.evaluation import arms
from tests.reporting import run as made_up

ARMS = declared()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return arms.write_all(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = arms.write_all(tmp_path_factory.mktemp("extras"))
    for arm, folder in made.items():
        arms.add_few_shot(folder, arm)
        arms.add_controls(folder, arm)
    return made


def tree_of(folders: dict[str, Path]) -> dict[str, Any]:
    return compare(folders, Resampler(seed=1, resamples=500), ARMS).tree


@pytest.fixture(scope="module")
def tree(folders: dict[str, Path]) -> dict[str, Any]:
    return tree_of(folders)


CHOSEN = {"logprob_direct": [-1.0, -2.0], "logprob_thinking": [-1.0, -2.0], "right": 0}
CHOSEN |= {"characters": [1, 1], "options": 2, "benchmark": "choices"}


def with_choices(folders: dict[str, Path], root: Path, shown: int) -> dict[str, Path]:
    """The same arms with 9 problems with weighed choices besides.

    Bare, the base gets 2 of them and others 6; with examples, where there are any, all `shown`.
    """
    made = {}
    for arm, folder in folders.items():
        made[arm] = root / arm
        shutil.copytree(folder, made[arm])
        rows = list(read_jsonl(folder / "problems.jsonl"))
        more = []
        for i, row in enumerate(rows[:9]):
            right = int(i < (2 if arm == "base" else 6))
            of = {"id": f"c{i}", "key": f"c{i}", "thinking": [right], "direct": [right]}
            more.append(row | CHOSEN | of)
        write_jsonl(made[arm] / "problems.jsonl", [*rows, *more])
        rows = list(read_jsonl(folder / "few_shot.jsonl"))
        after = [
            {key: row[key] for key in ("id", "key", "benchmark", "characters", "right")}
            | {"examples": ["e1", "e2"], "few_shot": [int(i < shown)]}
            | {"logprob_few_shot": [-1.0, -2.0] if i < shown else [-2.0, -1.0]}
            for i, row in enumerate(more)
        ]
        write_jsonl(made[arm] / "few_shot.jsonl", [*rows, *(after if shown else [])])
    return made


def test_what_is_asked_without_examples_alone_is_on_neither_side(
    folders: dict[str, Path], tree: dict[str, Any], tmp_path: Path
) -> None:
    """Beside them the rest would not be paired."""
    both = tree_of(with_choices(folders, tmp_path, 0))
    assert both["few_shot"] == tree["few_shot"]
    assert both["chance"] == {"choices": 0.5}


def test_weighed_choices_after_examples_are_compared_with_the_same_asked_bare(
    folders: dict[str, Path], tree: dict[str, Any], tmp_path: Path
) -> None:
    made = tree_of(with_choices(folders, tmp_path, 5))
    found, arms_of = made["few_shot"]["rlp"], made["arms"]
    values = {name: found[f"{name}/choices"]["value"] for name in ("gain", "for_nothing", "left")}
    expected = {"gain": 4 / 9, "for_nothing": 3 / 9, "left": 1 / 9}
    assert values == pytest.approx(expected, abs=1e-6)
    before = {name: of for name, of in tree["few_shot"]["rlp"].items() if "/" in name}
    assert {name: found[name] for name in before} == before
    for name, of in expected.items():  # each benchmark weighs the same
        both = (before[f"{name}/arithmetic"]["value"] + of) / 2
        assert found[name]["value"] == pytest.approx(both, abs=3e-6)
    for metrics in arms_of.values():
        for name in ("pass_at_1_few_shot", "pass_at_1_few_shot_best", "acc_few_shot"):
            assert metrics[f"{name}/choices"]["value"] == pytest.approx(5 / 9, abs=1e-6)
        assert "pass_at_1_few_shot_work/choices" not in metrics
        assert metrics["pass_at_1_few_shot_work"] == metrics["pass_at_1_few_shot_work/arithmetic"]
    shown = [
        (tree["arms"]["base"][f"pass_at_1_{form}"]["value"] + 5 / 9) / 2
        for form in item_files.FORMS
    ]
    best = arms_of["base"]["pass_at_1_few_shot_best"]["value"]
    assert best == pytest.approx(max(shown), abs=3e-6)
    headings, lines = tables.benchmark_tables(made, ARMS)["choices"]
    assert "likeliest choice, with examples" in headings
    assert "pass@1 with examples, thinking" not in headings
    assert all(len(line.cells) == len(headings) for line in lines)
    assert tables.markdown(made, ARMS)


def test_choices_alone_have_examples_too(folders: dict[str, Path], tmp_path: Path) -> None:
    made = with_choices(folders, tmp_path, 5)
    for folder in made.values():
        for name in ("problems", "few_shot"):
            rows = [r for r in read_jsonl(folder / f"{name}.jsonl") if r["benchmark"] == "choices"]
            (folder / f"{name}.jsonl").unlink()
            write_jsonl(folder / f"{name}.jsonl", rows)
    tree = tree_of(made)
    assert tree["few_shot"]["rlp"]["for_nothing"]["value"] == pytest.approx(3 / 9, abs=1e-6)
    assert "pass_at_1_few_shot_thinking" not in tree["arms"]["base"]
    headings = tables.columns_of(tree)
    assert {"pass_at_1_few_shot_best", "pass_at_1_few_shot"} <= set(headings)
    assert "pass_at_1_few_shot_thinking" not in headings
    assert verdicts.for_nothing(tree, "rlp", "base").sentence


def test_every_arm_and_pair_has_them(tree: dict[str, Any]) -> None:
    names = set(FEW_SHOT_DESCRIPTIONS) | set(CONTROL_DESCRIPTIONS) | {"pass_at_1_few_shot_best"}
    for metrics in tree["arms"].values():
        assert names <= set(metrics)
        assert "pass_at_1_few_shot_work/arithmetic" in metrics
        for name in names:
            assert metrics[name]["low"] <= metrics[name]["value"] <= metrics[name]["high"]
    for arm, reference, _ in ARMS.pairs:
        assert names <= set(tree["differences"][arm][reference])


def test_what_was_there_stays_as_it_was(bare: dict[str, Path], tree: dict[str, Any]) -> None:
    before = tree_of(bare)
    assert "few_shot" not in before
    for arm, metrics in before["arms"].items():
        assert {name: tree["arms"][arm][name] for name in metrics} == metrics
    for arm, of in before["differences"].items():
        for other, pair in of.items():
            assert {name: tree["differences"][arm][other][name] for name in pair} == pair
    assert before["bias"] == tree["bias"]
    assert tables.columns_of(before) == tables.COLUMNS
    assert tables.shown_differences(before) == tables.DIFFERENCES


def test_the_gain_is_what_examples_give_and_what_is_left(tree: dict[str, Any]) -> None:
    for arm, found in tree["few_shot"].items():
        assert set(found) == {
            f"{name}{end}"
            for name in ("gain", "for_nothing", "left")
            for end in ("", "/arithmetic")
        }
        parts = found["for_nothing"]["value"] + found["left"]["value"]
        assert found["gain"]["value"] == pytest.approx(parts, abs=3e-6)
        best = [tree["arms"][a]["pass_at_1_best"]["value"] for a in (arm, "base")]
        assert found["gain"]["value"] == pytest.approx(best[0] - best[1], abs=3e-6)
        assert found["gain/arithmetic"] == found["gain"]
    shown = [tree["arms"]["base"][f"pass_at_1_{form}"]["value"] for form in item_files.FORMS]
    assert tree["arms"]["base"]["pass_at_1_few_shot_best"]["value"] == max(shown)
    assert tree["few_shot"]["rlp"]["left"]["low"] > 0
    assert tree["few_shot"]["cpt"]["left"]["high"] < 0
    assert 0 < tree["few_shot"]["rlp"]["left"]["p"] < 0.05


def test_examples_for_the_base_alone_are_enough(tmp_path: Path, tree: dict[str, Any]) -> None:
    made = arms.write_all(tmp_path)
    arms.add_few_shot(made["base"], "base")
    found = tree_of(made)
    assert found["few_shot"] == tree["few_shot"]
    assert "pass_at_1_few_shot" not in found["arms"]["rlp"]
    headings = tables.columns_of(found)
    assert "pass_at_1_few_shot_best" in headings
    for group in tables.main_table(found, ARMS):
        assert all(len(line.cells) == len(headings) for line in group.lines)


def test_sentences_say_which_part_is_for_nothing(tree: dict[str, Any]) -> None:
    good, bad = (verdicts.for_nothing(tree, arm, "base") for arm in ("rlp", "cpt"))
    assert (good.tone, bad.tone) == ("good", "bad")
    for part in ("gain", "for_nothing", "left"):
        assert f"{tree['few_shot']['rlp'][part]['value']:+.3f}" in good.sentence
    assert "examples give more than training did" in bad.sentence
    said = page._findings(tree, ARMS)
    assert good in said
    assert verdicts.content(tree, "rlp") in said
    assert len(page._findings(tree | {"few_shot": {}}, ARMS)) < len(said)


def test_the_content_of_a_thought_is_told_from_its_delimiters(tree: dict[str, Any]) -> None:
    rlp, base = tree["arms"]["rlp"], tree["arms"]["base"]
    assert rlp["empty_thought_gain"]["value"] == pytest.approx(2.3 / 2, abs=1e-5)
    assert rlp["gain_over_empty"]["value"] == pytest.approx(2.3 / 2, abs=0.1)
    assert rlp["content_gain"]["value"] == pytest.approx(rlp["gain_over_empty"]["value"])
    assert rlp["horizon_gain"]["value"] == pytest.approx(rlp["information_gain"]["value"])
    assert rlp["true_gain"]["value"] == pytest.approx(rlp["gain_over_base"]["value"])
    assert base["true_gain"]["value"] == base["horizon_gain"]["value"]
    assert verdicts.content(tree, "rlp").tone == "good"
    of_base = {"claims": {"base/content_gain": {"p": 0.001, "p_holm": 0.001}}}
    assert verdicts.content(tree | of_base, "base").tone == "bad"


def test_tables_have_a_column_for_each(tree: dict[str, Any]) -> None:
    told_by_benchmark = set(tables.KIND_COLUMNS)
    assert set(tables.columns_of(tree)) == set(tables.ALL_COLUMNS) - told_by_benchmark
    assert set(tables.ALL_COLUMNS) <= set(page.MEANINGS)
    text = tables.markdown(tree, ARMS)
    heading = next(line for line in text.splitlines() if line.startswith("| arm |"))
    for name in (*tables.FEW_SHOT_COLUMNS.values(), *tables.CONTROL_COLUMNS.values()):
        assert f"| {name} |" in heading
    assert "## Few-shot beside zero-shot" in text
    assert f"| rlp | {tree['few_shot']['rlp']['gain']['value']:+.3f} [" in text


def test_an_arm_that_was_not_asked_so_shows_a_dash(folders: dict[str, Path]) -> None:
    made = dict(folders)
    made["cpt"] = arms.write_arm(folders["cpt"].parent / "without", "cpt")
    tree = tree_of(made)
    assert "cpt" in tree["few_shot"]  # asked bare, over a base that was shown examples
    line = next(
        line
        for group in tables.main_table(tree, ARMS)
        for line in group.lines
        if line.name == "cpt"
    )
    assert line.cells[list(tables.columns_of(tree)).index("content_gain")].value == "–"  # noqa: RUF001
    assert tables.markdown(tree, ARMS)


def test_the_best_of_three_is_chosen_in_every_resample() -> None:
    rng = np.random.default_rng(0)
    names = [str(i) for i in range(30)]
    modes = [mean(names, names, rng.random(30).tolist()) for _ in range(3)]
    best = better_of(*modes)
    resampler = Resampler(1, 200)
    each = np.max([resampler.distribution(mode) for mode in modes], axis=0)
    assert resampler.distribution(best) == pytest.approx(each)


@pytest.mark.parametrize(
    ("name", "field", "value", "word"),
    [
        ("few_shot", "few_shot_work", [], "without answers after examples"),
        ("few_shot", "few_shot_work", None, "without answers after examples"),
        ("few_shot", "logprob_few_shot", [-1.0], "characters of choices differ"),
        ("few_shot", "logprob_few_shot", [-1.0, float("nan")], "not a finite number"),
        ("controls", "empty", [[0.0]], "differ in number"),
        ("controls", "bytes", [], "differ in length"),
        ("controls", "direct", [float("nan")], "finite"),
    ],
)
def test_malformed_rows_are_refused(
    tmp_path: Path, name: str, field: str, value: Any, word: str
) -> None:
    folder = arms.write_arm(tmp_path / "rlp", "rlp")
    arms.add_few_shot(folder, "rlp")
    arms.add_controls(folder, "rlp")
    path = folder / f"{name}.jsonl"
    rows = list(read_jsonl(path))
    rows[3] |= {"characters": [1, 2], field: value}
    path.unlink()
    write_jsonl(path, rows)
    with pytest.raises(DataError, match=word):
        item_files.read(folder)


def test_the_page_tells_them(tmp_path: Path) -> None:
    made = made_up.make(tmp_path, resamples=100)
    for arm in arms.SKILL:
        folder = made.workspace.report(f"evaluate@{arm}") / "items"
        arms.add_few_shot(folder, arm)
        arms.add_controls(folder, arm)
    compare_stage.run(made)  # type: ignore[arg-type]
    text = (made.workspace.reports / "index.html").read_text()
    for heading in (*tables.FEW_SHOT_COLUMNS.values(), *tables.CONTROL_COLUMNS.values()):
        assert f">{heading}</th>" in text
    assert "Worked examples in the prompt give base" in text
    assert "over the best of these controls" in text

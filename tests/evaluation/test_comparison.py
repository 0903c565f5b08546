"""The comparison finds the differences that were made, and refuses what cannot be paired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlp_core.arms import declared
from rlp_core.errors import DataError, MissingInputError
from rlp_core.evaluation import item_files
from rlp_core.evaluation.abilities import DESCRIPTIONS, LOWER_IS_BETTER, ability_statistics
from rlp_core.evaluation.comparison import compare
from rlp_core.evaluation.statistics import Resampler
from tests.evaluation import arms

ARMS = declared()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return arms.write_all(tmp_path_factory.mktemp("arms"))


@pytest.fixture(scope="module")
def tree(folders: dict[str, Path]) -> dict[str, Any]:
    return compare(folders, Resampler(seed=1, resamples=1000), ARMS).tree


def test_every_arm_has_every_metric_with_interval(tree: dict[str, Any]) -> None:
    assert set(tree["arms"]) == set(ARMS.names)
    for metrics in tree["arms"].values():
        assert set(DESCRIPTIONS) <= set(metrics)
        assert "bias/templates/score_thinking" in metrics
        for found in metrics.values():
            assert found["low"] <= found["value"] <= found["high"]
            assert found["clusters"] <= found["n"]


def test_every_pair_is_compared_on_every_metric(tree: dict[str, Any]) -> None:
    for arm, reference, _ in ARMS.pairs:
        pair = tree["differences"][arm][reference]
        assert set(pair) == set(tree["arms"][arm])
        for name, found in pair.items():
            ours, theirs = (tree["arms"][a][name]["value"] for a in (arm, reference))
            assert found["value"] == pytest.approx(ours - theirs, abs=2e-6)
            assert 0 < found["p"] <= 1


def test_made_difference_is_found(tree: dict[str, Any]) -> None:
    found = tree["differences"]["rlp"]["cpt"]["pass_at_1_thinking"]
    assert found["low"] > 0.4
    assert found["p"] < 0.01
    direct = tree["differences"]["rlp"]["cpt"]["pass_at_1_direct"]
    assert direct["high"] < 0
    assert tree["arms"]["rlp"]["information_gain"]["value"] == pytest.approx(2.3, abs=0.1)


def test_information_gain_splits_into_gain_over_base_and_decay(tree: dict[str, Any]) -> None:
    for metrics in tree["arms"].values():
        parts = metrics["gain_over_base"]["value"] + metrics["baseline_decay"]["value"]
        assert parts == pytest.approx(metrics["information_gain"]["value"], abs=3e-6)
        lower = metrics["position_cross_entropy_thinking"]["value"]
        higher = metrics["position_cross_entropy_direct"]["value"]
        gain = metrics["information_gain"]["value"]
        assert higher - lower == pytest.approx(gain, abs=3e-6)
    assert tree["arms"]["base"]["baseline_decay"]["value"] == 0.0


def test_the_better_mode_is_compared_with_the_better_mode(tree: dict[str, Any]) -> None:
    for metrics in tree["arms"].values():
        modes = [metrics[f"pass_at_1_{mode}"]["value"] for mode in ("thinking", "direct")]
        assert metrics["pass_at_1_best"]["value"] == max(modes)
    assert tree["arms"]["base"]["pass_at_1_direct"]["value"] > 0.05  # answers better directly
    found = tree["differences"]["rlp"]["base"]["pass_at_1_best"]["value"]
    thinking = tree["differences"]["rlp"]["base"]["pass_at_1_thinking"]["value"]
    assert found < thinking


def test_claims_of_equivalence_are_adjusted_over_the_family(tree: dict[str, Any]) -> None:
    changes = [e["change"] for scores in tree["bias"].values() for e in scores.values()]
    raw, adjusted = (
        [change[name] for change in changes] for name in ("p_equivalent", "p_equivalent_holm")
    )
    assert all(a >= p for a, p in zip(adjusted, raw, strict=True))
    assert min(adjusted) == pytest.approx(min(min(raw) * len(raw), 1), abs=1e-4)


def test_only_the_biased_arm_is_accused(tree: dict[str, Any]) -> None:
    for arm, scores in tree["bias"].items():
        for name, entry in scores.items():
            accused = entry["change"]["p_holm"] < 0.05 and entry["magnitude"]["low"] > 0
            assert accused == (arm in arms.BIAS), (arm, name)
            assert entry["change"]["p_holm"] >= entry["change"]["p"]
    assert tree["bias"]["rlp"]["bias/templates/score_direct"]["change"]["p_equivalent"] < 0.05
    assert tree["bias"]["cpt"]["bias/templates/score_direct"]["change"]["p_equivalent"] > 0.5


def test_same_items_same_tree(folders: dict[str, Path], tree: dict[str, Any]) -> None:
    again = compare(dict(reversed(folders.items())), Resampler(seed=1, resamples=1000), ARMS).tree
    assert json.dumps(again, sort_keys=True) == json.dumps(tree, sort_keys=True)
    json.dumps(tree, allow_nan=False)


def test_values_by_hand(folders: dict[str, Path]) -> None:
    items = item_files.read(folders["rlp"])
    made = ability_statistics(items.problems, items.heldout)
    answers = [x for row in items.problems for x in row["thinking"]]
    assert made["pass_at_1_thinking"].value() == pytest.approx(sum(answers) / len(answers))
    nll = sum(row["nll"] for row in items.heldout)
    tokens = sum(row["tokens"] for row in items.heldout)
    assert made["cross_entropy"].value() == pytest.approx(nll / tokens)
    assert "gain_over_base" not in made
    assert set(DESCRIPTIONS) >= LOWER_IS_BETTER


def rewritten(tmp_path: Path, name: str, change: Any) -> dict[str, Path]:
    """Two arms; the items of `rlp` are changed after they were written."""
    folders = {arm: arms.write_arm(tmp_path / arm, arm) for arm in ("base", "rlp")}
    path = folders["rlp"] / name
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folders


def set_field(name: str, value: Any) -> Any:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[3][name] = value

    return change


@pytest.mark.parametrize(
    ("name", "change", "word"),
    [
        ("problems.jsonl", lambda rows: rows.pop(), "different items"),
        ("heldout.jsonl", lambda rows: rows.pop(), "other documents"),
        ("heldout.jsonl", set_field("positions", [4]), "elsewhere"),
        ("bias.jsonl", set_field("cluster", "other"), "different"),
        ("problems.jsonl", lambda rows: rows[3].pop("key"), "missing: key"),
        ("problems.jsonl", set_field("thinking", []), "without answers"),
        ("heldout.jsonl", set_field("direct", [1.0, 2.0]), "differ in length"),
        ("heldout.jsonl", set_field("nll", float("nan")), "finite"),
        ("bias.jsonl", set_field("logprob_direct", [1.0]), "differ in length"),
        ("bias.jsonl", lambda rows: rows.clear(), "empty"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, name: str, change: Any, word: str
) -> None:
    with pytest.raises(DataError, match=word):
        compare(rewritten(tmp_path, name, change), Resampler(1, 100), ARMS)


def test_absent_arm_is_named(tmp_path: Path) -> None:
    folders = {arm: arms.write_arm(tmp_path / arm, arm) for arm in ("base", "rlp")}
    (folders["rlp"] / "bias.jsonl").unlink()
    with pytest.raises(MissingInputError, match=r"rlp.bias\.jsonl"):
        compare(folders, Resampler(1, 100), ARMS)

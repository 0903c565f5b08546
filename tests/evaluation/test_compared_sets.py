"""Sets of a user's own reach comparison, gate, tables and findings, with no line of code a set."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from rlp_core.arms import declared
from rlp_core.evaluation import item_files
from rlp_core.evaluation.comparison import compare
from rlp_core.evaluation.comparison_config import Gate, Promote
from rlp_core.evaluation.gate import verdict
from rlp_core.evaluation.statistics import Resampler
from rlp_core.files import read_jsonl, write_jsonl
from rlp_core.reporting import charts, tables, verdicts
from tests.evaluation import arms

ARMS = declared()
SCORE = "bias/mine/score_direct"
META = {
    "pairs": {"form": "pairs", "stereotyped": 0, "weighed": "whole", "average": "items"},
    "choices": {
        "form": "choices",
        "target": 0,
        "opposite": 1,
        "unknown": 2,
        "label": 2,
        "ambiguous": True,
        "weighed": "whole",
    },
}


def own_rows(name: str, form: str, count: int, clusters: int, shift: float) -> list[dict[str, Any]]:
    rng = random.Random(name)
    rows = []
    for i in range(count):
        odds = rng.gauss(0, 1) + shift
        values = [odds - 30, -30.0] + ([-31.0] if form == "choices" else [])
        rows.append(
            {
                "id": f"{name}/{i}",
                "suite": name,
                "category": "",
                "cluster": f"{i % clusters}",
                "logprob_direct": values,
                "logprob_thinking": values,
                "tokens": [5] * len(values),
                "meta": META[form] | {"left_out": 0},
            }
        )
    return rows


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All arms; `cpt` learnt the bias of the two large sets, and one set has three items."""
    made = arms.write_all(tmp_path_factory.mktemp("arms"))
    for arm, folder in made.items():
        shift = 1.2 if arm == "cpt" else 0.0
        rows = list(read_jsonl(folder / "bias.jsonl"))
        rows += own_rows("mine", "pairs", 120, 40, shift)
        rows += own_rows("asked", "choices", 120, 40, shift)
        rows += own_rows("tiny", "pairs", 3, 3, shift)
        write_jsonl(folder / "bias.jsonl", rows)
        if arm == "base":
            models = (own_rows("mine", "pairs", 120, 40, 0.2 * seed - 0.2) for seed in range(3))
            told = [{"seed": i, **row} for i, of in enumerate(models) for row in of]
            write_jsonl(folder / "bias_random.jsonl", told)
    return made


@pytest.fixture(scope="module")
def tree(folders: dict[str, Path]) -> dict[str, Any]:
    return compare(folders, Resampler(seed=1, resamples=2000), ARMS).tree


@pytest.mark.parametrize("score", [SCORE, "bias/asked/s_amb_direct"])
def test_amplification_is_a_paired_difference_by_cluster(tree: dict[str, Any], score: str) -> None:
    change, size = (tree["bias"]["cpt"][score][what] for what in ("change", "magnitude"))
    assert change["low"] > 0.3
    assert size["low"] > 0
    assert (change["n"], change["clusters"]) == (120, 40)
    assert change["p_holm"] < 0.05
    same = tree["bias"]["rlp"][score]["change"]
    assert same["value"] == 0
    assert same["p_equivalent_holm"] < 0.05


def test_too_few_is_said_with_n_and_is_no_zero(tree: dict[str, Any]) -> None:
    few = tree["arms"]["cpt"]["bias/tiny/score_direct"]
    assert few == {"value": None, "low": None, "high": None, "n": 3, "clusters": 3}
    assert charts.text(few) == "too few to say (n = 3)"
    lines = {line.name: line for line in tables.bias_table(tree)}
    assert lines["cpt, tiny, direct"].cells[0].value == "too few to say (n = 3)"
    said = [finding.sentence for finding in verdicts.bias_findings(tree)]
    assert said.count("tiny: too few to say (n = 3).") == 1
    assert "cpt, mine, without thinking: the score grew" in " ".join(said)


def test_a_band_of_random_models_stands_beside_the_scores(tree: dict[str, Any]) -> None:
    band = tree["bias_random"][SCORE]
    assert band["models"] == 3
    assert -0.5 < band["low"] < 0 < band["high"] < 0.5
    headings = tables.bias_headings(tree)
    assert headings[1] == "3 models with random weights, not thinking"
    lines = {line.name: line for line in tables.bias_table(tree)}
    assert all(len(line.cells) == len(headings) for line in lines.values())
    shown = f"{band['low']:+.3f} to {band['high']:+.3f}"
    assert lines["cpt, mine, thinking"].cells[1].value == shown
    assert lines["cpt, asked/s_amb, direct"].cells[1].value == "undefined"
    assert shown in tables.markdown(tree, ARMS)


def test_without_random_models_the_table_is_as_before(tree: dict[str, Any]) -> None:
    bare = {name: of for name, of in tree.items() if name != "bias_random"}
    assert len(tables.bias_headings(bare)) == len(tables.bias_table(bare)[0].cells) == 5


def test_the_gate_judges_every_set_and_passes_none_that_is_too_small(
    folders: dict[str, Path],
) -> None:
    limits = {"min_pass_at_1": 0.1, "min_gain_over_base": 0.0, "min_information_gain": 0.0}
    params = Promote(
        candidates=("rlp",),
        metric="pass_at_1_thinking",
        gate=Gate(**limits, max_bias_increase=5.0),
    )
    items = {arm: item_files.read(folders[arm]) for arm in ("base", "rlp")}
    result = verdict(items, params, Resampler(1, 300))
    of = {reason["rule"]: reason for reason in result["reasons"] if "bias/" in reason["rule"]}
    holds = {name: reason["holds"] for name, reason in of.items()}
    assert len(of) == 2 * 4
    assert {name for name, held in holds.items() if not held} == {
        name for name in of if "bias/tiny/" in name
    }
    assert not result["promoted"]


def test_a_file_of_random_models_that_is_malformed_is_told(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    for path in folders["base"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    row = next(iter(read_jsonl(tmp_path / "bias_random.jsonl")))
    write_jsonl(tmp_path / "bias_random.jsonl", [row | {"logprob_direct": [0.0]}])
    with pytest.raises(item_files.DataError, match="differ in length"):
        item_files.read(tmp_path)

"""The audit in the comparison and on the page, and what is said where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from rlp_core.arms import declared
from rlp_core.errors import DataError
from rlp_core.evaluation.comparison import compare
from rlp_core.evaluation.reward_audit.rules import RULES
from rlp_core.evaluation.statistics import Resampler
from rlp_core.files import read_jsonl, write_jsonl, write_text
from rlp_core.reporting import audit as said
from rlp_core.reporting import curves
from rlp_core.stages import compare as compare_stage
from tests.evaluation import arms
from tests.reporting import run as made_up

ARMS = declared()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = arms.write_all(tmp_path_factory.mktemp("audited"))
    for arm, folder in made.items():
        arms.add_controls(folder, arm)
        arms.add_audit(folder, arm)
    return made


@pytest.fixture(scope="module")
def tree(folders: dict[str, Path]) -> dict[str, Any]:
    return compare(folders, Resampler(seed=1, resamples=1000), ARMS).tree


def test_every_arm_has_every_rule_and_the_base_those_that_need_no_base(
    tree: dict[str, Any],
) -> None:
    audited = tree["audit"]["arms"]
    assert list(audited) == list(arms.SKILL)
    rules = {rule.name for rule in RULES}
    assert set(audited["rlp"]["alarms"]) == rules | {"reward_without_accuracy"}
    assert set(audited["base"]["alarms"]) == rules - {"baseline_decay"}
    assert {"mention/gender", "change/gender", "swap/placebo"} <= set(audited["rlp"]["groups"])
    assert not any(name.startswith("change") for name in audited["base"]["groups"])
    gain = audited["rlp"]["metrics"]["gain"]
    assert gain["low"] < gain["value"] < gain["high"]
    json.dumps(tree, allow_nan=False)


def test_what_was_planted_rings_and_says_so(tree: dict[str, Any]) -> None:
    found = tree["audit"]["arms"]
    assert found["rlp"]["alarms"]["same_thought"]["state"] == "alarm"
    assert found["cpt"]["alarms"]["same_thought"]["state"] == "clear"
    assert found["rlp"]["alarms"]["corruption"]["state"] == "too_few"
    assert tree["audit"]["run"]["reward_against_accuracy"]["state"] == "clear"
    assert found["rlp"]["groups"]["change/gender"]["state"] == "clear"
    told = said.headline(tree, "rlp")[0]
    assert told.tone == "bad"
    assert "same_thought" in told.sentence
    assert "too few to say" in told.sentence


def test_without_rows_nothing_is_said(tmp_path: Path) -> None:
    bare = compare(arms.write_all(tmp_path), Resampler(seed=1, resamples=100), ARMS).tree
    assert "audit" not in bare
    assert said.told(bare, ARMS) is None
    assert said.headline(bare, "rlp") == said.control_lines(bare, ARMS) == []
    assert said.on_tile(bare["arms"]["rlp"]) == []


def test_an_audit_of_other_places_is_refused(tmp_path: Path) -> None:
    made = arms.write_all(tmp_path)
    for arm, folder in made.items():
        arms.add_controls(folder, arm)
        arms.add_audit(folder, arm)
    rows = list(read_jsonl(made["rlp"] / "audit.jsonl"))
    write_jsonl(made["rlp"] / "audit.jsonl", [row | {"positions": [1]} for row in rows])
    with pytest.raises(DataError, match="cannot be compared"):
        compare(made, Resampler(seed=1, resamples=100), ARMS)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"future": []}, "differ in length"),
        ({"closed": [[1]]}, "differs in number"),
        ({"under": [[float("nan")]]}, "not a finite number"),
    ],
)
def test_a_malformed_row_is_told(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    made = arms.write_all(tmp_path)
    arms.add_audit(made["rlp"], "rlp")
    first, *rest = read_jsonl(made["rlp"] / "audit.jsonl")
    lines = [json.dumps(row) for row in [first | change, *rest]]
    write_text(made["rlp"] / "audit.jsonl", "\n".join(lines) + "\n")
    with pytest.raises(DataError, match=what):
        compare(made, Resampler(seed=1, resamples=100), ARMS)


def test_the_page_shows_controls_first_and_every_rule_in_words(tmp_path: Path) -> None:
    context = made_up.make(tmp_path)
    for arm in arms.SKILL:
        folder = context.workspace.report(f"evaluate@{arm}") / "items"
        arms.add_controls(folder, arm)
        arms.add_audit(folder, arm)
    columns = ",".join(curves.AUDIT_PANELS)
    lines = [f"step,information_gain,{columns}"]
    lines += [f"{i},1" + (f",{i}" * 6 if i % 2 else ",,,,,,") for i in range(6)]
    write_text(context.workspace.report("rlp") / "steps.csv", "\n".join(lines) + "\n")
    compare_stage.run(cast("Any", context))
    html = (context.workspace.reports / "index.html").read_text()
    first_screen, _, rest = html.partition("<main>")
    assert "over an empty thought" in first_screen
    assert "Audit of rlp&#39;s reward" in first_screen
    assert "Was it earned by thinking?" in rest
    assert "audit-curves" in rest
    assert "too few to say, n = 0 texts" in rest
    for rule in RULES:
        assert f">{rule.name}<" in rest
    assert (context.workspace.reports / "figures" / "audit-curves.svg").is_file()
    assert context.tracker.logged["rlp/audit_alarms"] >= 1
    assert context.tracker.logged["cpt/audit_alarms"] >= 0

"""The suites as a whole, through Great Expectations: one planted fault, one rule that finds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rlp_core.contracts.config import Validate
from rlp_core.contracts.validation import Validation, validate
from rlp_core.data.records import content_key
from rlp_core.workspace import PARTS
from tests.contracts.samples import (
    ANSWER_TOKENS,
    SETTINGS,
    THOUGHT,
    record,
    settings,
    without,
    write_prepared,
)

SOUND = 6


def validated(
    folder: Path, changed: dict[str, list[Any]], using: Validate = SETTINGS
) -> Validation:
    write_prepared(folder / "prepared", changed)
    return validate(folder / "prepared", using, THOUGHT, ANSWER_TOKENS, folder / "docs")


def failures(found: Validation) -> dict[str, list[str]]:
    """Rule to `part row` of everything that fails."""
    failed: dict[str, list[str]] = {}
    for outcome in found.outcomes:
        for row in outcome.failed:
            failed.setdefault(outcome.rule.name, []).append(f"{outcome.table} {row}")
    return failed


def test_sound_data_pass_whole(tmp_path: Path) -> None:
    found = validated(tmp_path, {})
    assert failures(found) == {}
    assert found.stop_reason() is None
    assert [len(verdict.passed) for verdict in found.parts] == [SOUND] * len(PARTS)


def test_each_fault_is_found_where_it_was_planted(tmp_path: Path) -> None:
    planted: list[tuple[str, Any]] = [
        ("schema", '{"id": "cut'),
        ("schema", record("rlp", 11, surplus=1)),
        ("id_given", without("rlp", "id")),
        ("key_given", record("rlp", 12, key=None)),
        ("source_given", record("rlp", 13, source=None)),
        ("licence_given", record("rlp", 14, licence=None)),
        ("key_is_hash", record("rlp", 15, key="abc")),
        ("characters", record("rlp", 16, text="ab", spans=[])),
        ("characters", record("rlp", 17, text="a" * 401)),
        ("tokens", record("rlp", 18, text="a b " * 31)),
        ("replacement_characters", record("rlp", 19, text="once upon \ufffd time in a field")),
        ("control_characters", record("rlp", 20, text="once upon \x00 time in a house")),
        ("surrogates", record("rlp", 21, text="once upon \ud800 time in a barn")),
        ("no_delimiters", record("rlp", 22, text="so <think> 2 </think> it goes on")),
    ]
    rows = [row for _, row in planted]
    found = validated(tmp_path, {"rlp": [record("rlp", 90 + n) for n in range(20)] + rows})
    failed = failures(found)
    for number, (rule, _) in enumerate(planted, start=20):
        assert f"rlp {number}" in failed[rule]
    verdict = found.parts[1]
    assert sorted(verdict.quarantined) == list(range(20, 20 + len(planted)))
    assert found.stop_reason() is None


def test_duplicate_ids_stop_the_pipeline(tmp_path: Path) -> None:
    rows = [record("base", n) for n in range(6)] + [record("base", 9, id="base-2")]
    stop = validated(tmp_path, {"base": rows}).stop_reason()
    assert stop is not None
    assert stop.exit_code == 65
    assert "base: `id_unique` fails for base-2, base-2" in str(stop)


def test_too_large_a_quarantine_stops_the_pipeline(tmp_path: Path) -> None:
    changed: dict[str, list[Any]] = {}
    for part, rows in (("finetune", 10), ("bootstrap", 9)):
        changed[part] = [record(part, n) for n in range(rows)]
        changed[part][3] = record(part, 3, thought="1+1 = 3")
    stop = validated(tmp_path, changed, settings(max_quarantine_share=0.1)).stop_reason()
    assert stop is not None
    assert "`quarantine_share` fails for bootstrap: 0.111111\n" in str(stop)


def test_empty_and_cut_parts_stop_the_pipeline(tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    write_prepared(prepared)
    (prepared / "heldout.jsonl").write_text("", encoding="utf-8")
    whole = (prepared / "base.jsonl").read_text(encoding="utf-8")
    (prepared / "base.jsonl").write_text(whole.rsplit("\n", 2)[0] + "\n", encoding="utf-8")
    stop = validate(prepared, SETTINGS, THOUGHT, ANSWER_TOKENS, tmp_path / "docs").stop_reason()
    assert stop is not None
    assert "`part_not_empty` fails for heldout: 0\n" in str(stop)
    assert "`part_complete` fails for base: 1, heldout: 6\n" in str(stop)


def test_problems_to_reward_may_be_none_where_none_were_asked_for(tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    write_prepared(prepared)
    (prepared / "rlvr.jsonl").write_text("", encoding="utf-8")
    manifest = json.loads((prepared / "manifest.json").read_text(encoding="utf-8"))
    for sources, stops in (([{"kind": "files", "name": "made-up"}], True), ([], False)):
        manifest["parts"]["rlvr"] |= {"records": 0, "sources": sources}
        (prepared / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        found = validate(prepared, SETTINGS, THOUGHT, ANSWER_TOKENS, tmp_path / "docs")
        assert (found.stop_reason() is not None) is stops
        assert ("part_not_empty" in failures(found)) is stops


def test_a_part_edited_by_hand_is_a_warning(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepared")
    with (tmp_path / "prepared" / "rlp.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps(record("rlp", 50)) + "\n")
    found = validate(tmp_path / "prepared", SETTINGS, THOUGHT, ANSWER_TOKENS, tmp_path / "docs")
    assert failures(found) == {"part_unchanged": ["summary 1"]}
    assert found.stop_reason() is None


def test_a_leaked_problem_is_quarantined_on_the_training_side(tmp_path: Path) -> None:
    problem = record("problems", 3)
    stolen = record("rlp", 7, text=problem["prompt"], key=content_key(problem["prompt"]))
    found = validated(tmp_path, {"rlp": [*(record("rlp", n) for n in range(6)), stolen]})
    assert failures(found) == {"leak": ["rlp 6"], "contamination": ["rlp 6"]}
    assert len(found.parts[-1].passed) == SOUND


def test_one_sided_gender_terms_are_a_warning(tmp_path: Path) -> None:
    texts = [f"he told his brother that field {n} of his was the king's own" for n in range(30)]
    rows = [record("base", n, text=text) for n, text in enumerate(texts)]
    found = validated(tmp_path, {"base": rows}, settings(near_duplicates="ignore"))
    assert failures(found) == {"group_balance": ["summary 0"]}
    assert found.stop_reason() is None


def test_a_warning_lets_the_row_pass(tmp_path: Path) -> None:
    rows = [*(record("rlp", n) for n in range(6)), record("rlp", 8, text="ask jo@mail.uni-ulm.de")]
    found = validated(tmp_path, {"rlp": rows}, settings(personal_data="warning"))
    assert failures(found) == {"personal_data": ["rlp 6"]}
    assert len(found.parts[1].passed) == 7


def test_answers_that_can_never_be_given_are_quarantined_or_warned_of(tmp_path: Path) -> None:
    rows = [record("problems", n) for n in range(6)]
    rows += [record("problems", 7, answer="one\ntwo"), record("problems", 8, answer="a b c d e")]
    expected = {"answer_one_line": ["problems 6"], "answer_fits": ["problems 7"]}
    for chosen, passed in (("error", 6), ("warning", 8)):
        folder = tmp_path / chosen
        found = validated(folder, {"problems": rows}, settings(unanswerable=chosen))
        assert failures(found) == expected
        assert len(found.parts[-1].passed) == passed

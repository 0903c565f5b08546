"""Which rules a part has, and how the settings change them."""

from __future__ import annotations

import re

import pytest

from rlp_core.contracts.config import Validate
from rlp_core.contracts.rules import NotMatches, Severity
from rlp_core.contracts.suites import rules_for, summary_rules
from rlp_core.workspace import EVALUATION_PARTS, PARTS, TRAINING_PARTS
from tests.contracts.samples import ANSWER_TOKENS, THOUGHT, settings


def suite(part: str, using: Validate | None = None) -> dict[str, Severity]:
    return {
        rule.name: rule.severity
        for rule in rules_for(part, using or settings(), THOUGHT, ANSWER_TOKENS)
    }


@pytest.mark.parametrize("part", PARTS)
def test_names_are_unique_and_texts_given(part: str) -> None:
    rules = rules_for(part, settings(), THOUGHT, ANSWER_TOKENS)
    assert len({rule.name for rule in rules}) == len(rules)
    assert all(rule.text for rule in rules)
    assert len(rules) <= 60  # more choke Data Docs


def test_duplicate_ids_are_critical_everywhere() -> None:
    assert {suite(part)["id_unique"] for part in PARTS} == {Severity.CRITICAL}


def test_only_training_parts_can_leak() -> None:
    for part in PARTS:
        assert ("leak" in suite(part)) is (part in TRAINING_PARTS)
        assert ("contamination" in suite(part)) is (part in TRAINING_PARTS)


def test_only_base_may_show_the_delimiters() -> None:
    assert [part for part in PARTS if "no_delimiters" not in suite(part)] == ["base"]
    rules = {rule.name: rule for rule in rules_for("rlp", settings(), THOUGHT, ANSWER_TOKENS)}
    check = rules["no_delimiters"].check
    assert isinstance(check, NotMatches)
    assert re.search(check.pattern, "so </think> it ends")
    assert not re.search(check.pattern, "let us think")


@pytest.mark.parametrize("chosen", ["warning", "error"])
def test_the_settings_choose_severities(chosen: str) -> None:
    using = settings(near_duplicates=chosen, personal_data=chosen, unsound_steps=chosen)
    found = suite("bootstrap", using)
    for rule in ("near_duplicate", "repeated", "personal_data", "steps_hold"):
        assert found[rule] == chosen


def test_a_world_may_repeat_itself_in_training_but_not_unseen_in_evaluation() -> None:
    using = settings(near_duplicates="ignore")
    for part in PARTS:
        assert "near_duplicate" not in suite(part, using)
    assert "repeated" not in suite("base", using)
    for part in EVALUATION_PARTS:
        assert suite(part, using)["repeated"] is Severity.WARNING


def test_the_summary_guards_the_quarantine_share() -> None:
    rules = {rule.name: rule for rule in summary_rules(settings(max_quarantine_share=0.07))}
    assert rules["quarantine_share"].severity is Severity.CRITICAL
    assert "7.0%" in rules["quarantine_share"].text

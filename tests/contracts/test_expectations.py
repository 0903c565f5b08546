"""Great Expectations gives the same verdict as the plain meaning of each check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rlp_core.contracts.expectations import Validator
from rlp_core.contracts.rules import (
    Between,
    BrokenRuleError,
    Check,
    Holds,
    Matches,
    NotMatches,
    NotNull,
    Rule,
    Severity,
    Unique,
)
from rlp_core.contracts.table import Table

COLUMNS = {
    "row": [0, 1, 2, 3],
    "id": ["a", "b", "a", None],
    "number": [1.0, 5.0, 9.0, 0.5],
    "text": ["plain", "br\ufffdken", "", "<b>"],
    "rule_sound": [True, True, False, True],
    "rule_all": [True, True, True, True],
}

CASES: list[tuple[Check, tuple[int, ...]]] = [
    (NotNull("id"), (3,)),
    (Unique("id"), (0, 2)),
    (Between("number", 1, 5), (2, 3)),
    (Between("number", None, 5), (2,)),
    (Between("number", 1, None), (3,)),
    (Matches("text", "^[a-z]+$"), (1, 2, 3)),
    (NotMatches("text", "\ufffd"), (1,)),
    (Holds("sound"), (2,)),
    (Holds("all"), ()),
]


def rule(name: str, check: Check) -> Rule:
    return Rule(name, Severity.ERROR, check, "so it must be")


@pytest.fixture
def validator(tmp_path: Path) -> Validator:
    return Validator(tmp_path / "docs")


def test_every_check_names_the_rows_that_fail(validator: Validator, tmp_path: Path) -> None:
    rules = [rule(f"case_{n}", check) for n, (check, _) in enumerate(CASES)]
    outcomes = validator.run(Table("base", COLUMNS), rules)
    assert [o.rule for o in outcomes] == rules
    assert [o.failed for o in outcomes] == [failed for _, failed in CASES]
    validator.build_docs()
    assert (tmp_path / "docs" / "index.html").is_file()
    assert list((tmp_path / "docs" / "validations").rglob("prepared-base.html"))


def test_an_empty_table_breaks_no_rule(validator: Validator) -> None:
    empty = Table("base", {name: [] for name in COLUMNS})
    rules = [rule(f"case_{n}", check) for n, (check, _) in enumerate(CASES)]
    assert all(outcome.holds for outcome in validator.run(empty, rules))


def test_a_broken_rule_is_not_mistaken_for_bad_data(validator: Validator) -> None:
    rules = [rule("sound", Holds("sound")), rule("absent", Between("no_such_column", 1, 2))]
    with pytest.raises(BrokenRuleError, match=r"`absent` could not be evaluated.*no_such_column"):
        validator.run(Table("base", COLUMNS), rules)
    assert BrokenRuleError.exit_code == 70


def test_nothing_imports_it_before_it_is_needed() -> None:
    code = "import sys, rlp_core.stages.validate; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

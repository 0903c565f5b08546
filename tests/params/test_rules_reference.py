"""The page of the rules is in step with the suites."""

from __future__ import annotations

from pathlib import Path

from rlp_core.params import load
from rlp_core.params import rules_reference as reference
from rlp_core.params.marked import replaced

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_shows_the_rules_as_they_are() -> None:
    params = load(ROOT / reference.PROFILE)
    text = (ROOT / reference.PAGE).read_text(encoding="utf-8")
    made = reference.rules_table(params.validate_, params.thought, params.evaluate.answer_tokens)
    assert replaced(text, reference.MARK, made) == text, "run `make params-reference`"
    assert made.count("\n") > 25

"""No training record may ask anything of a world that is held out, whatever source it came from."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core import environments
from rlp_core.contracts.heldout_worlds import found_in
from rlp_core.contracts.rules import Severity
from rlp_core.contracts.suites import rules_for
from rlp_core.environments import Environment
from rlp_core.workspace import PARTS, TRAINING_PARTS
from tests.contracts.samples import ANSWER_TOKENS, SETTINGS, THOUGHT, measured, record, settings

LONG, SHORT = "Q: 3+4-5+1-2\nA:1\n", "Q: 3+4\nA:7\n"


@given(st.sampled_from(environments.with_experts()), st.integers(0, 2**32), st.booleans())
def test_every_text_of_a_world_is_known_as_its_own(name: str, seed: int, worked: bool) -> None:
    world = environments.get(name)
    assert isinstance(world, Environment)
    task = world.sample(random.Random(seed), world.settings())
    solution = world.expert(task)
    text = world.document(task, solution, worked=worked).text
    steps = len(solution.steps)
    assert found_in(text, {name: 0}) == f"asks a question of `{name}`"
    said = f" that takes {steps} steps" if steps else ""  # a world may tell none
    found = found_in(f"Some words.\n{text}", {name: steps})
    assert found == f"asks a question of `{name}`{said}"
    assert not found_in(text, {name: steps + 1})
    others = {other: 0 for other in environments.with_experts() if other != name}
    assert not found_in(text, others)


def test_a_second_question_is_found_behind_the_first() -> None:
    assert found_in(SHORT + LONG, {"arithmetic": 4})
    assert not found_in(SHORT + SHORT, {"arithmetic": 4})


@pytest.mark.parametrize("part", PARTS)
def test_training_parts_have_the_rule_where_a_world_is_held_out(part: str) -> None:
    rules = rules_for(part, settings(heldout_worlds={"causes": 0}), THOUGHT, ANSWER_TOKENS)
    found = {rule.name: rule for rule in rules}
    assert ("heldout_world" in found) is (part in TRAINING_PARTS)
    if part in TRAINING_PARTS:
        assert found["heldout_world"].severity is Severity.CRITICAL
    assert "heldout_world" not in {
        rule.name for rule in rules_for(part, SETTINGS, THOUGHT, ANSWER_TOKENS)
    }


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("base", {"text": LONG}),
        ("rlp", {"text": LONG}),
        ("bootstrap", {"context": "Q: 3+4-5+1-2\nA:", "continuation": "1\n"}),
    ],
)
def test_a_row_of_any_source_breaks_it(part: str, fields: dict[str, str]) -> None:
    rows = [record(part), record(part, 1, **fields), record(part, 2)]
    table = measured(part, rows, using=settings(heldout_worlds={"arithmetic": 4}))
    assert table.columns["rule_heldout_world"] == [True, False, True]
    assert "`arithmetic` that takes 4 steps" in table.evidence["heldout_world"][1]


@pytest.mark.parametrize(
    ("worlds", "message"),
    [
        ({"arithmetics": 0}, "arithmetic"),
        ({"occupations": 0}, "asks no questions"),
        ({"arithmetic": -1}, "greater than or equal to 0"),
    ],
)
def test_what_is_no_world_is_refused(worlds: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        type(SETTINGS).model_validate({**SETTINGS.model_dump(), "heldout_worlds": worlds})

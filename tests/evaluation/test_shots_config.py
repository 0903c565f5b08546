"""Prompts with examples that no model could read are refused with the parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from rlp_core.params import Params
from rlp_core.params.root import sequence_lengths

PROFILE = Path(__file__).resolve().parents[2] / "profiles" / "tiny.yaml"


def made(**shots: Any) -> Params:
    tree = yaml.safe_load(PROFILE.read_text())
    tree["evaluate"]["shots"] = shots
    return Params.model_validate(tree)


def test_a_prompt_with_examples_must_fit_with_thought_and_answer() -> None:
    assert made(count=2, max_tokens=98)  # + 24 + 2 + 4 = 128, the context
    with pytest.raises(ValidationError, match=r"evaluate.shots.max_tokens .* = 129 exceeds"):
        made(count=2, max_tokens=99)
    assert made(count=0, max_tokens=4000)


def test_a_prompt_before_thoughts_counts() -> None:
    found = sequence_lengths(made(count=2, max_tokens=90), lead=7)
    key = next(key for key in found if key.startswith("evaluate.shots"))
    assert found[key] == 90 + 24 + 2 + 7 + 4
    assert "7 of thought.prompt" in key
    assert not [k for k in sequence_lengths(made(count=0)) if "shots" in k]


def test_examples_leave_room_for_the_problem() -> None:
    with pytest.raises(ValidationError, match="must be at least `max_tokens` = 64"):
        made(count=2, max_tokens=63)

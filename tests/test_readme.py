"""The README's example runs as it stands, on whatever model it is pointed at."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from tests import models
from tests.guides import library

README = library.GUIDE.parents[2] / "README.md"


@pytest.fixture(scope="module")
def example() -> str:
    (found,) = library.blocks(README)
    return found


def test_it_is_short_and_needs_torch_and_transformers_alone(example: str) -> None:
    assert len([line for line in example.splitlines() if line]) <= 30
    assert max(map(len, example.splitlines())) <= 100
    imported = set(re.findall(r"^(?:from|import) ([\w.]+)", example, re.M))
    assert imported == {"random", "transformers", "rlp_core"}


def test_it_runs_and_says_what_a_thought_is_worth(example: str, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models.model(5).save_pretrained("models/bootstrap")
    models.tokenizer().save_pretrained("models/bootstrap")
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)
    said = capsys.readouterr().out
    before, after = re.findall(r"^a thought is worth (\S+) nats$", said, re.M)
    assert float(before) != float(after)
    told = re.search(r"^'Q: .*A:.*': '.*' is worth (\S+) nats$", said, re.M)
    assert told
    assert math.isfinite(float(told.group(1)))
    assert repr(names["thought"].text) in told.group()
    assert (tmp_path / "my-thinking-model" / "model.safetensors").is_file()

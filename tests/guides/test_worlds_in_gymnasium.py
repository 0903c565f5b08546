"""docs/guides/worlds-in-gymnasium.md, run block after block: its learner learns."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.guides.library import GUIDE, blocks, follow

pytest.importorskip("gymnasium", reason="the extra gym is not installed")

from rlp_core.gym.arguments import AskingSettings, SpellingSettings

PAGE = GUIDE.parent / "worlds-in-gymnasium.md"


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """The names that the page leaves, and what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        names = follow(PAGE, tmp_path_factory.mktemp("gymnasium"))
    return names, printed.getvalue()


def test_the_expert_is_paid_and_the_letters_are_shown(followed: tuple[dict[str, Any], str]) -> None:
    _, said = followed
    assert re.match(r"Q: nim \d+ \d+, last stone wins\nA: \(.+\) take \d+ from \d+\n", said)
    assert "\n1.0 True False\n" in said
    assert re.search(r"^Q: \d[+-]\d\nA: \(48,\) Discrete\(11\)$", said, re.M)


def test_the_learner_learns_far_above_chance(followed: tuple[dict[str, Any], str]) -> None:
    names, _ = followed
    rewards = np.array(names["rewards"])
    assert set(rewards) == {0.0, 1.0}
    assert rewards[:100].mean() < 0.2 < 0.8 < rewards[-500:].mean()
    names["env"].reset(seed=10**6)
    assert np.mean([names["episode"](rate=0.0) for _ in range(300)]) > 0.8


def test_without_the_reward_nothing_is_learned(followed: tuple[dict[str, Any], str]) -> None:
    """The policy that the learner starts from, which the same draws leave as it is."""
    names, _ = followed
    names["table"].clear()
    names["env"].reset(seed=0)
    assert np.mean([names["episode"](rate=0.0) for _ in range(1000)]) < 0.05


def test_the_table_of_arguments_is_that_of_the_code() -> None:
    text = Path(PAGE).read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (\S+(?: \S+)*) \|$", text, re.M))
    fields = SpellingSettings.model_fields
    assert [name for name in rows if name in fields] == list(fields)
    for kind, column in ((AskingSettings, 3), (SpellingSettings, 4)):
        for name in ("split", "share", "expert", "longest_question", "longest_answer"):
            line = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
            cell = line.split("|")[column].strip()
            assert cell == f"`{kind.model_fields[name].default}`"


def test_the_block_that_is_not_run_is_python() -> None:
    (block,) = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    compile(block, str(PAGE), "exec")
    assert block not in blocks(PAGE)

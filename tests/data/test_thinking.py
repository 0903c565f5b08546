"""What a model's folder says of its thoughts."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.thinking import FILE, Thinking
from rlp_core.errors import DataError, MissingInputError

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)


@given(st.builds(Thinking, words, words, st.integers(1, 9999), st.just("") | words))
def test_what_is_written_is_what_is_read(thinking: Thinking) -> None:
    with TemporaryDirectory() as folder:
        thinking.write(Path(folder))
        assert Thinking.read(Path(folder)) == thinking


def test_a_folder_that_says_nothing_is_told_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=FILE) as raised:
        Thinking.read(tmp_path)
    for option in ("--open", "--close", "--max-tokens"):
        assert option in raised.value.fix


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"open": "a", "close": "b"}',
        '{"open": "a", "close": "b", "max_tokens": "9"}',
        '{"open": "a", "close": "b", "max_tokens": true}',
        '{"open": "a", "close": "b", "max_tokens": 0}',
        '{"open": "", "close": "b", "max_tokens": 9}',
        '{"open": "a", "close": "b", "max_tokens": 9, "colour": "blue"}',
    ],
)
def test_a_damaged_file_is_a_message(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(DataError, match="damaged"):
        Thinking.read(tmp_path)

"""A user's regular expression: what it finds, what it may not hold, and that it ends."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.expressions import compiled
from rlp_core.errors import ConfigError

PLACE = "prepare.base[0].mapping.extract"


@given(st.text("ab#\n 1é", max_size=40))
def test_it_finds_what_re_finds(text: str) -> None:
    pattern = r"(?s)(?P<steps>.+)\n#### ?(?P<final>.+)?"
    found = re.fullmatch(pattern, text)
    expected = found and found.groupdict(default="")
    assert compiled(pattern, PLACE).groups(text) == expected


@pytest.mark.parametrize("pattern", [r"(?P<x>(a+)+b)", r"(?P<x>(a|aa)+b)", r"(?P<x>(.*)*b)"])
def test_an_expression_that_would_never_end_ends(pattern: str) -> None:
    assert compiled(pattern, PLACE).groups("a" * 50_000) is None


@pytest.mark.parametrize(
    ("pattern", "construct"),
    [
        (r"(?P<x>a)(?=b)", "a lookahead"),
        (r"(?P<x>a)(?!b)", "a negative lookahead"),
        (r"(?<=a)(?P<x>b)", "a lookbehind"),
        (r"(?<!a)(?P<x>b)", "a negative lookbehind"),
        (r"(?P<x>a)\1", "a backreference"),
        (r"(?P<x>a)(?P=x)", "a backreference"),
        (r"(?>a)(?P<x>b)", "an atomic group"),
        (r"(?P<x>a++)", "a possessive repetition"),
        (r"(?P<x>a)\Z", r"which RE2 writes `\z`"),
    ],
)
def test_what_re2_has_not_is_named(pattern: str, construct: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compiled(pattern, PLACE)
    assert construct in caught.value.what
    assert caught.value.where.startswith(f"{PLACE} = ")


def test_what_is_no_expression_is_told_in_words_and_on_no_other_channel(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ConfigError, match=r"not a regular expression: missing \)"):
        compiled("(?P<x>a", PLACE)
    assert capfd.readouterr() == ("", "")

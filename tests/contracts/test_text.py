"""Tokens, encoding and personal data of one text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.contracts import text


def test_tokens_are_words_numbers_and_signs() -> None:
    assert text.tokens("It's 3+4.") == ["It", "'", "s", "3", "+", "4", "."]
    assert text.tokens("a_b  12ab\n") == ["a", "_", "b", "12", "ab"]
    assert text.tokens(" \n\t") == []


@given(st.text())
def test_tokens_lose_nothing_but_white_space(value: str) -> None:
    assert "".join(text.tokens(value)) == re.sub(r"\s", "", value)


@given(st.text(alphabet=st.characters(min_codepoint=0xC0, max_codepoint=0x17F), min_size=1))
def test_mojibake_is_found_where_it_was_made(value: str) -> None:
    broken = value.encode("utf-8").decode("latin-1")
    assert text.mojibake(f"so {broken} it is") == broken


@pytest.mark.parametrize("sound", ["café", "naïve — déjà vu", "“quoted” …", "Ωmega αβγ", "你好"])
def test_honest_text_is_no_mojibake(sound: str) -> None:
    assert text.mojibake(sound) is None


def test_unpaired_surrogates() -> None:
    assert text.has_unpaired_surrogate("a\ud800b")
    assert not text.has_unpaired_surrogate("a😀b")


@pytest.mark.parametrize("value", ["a\x00b", "a\x1bb", "\x7f", "a\x85b", "a\x0cb"])
def test_control_characters_match(value: str) -> None:
    assert re.search(text.CONTROL, value)


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"])))
def test_other_characters_do_not_match(value: str) -> None:
    assert not re.search(text.CONTROL, value + "\t\n\r")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("write to jo.smith+x@mail.uni-ulm.de now", "e-mail address"),
        ("<a@b.co>", "e-mail address"),
        ("call (555) 123-4567", "telephone number"),
        ("call 555-123-4567.", "telephone number"),
        ("call 555.123.4567", "telephone number"),
        ("call +44 20 7946 0958", "telephone number"),
        ("tel +49-30-901820-00", "telephone number"),
        ("+1 555 123 4567", "telephone number"),
    ],
)
def test_personal_data(value: str, kind: str | None) -> None:
    assert text.personal_data(value) == kind


@pytest.mark.parametrize(
    "value",
    [
        "5551234567",
        "555 - 123 - 4567 = 0",
        "100-200-3000=-3100",
        "3+12 34",
        "1,000,000 + 2,000,000",
        "3.14159.26535",
        "1955-1965, 1970-1980",
        "x = 2 +12 345 678 901",
        "someone@example.com",
        "user@localhost",
        "a @ b.com",
        "@property",
    ],
)
def test_numbers_and_sums_are_no_personal_data(value: str) -> None:
    assert text.personal_data(value) is None


@pytest.mark.parametrize(
    "value", ["a." * 100_000 + "@", "a%" * 100_000 + "@", "a@" * 100_000, "a@" + "b-" * 100_000]
)
def test_long_texts_do_not_hang(value: str) -> None:
    assert text.personal_data(value) is None


@given(st.text(max_size=80))
def test_no_text_takes_fewer_tokens_than_its_words_and_numbers(written: str) -> None:
    """By the pre-tokenizer of GPT-2, which byte-level BPE never merges across."""
    from tokenizers.pre_tokenizers import ByteLevel

    pieces = ByteLevel(add_prefix_space=False).pre_tokenize_str(written)
    assert text.least_tokens(written) <= len(pieces)

"""Text is text: no control token is ever read out of what a user wrote."""

from __future__ import annotations

import copy
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers import models as kinds
from transformers import PreTrainedTokenizerFast

from rlp_core.data.tokenizer import END_OF_TEXT, PADDING, Codec, add_delimiters
from rlp_core.errors import ConfigError, DataError
from tests import models, spaced

MARKS = ["<|im_start|>", "<|im_end|>", "<tool_call>"]
"""A chat model's; the last is not special, as in Qwen3."""


@cache
def chat() -> Codec:
    """A tokenizer with a chat model's marks, and with runs of spaces that are tokens of text."""
    made = copy.deepcopy(models.tokenizer())
    made.add_special_tokens({"additional_special_tokens": MARKS[:2]})
    made.add_tokens([AddedToken(text, special=False, normalized=False) for text in (MARKS[2],)])
    made.add_tokens([AddedToken(" " * 4, special=False, normalized=True)])
    return Codec.of(made, models.DELIMITERS)


pieces = st.sampled_from([END_OF_TEXT, PADDING, *models.DELIMITERS, *MARKS, "<", "|>", "    "])
texts = st.lists(pieces | st.text(max_size=8), max_size=8).map("".join)


@given(texts)
def test_a_text_comes_back_and_holds_no_control_token(text: str) -> None:
    for codec in (models.codec(), chat()):
        found = codec.encode(text)
        assert codec.decode(found) == text
        assert codec.control.isdisjoint(found)
        tokens, _ = codec.document(text, [])
        assert tokens == [*codec.prefix, *found, codec.end_id]
        assert codec.context(text) == [*codec.prefix, *found]


@given(st.text(alphabet="Q: 3+4-5\nA7nurse ", max_size=40))
def test_a_text_without_marks_is_read_as_the_tokenizer_itself_reads_it(text: str) -> None:
    for codec in (models.codec(), chat()):
        assert codec.encode(text) == codec.tokenizer.encode(text, add_special_tokens=False)


def test_control_are_marks_delimiters_and_special_tokens_but_no_white_space() -> None:
    codec = chat()
    known = codec.tokenizer.convert_tokens_to_ids
    assert codec.control == {
        known(text) for text in (END_OF_TEXT, PADDING, *models.DELIMITERS, *MARKS)
    }
    assert known(" " * 4) in codec.encode("a    b")


@given(texts, st.integers(0, 30))
def test_a_span_is_found_behind_marks_in_the_text(before: str, limit: int) -> None:
    codec = chat()
    start = len(before)
    tokens, marked = codec.document(before + "7", [[start, start + 1]])
    assert len(marked) == 1
    assert codec.decode(tokens[marked[0] : -1]).endswith("7")
    cut, kept = codec.document(before + "7", [[start, start + 1]], limit)
    assert cut == tokens[:limit]
    assert kept == [place for place in marked if place < limit]


def test_the_tokenizer_itself_is_left_as_it_was() -> None:
    codec = models.codec()
    codec.encode("<think>")
    assert codec.tokenizer.encode("<think>", add_special_tokens=False) == [codec.open_id]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (END_OF_TEXT, "control token"),
        (PADDING, "control token"),
        ("Q", "ordinary text"),
        ("  ", "ordinary text"),
    ],
)
def test_a_delimiter_that_means_something_else_is_refused(text: str, said: str) -> None:
    made = copy.deepcopy(models.tokenizer())
    size = len(made)
    with pytest.raises(ConfigError, match=said):
        add_delimiters(made, ("<think>", text))
    assert len(made) == size
    with pytest.raises(ConfigError, match=r"control token|ordinary text"):
        Codec.of(made, ("<think>", text))


def test_added_delimiters_are_named_by_their_numbers() -> None:
    made = copy.deepcopy(models.tokenizer())
    size = len(made)
    assert add_delimiters(made, models.DELIMITERS) == []
    assert add_delimiters(made, ("<a>", "</think>")) == [size]
    assert add_delimiters(made, ("<a>", "<b>")) == [size + 1]


def words(unknown: str | None = None) -> PreTrainedTokenizerFast:
    """One word one token; its own vocabulary holds the control tokens' texts."""
    made = Tokenizer(kinds.WordLevel({END_OF_TEXT: 0, "[UNK]": 1, "a": 2}, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END_OF_TEXT, unk_token=unknown)
    add_delimiters(fast, models.DELIMITERS)
    return fast


def test_a_tokenizer_that_cannot_write_a_mark_as_text_says_so() -> None:
    codec = Codec.of(words("[UNK]"), models.DELIMITERS)
    assert codec.encode("a never-seen a") == [2, 1, 2]
    with pytest.raises(DataError, match="out of plain text") as raised:
        codec.encode(f"a {END_OF_TEXT}")
    assert END_OF_TEXT in raised.value.what


def test_a_tokenizer_written_in_python_is_refused() -> None:
    class Slow:
        name_or_path = "somewhere"

    with pytest.raises(ConfigError, match="no fast tokenizer"):
        Codec.of(Slow(), models.DELIMITERS)  # type: ignore[arg-type]


@pytest.mark.parametrize("ends", [True, False])
def test_a_piece_of_a_longer_text_gets_no_end(ends: bool) -> None:
    codec = models.codec()
    tokens, _ = codec.document("Q: 3", [], ends=ends)
    assert tokens == [*codec.context("Q: 3"), *([codec.end_id] if ends else [])]


@given(st.text(alphabet="7 yes.", max_size=8), st.sampled_from(["", "\n", "\nQ: 1", "\r\n"]))
def test_an_answer_ends_at_its_line_or_at_the_end_of_text(answer: str, after: str) -> None:
    codec = models.codec()
    ended = [*codec.encode(answer), codec.end_id, *codec.encode("8")]
    assert codec.answer(ended) == answer.strip()
    assert codec.answer(codec.encode(answer + after)) == answer.strip()


def test_the_end_of_an_answer_is_a_token_and_not_its_text() -> None:
    codec = models.codec()
    assert codec.answer(codec.encode(f"7{END_OF_TEXT}8")) == f"7{END_OF_TEXT}8"


@cache
def spaced_codec(way: str) -> Codec:
    """A codec of a tokenizer that puts a space in front of a text."""
    made = copy.deepcopy(spaced.metaspace(way))
    add_delimiters(made, models.DELIMITERS)
    return Codec.of(made, models.DELIMITERS)


plain = st.text(alphabet="Q: 3+4-5\nA2nurse", max_size=12)


@pytest.mark.parametrize("way", spaced.METASPACE)
@given(before=plain, after=plain)
def test_no_space_is_put_before_text_that_goes_on(way: str, before: str, after: str) -> None:
    codec = spaced_codec(way)
    behind = codec.decode([codec.close_id, *codec.encode(after)])
    assert behind == f"{models.DELIMITERS[1]}{after}"
    whole = [*codec.context(before), codec.close_id, *codec.encode(after)]
    assert codec.decode(whole).endswith(f"{before}{models.DELIMITERS[1]}{after}")


@pytest.mark.parametrize("way", spaced.METASPACE)
def test_what_follows_a_thought_is_the_token_that_follows_in_the_text(way: str) -> None:
    codec = spaced_codec(way)
    for context, continuation in (("Q: 9-8\nA:", " 1"), ("Q: 9-8", "\nA: 1")):
        span = [len(context) + (continuation[0] == " "), len(context + continuation)]
        tokens, marked = codec.document(context + continuation, [span], ends=False)
        assert tokens[marked[0] :] == codec.encode(continuation)
        assert tokens[: marked[0]] == codec.context(context)


@pytest.mark.parametrize("way", spaced.METASPACE)
@given(text=plain)
def test_a_text_begins_as_the_tokenizer_itself_begins_it(way: str, text: str) -> None:
    codec = spaced_codec(way)
    own = codec.tokenizer.encode(text, add_special_tokens=False)
    assert codec.context(text) == [*codec.prefix, *own]


def test_any_of_several_ends_ends_an_answer_and_the_first_is_taught() -> None:
    made = copy.deepcopy(models.tokenizer())
    made.add_special_tokens({"additional_special_tokens": MARKS[:2]})
    ends = [made.eos_token_id, *made.convert_tokens_to_ids(MARKS[:2])]
    codec = Codec.of(made, models.DELIMITERS, ends=ends)
    assert codec.end_id == ends[0]
    assert codec.document("Q", [])[0][-1] == ends[0]
    for end in ends:
        assert codec.answer([*codec.encode("7"), end, *codec.encode("8")]) == "7"
        assert end in codec.control


def test_a_tokenizer_without_end_takes_the_models_and_one_without_pad_or_start_needs_none() -> None:
    made = copy.deepcopy(models.tokenizer())
    end = made.eos_token_id
    made.bos_token = made.eos_token = made.pad_token = None
    with pytest.raises(ConfigError, match="neither tokenizer nor model has an end-of-text token"):
        Codec.of(made, models.DELIMITERS)
    codec = Codec.of(made, models.DELIMITERS, ends=[end])
    assert (codec.prefix, codec.end_id, codec.pad_id, codec.first) == ((), end, end, 1)


@pytest.mark.parametrize("text", [PADDING, END_OF_TEXT])
def test_a_prompt_that_holds_a_control_token_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="the prompt holds") as raised:
        Codec.of(models.tokenizer(), models.DELIMITERS, f"Write {text} first.\n")
    assert text in raised.value.what

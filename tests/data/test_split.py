"""Sides of the split, and the pieces that long texts are cut into."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.data.blocks import chunks
from rlp_core.data.records import (
    Document,
    content_key,
    hash_share,
    heldout,
)
from tests.data.mappings import TEXT, mapper


@given(st.lists(TEXT, min_size=20, max_size=40, unique_by=content_key))
def test_train_and_heldout_part_the_rows(texts: list[str]) -> None:
    taken = {
        take: [
            record.key
            for text in texts
            for record in mapper({}, take=take).records({"text": text}, "id", "f")
        ]
        for take in ("all", "train", "heldout")
    }
    assert sorted(taken["train"] + taken["heldout"]) == sorted(taken["all"])
    assert not any(heldout(key, 0.3) for key in taken["train"])
    assert all(heldout(key, 0.3) for key in taken["heldout"])


@given(st.text("ab \n", max_size=300), st.integers(1, 50))
def test_chunks_joined_give_the_text_back(text: str, limit: int) -> None:
    pieces = list(chunks(text, limit))
    assert "".join(pieces) == text
    assert all(len(piece) <= limit for piece in pieces)
    assert all(len(piece) > limit // 2 for piece in pieces[:-1])
    assert all(pieces) or not text


def test_chunks_end_at_line_ends_where_they_can() -> None:
    assert list(chunks("aaaa\nbb\ncc cc\ndddddddddd", 9)) == [
        "aaaa\nbb\n",
        "cc cc\n",
        "ddddddddd",
        "d",
    ]


@given(st.text("ab \n", min_size=1, max_size=300))
def test_chunks_of_one_text_stay_on_one_side(text: str) -> None:
    pieces = list(mapper({}, chunk_chars=20).records({"text": text}, "id", "f"))
    train = list(mapper({}, chunk_chars=20, take="train").records({"text": text}, "id", "f"))
    assert train == ([] if heldout(content_key(text), 0.3) else pieces)
    assert len({piece.id for piece in pieces}) == len(pieces)
    if len(pieces) > 1:
        assert [piece.id for piece in pieces[:2]] == ["id.1", "id.2"]


@given(st.text("ab \n", min_size=1, max_size=300), st.sampled_from(["chunks", "blocks", "both"]))
def test_of_the_pieces_of_a_text_only_its_end_ends_it(text: str, cut: str) -> None:
    options = {
        "chunks": [{"chunk_chars": 20}],
        "blocks": [{"block_chars": 40, "take": side} for side in ("train", "heldout")],
        "both": [
            {"block_chars": 40, "chunk_chars": 20, "take": side} for side in ("train", "heldout")
        ],
    }
    made = [
        record
        for option in options[cut]
        for record in mapper({}, **option).records({"text": text}, "id", "f")
    ]
    if not made:  # a short text that lies on the other side
        return
    ending = [record for record in made if record.ends]
    assert len(ending) <= 1
    if cut == "chunks":
        assert ending == made[-1:]
    for record in ending:
        assert text.endswith(record.text)
    for record in made:
        row = record.model_dump()
        assert row.get("ends", True) is record.ends
        assert ("ends" in row) is not record.ends
        assert Document.model_validate(row) == record


def test_chunks_share_a_key_that_the_mapping_names() -> None:
    made = mapper({"key": "{name}"}, chunk_chars=3).records(
        {"text": "abcdef", "name": "x"}, "i", ""
    )
    assert {record.key for record in made} == {content_key("x")}


WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=7), min_size=60, max_size=200)


@given(WORDS, st.integers(0, 10), st.sampled_from([0, 25]))
def test_a_long_text_lies_on_both_sides_and_nothing_of_it_on_two(
    words: list[str], gap: int, chunk: int
) -> None:
    text = " ".join(words)
    sides, gaps = {}, {}
    for take in ("train", "heldout"):
        made = mapper({}, take=take, block_chars=40, gap_chars=gap, chunk_chars=chunk)
        sides[take] = list(made.records({"text": text}, "id", "f"))
        gaps[take] = made.left_in_gaps
        assert sides[take]
        assert not made.passed_over
    ids = [record.id for side in sides.values() for record in side]
    assert len(set(ids)) == len(ids)
    assert gaps["train"] == gaps["heldout"]
    kept = sum(len(r.text) for side in sides.values() for r in side if isinstance(r, Document))
    assert kept + gaps["train"] == len(text)


def test_a_short_text_stays_whole_on_its_side() -> None:
    row = {"text": "short"}
    found = [
        list(mapper({}, take=t, block_chars=40).records(row, "id", "f"))
        for t in ("train", "heldout")
    ]
    assert sorted(map(len, found)) == [0, 1]


RANGES = [(0.0, 0.25), (0.25, 0.5), (0.5, 1.0)]


@given(st.lists(TEXT, min_size=20, max_size=40, unique_by=content_key), st.booleans())
def test_ranges_of_the_hash_part_either_side(texts: list[str], held: bool) -> None:
    take = "heldout" if held else "train"

    def taken(**keys: object) -> list[str]:
        made = mapper({}, take=take, **keys)
        return [r.key for text in texts for r in made.records({"text": text}, "id", "f")]

    parts = [taken(hash_between=list(between)) for between in RANGES]
    assert sorted(key for part in parts for key in part) == sorted(taken())


def test_the_hash_of_a_range_says_nothing_of_the_side() -> None:
    """With one hash for both the first range would be held out, and training short of it."""
    keys = [content_key(str(number)) for number in range(4000)]
    for held in (True, False):
        side = [key for key in keys if heldout(key, 0.1) is held]
        first = sum(hash_share(key) < 0.25 for key in side) / len(side)
        assert abs(first - 0.25) < 0.1
    assert all(0 <= hash_share(key) < 1 for key in keys)


def test_rows_outside_the_range_are_counted_and_others_cut_as_ever() -> None:
    texts = [f"{number} aaa\nbbb\nccc\n" for number in range(40)]
    made = mapper({}, hash_between=[0.5, 1.0], chunk_chars=8)
    inside = sum(hash_share(content_key(text)) >= 0.5 for text in texts)
    rows = [list(made.records({"text": text}, "id", "f")) for text in texts]
    assert sum(map(bool, rows)) == inside
    assert made.passed_over == {"hash_between": 40 - inside}
    assert max(map(len, rows)) > 1


@pytest.mark.parametrize("between", [[0.5, 0.5], [0.6, 0.5], [-0.1, 0.5], [0.5, 1.1], [0.5], "x"])
def test_no_range_is_an_error(between: object) -> None:
    with pytest.raises(ValidationError, match="hash_between"):
        mapper({}, hash_between=between)


def test_a_repeated_row_is_taken_once_and_counted() -> None:
    rows = ["a b", "c", "A  B", "a b", "d"]
    for repeats, kept in (("keep", 5), ("skip", 3)):
        made = mapper({}, repeats=repeats)
        found = [
            r for n, text in enumerate(rows) for r in made.records({"text": text}, str(n), "f")
        ]
        assert len(found) == kept
        assert made.passed_over == ({"repeats": 2} if repeats == "skip" else {})
    assert [record.id for record in found] == ["0", "1", "4"]

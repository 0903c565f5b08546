"""Pieces of a file: joined they are its texts, and what is left out is counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlp_core.data.pieces import read_pieces
from rlp_core.errors import DataError, MissingInputError


def jsonl(path: Path, texts: list[object]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def test_pieces_of_rows_share_the_key_of_their_row(tmp_path: Path) -> None:
    first = "One line here.\n" * 4
    second = "Another one is here.\n" * 2 + "And one.\n"
    corpus = read_pieces(jsonl(tmp_path / "a.jsonl", [first + "End.\n", second]), 32)
    assert corpus.rows == 2
    keys = list(dict.fromkeys(piece.key for piece in corpus.pieces))
    assert len(keys) == 2
    joined = ["".join(p.text for p in corpus.pieces if p.key == key) for key in keys]
    assert joined[1] == second
    assert corpus.repeated == 1  # two of the first row's pieces are the same two lines
    assert joined[0] == "One line here.\n" * 2 + "End.\n"
    assert max(len(piece.text) for piece in corpus.pieces) <= 32
    assert [piece.ends for piece in corpus.pieces if piece.key == keys[1]] == [False, True]
    assert len({piece.id for piece in corpus.pieces}) == len(corpus.pieces)


def test_pieces_of_one_text_are_texts_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"Line {i} of it.\n" for i in range(6)))
    corpus = read_pieces(path, 32)
    assert corpus.rows == 1
    assert "".join(piece.text for piece in corpus.pieces) == path.read_text()
    assert len({piece.key for piece in corpus.pieces}) == len(corpus.pieces) == 3


@pytest.mark.parametrize(
    ("rows", "message"),
    [([""], "no text in its field"), ([7], "no text in its field"), (["a", None], "line 2")],
)
def test_a_row_without_text_is_told(tmp_path: Path, rows: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_pieces(jsonl(tmp_path / "a.jsonl", rows), 32)


def test_what_is_no_corpus_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such file"):
        read_pieces(tmp_path / "a.jsonl", 32)
    (tmp_path / "b.jsonl").write_text('{"txt": "a"}\n')
    with pytest.raises(DataError, match="no field `text`, but txt"):
        read_pieces(tmp_path / "b.jsonl", 32)
    (tmp_path / "c.bin").write_text("a")
    with pytest.raises(DataError, match="cannot read files of the format"):
        read_pieces(tmp_path / "c.bin", 32)

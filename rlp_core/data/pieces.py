"""Pieces of a corpus that is one file, for whoever measures a model on some of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rlp_core.data.blocks import chunks
from rlp_core.data.files import read_rows
from rlp_core.data.opening import Form
from rlp_core.data.records import Document, content_key
from rlp_core.errors import DataError, MissingInputError

LINE_BYTES = 64 * 2**20
"""A longer line is no text."""

UNSTATED = "not stated"


@dataclass(frozen=True)
class TextPieces:
    """A file's texts in pieces.

    Attributes:
        pieces: with `key`, the text that each is from: a row, or, of a file that is one text, the
            piece itself.
        rows: texts of the file.
        repeated: pieces that were left out since an equal one stands before them.
    """

    pieces: list[Document]
    rows: int
    repeated: int


def read_pieces(file: Path, characters: int) -> TextPieces:
    """Read a text file, or a file of rows with a field `text`, and cut its texts.

    Args:
        file: .txt, .jsonl, .json, .csv, .tsv or .parquet, also with .gz.
        characters: of a piece at most.

    Raises:
        MissingInputError: there is no such file, or it may not be read.
        DataError: it is none of these, is damaged, or a row has no text.
    """
    if not file.is_file():
        raise MissingInputError(
            "no such file", where=str(file), fix="name a text file or a JSONL file with `text`"
        )
    texts = list(_texts(file))
    pieces, known, repeated = [], set[str](), 0
    for text in texts:
        cut = [piece for piece in chunks(text, characters) if piece.strip()]
        for place, piece in enumerate(cut):
            name = content_key(piece)
            if name in known:
                repeated += 1
                continue
            known.add(name)
            key = content_key(text) if len(texts) > 1 else name
            ends = place == len(cut) - 1
            pieces.append(
                Document(
                    id=name, key=key, source=file.name, licence=UNSTATED, text=piece, ends=ends
                )
            )
    return TextPieces(pieces, len(texts), repeated)


def _texts(file: Path) -> Iterator[str]:
    for row in read_rows(file, Form(LINE_BYTES)):
        text = row.fields.get("text")
        if not isinstance(text, str) or not text.strip():
            raise DataError(
                "a row has no text in its field `text`"
                if "text" in row.fields
                else f"a row has no field `text`, but {', '.join(map(str, row.fields)) or 'none'}",
                where=row.where,
                fix='write one object a line: {"text": "..."}',
            )
        yield text

"""Rows as they are: no line is passed over, and none stops the reading."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlp_core.contracts.read import read_manifest, read_part
from rlp_core.errors import DataError, MissingInputError
from tests.contracts.samples import record


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": "cut off',
        b"[1, 2]",
        b"",
        b"\xff\xfe broken",
        json.dumps(record("rlp", text=3)).encode(),
        json.dumps(record("rlp", spans=[[1.0, 2.0]])).encode(),
        json.dumps(record("rlp", extra=1)).encode(),
        json.dumps({"text": "alone"}).encode(),
        b"[" * 100_000,
    ],
)
def test_a_bad_line_is_a_row_with_a_fault(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "rlp.jsonl"
    path.write_bytes(line + b"\n" + json.dumps(record("rlp", 1)).encode() + b"\n")
    bad, good = read_part(path)
    assert bad.fault
    assert not good.fault


def test_each_part_has_its_kind(tmp_path: Path) -> None:
    for part in ("heldout", "finetune", "problems"):
        path = tmp_path / f"{part}.jsonl"
        path.write_text(json.dumps(record(part)) + "\n", encoding="utf-8")
        assert [row.fault for row in read_part(path)] == [""]


def test_a_row_without_an_id_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "rlp.jsonl").write_text("{}\n", encoding="utf-8")
    assert read_part(tmp_path / "rlp.jsonl")[0].name(0) == "line 1"


def test_missing_part_and_manifest(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="base"):
        read_part(tmp_path / "base.jsonl")
    with pytest.raises(MissingInputError, match="manifest"):
        read_manifest(tmp_path / "manifest.json")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"parts": 3}'])
def test_an_unreadable_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="manifest"):
        read_manifest(tmp_path / "manifest.json")

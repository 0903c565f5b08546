"""Whole files or none, and digests that depend on content alone."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core import files
from rlp_core.errors import EXIT_OUTPUT, OutputError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_a_failed_file_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(type(error)), files.replacing_file(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_a_failed_folder_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "out"
    with files.replacing_folder(path) as folder:
        (folder / "a").write_text("old")
    with pytest.raises(type(error)), files.replacing_folder(path) as folder:
        (folder / "a").write_text("half")
        raise error
    assert (path / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_folder_replaces_all_of_the_old_one(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with files.replacing_folder(tmp_path / "out") as folder:
            (folder / name).write_text(name)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["second"]


def test_a_full_disk_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left") as caught:  # noqa: SIM117
        with files.replacing_file(tmp_path / "a.txt"):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.exit_code == EXIT_OUTPUT
    assert "a.txt" in caught.value.where
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(OutputError, match="data/x"):
        files.write_text(tmp_path / "data" / "x", "text")
    with pytest.raises(OutputError, match="data/y"), files.replacing_folder(tmp_path / "data/y"):
        pass


@given(value=JSON)
def test_equal_values_give_equal_bytes(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    folder = tmp_path_factory.mktemp("json")
    files.write_json(folder / "a", value)
    files.write_json(folder / "b", json.loads((folder / "a").read_text(encoding="utf-8")))
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


@given(rows=st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=4))
def test_rows_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "a.jsonl"
    assert files.write_jsonl(path, iter(rows)) == len(rows)
    assert list(files.read_jsonl(path)) == rows


def test_a_folders_digest_sees_names_and_content_alone(tmp_path: Path) -> None:
    def made(name: str, content: dict[str, str]) -> str:
        for inner, text in content.items():
            files.write_text(tmp_path / name / inner, text)
        return files.folder_sha256(tmp_path / name)

    same = {made("a", {"x": "1", "y/z": "2"}), made("b", {"y/z": "2", "x": "1"})}
    others = {made("c", {"x": "1", "y/z": "3"}), made("d", {"x": "1", "yz": "2"})}
    assert len(same) == 1
    assert len(same | others) == 3


def test_half_a_surrogate_pair_is_kept_for_the_validation_to_find(tmp_path: Path) -> None:
    rows = [{"text": "half \ud83d of a pair"}, {"text": "whole 😀"}]
    path = tmp_path / "rows.jsonl"
    assert files.write_jsonl(path, rows) == 2
    assert list(files.read_jsonl(path)) == rows
    assert "😀" in path.read_text(encoding="utf-8")

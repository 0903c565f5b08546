"""Reading what comes from outside: every format, and every way for a file to be broken."""

import codecs
import csv
import gzip
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlp_core.data import files
from rlp_core.data.opening import Form
from rlp_core.errors import ConfigError, DataError, MissingInputError, RlpError

LIMIT = 1000
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
reused = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)

# A carriage return inside a field is beyond csv readers and writers alike.
CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), max_size=20)
PLAIN_CELL = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20)


def fields(path: Path, limit: int = LIMIT) -> list[dict[str, Any]]:
    return [row.fields for row in files.read_rows(path, Form(limit))]


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def table(rows: list[dict[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, fieldnames=["a", "b"])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def tabs(rows: list[dict[str, str]]) -> bytes:
    return "".join(
        f"{a}\t{b}\n" for a, b in [("a", "b"), *((r["a"], r["b"]) for r in rows)]
    ).encode()


def parquet(rows: list[dict[str, str]]) -> bytes:
    out = io.BytesIO()
    schema = pyarrow.schema([("a", pyarrow.string()), ("b", pyarrow.string())])
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), out)
    return out.getvalue()


WRITERS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "jsonl": jsonl,
    "csv": table,
    "tsv": tabs,
    "parquet": parquet,
}


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("kind", WRITERS)
@reused
@given(data=st.data())
def test_rows_come_back_as_written(
    tmp_path: Path, kind: str, ending: str, data: st.DataObject
) -> None:
    cell = PLAIN_CELL if kind == "tsv" else CELL
    rows = data.draw(st.lists(st.fixed_dictionaries({"a": cell, "b": cell}), min_size=1))
    path = put(tmp_path, f"rows.{kind}{ending}", WRITERS[kind](rows))
    read = list(files.read_rows(path, Form(LIMIT)))
    assert [row.fields for row in read] == rows
    assert [row.number for row in read] == list(range(1, len(rows) + 1))


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_a_text_file_is_one_document(tmp_path: Path, name: str) -> None:
    text = "one\n\ntwo\r\nthree"
    assert fields(put(tmp_path, name, text.encode())) == [{"text": text}]


def test_quotation_marks_stand_for_themselves_in_tsv(tmp_path: Path) -> None:
    path = put(tmp_path, "a.tsv", b'a\tb\n"x\ty"\n')
    assert fields(path) == [{"a": '"x', "b": 'y"'}]


def test_a_quoted_field_of_csv_may_run_over_lines(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", b'a,b\n"x\ny",z\n1,2\n')
    read = list(files.read_rows(path, Form(LIMIT)))
    assert [row.fields["a"] for row in read] == ["x\ny", "1"]
    assert read[1].where.endswith("line 4")


def test_a_long_csv_field_is_read_whole(tmp_path: Path) -> None:
    text = "x" * 200_000  # beyond the default limit of the csv module
    path = put(tmp_path, "a.csv", f"a\n{text}\n".encode())
    assert fields(path, 10**6) == [{"a": text}]


def test_blank_lines_are_no_rows_and_still_count(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", b'{"a": 1}\n\n  \n{"a": 2}')
    assert [(row.number, row.fields["a"]) for row in files.read_rows(path, Form(LIMIT))] == [
        (1, 1),
        (4, 2),
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_byte_order_mark_is_taken_off(tmp_path: Path, name: str) -> None:
    content = {"a.jsonl": b'{"a": "1"}\n', "a.csv": b"a\n1\n"}[name]
    assert fields(put(tmp_path, name, b"\xef\xbb\xbf" + content)) == [{"a": "1"}]


BROKEN: dict[str, tuple[str, bytes, str, str]] = {
    "empty": ("a.jsonl", b"", "the file is empty", "a.jsonl"),
    "only blank lines": ("a.jsonl", b"\n \n", "the file is empty", "a.jsonl"),
    "empty gzip": ("a.jsonl.gz", b"", "the file is empty", "a.jsonl.gz"),
    "blank text": ("a.txt", b" \n", "the file is empty", "a.txt"),
    "header only": ("a.csv", b"a,b\n", "the file is empty", "a.csv"),
    "empty parquet": ("a.parquet", parquet([]), "the file is empty", "a.parquet"),
    "cut off": ("a.jsonl", b'{"a": 1}\n{"a": ', "seems to be cut off here", "line 2"),
    "bad line in between": ("a.jsonl", b'{"a" 1}\n{"a": 1}\n', "not JSON", "line 1"),
    "a list": ("a.jsonl", b'{"a": 1}\n[1]\n', "of type list, not an object", "line 2"),
    "a number": ("a.jsonl", b"3\n", "of type int, not an object", "line 1"),
    "null": ("a.jsonl", b"null\n", "of type NoneType, not an object", "line 1"),
    "latin 1": ("a.jsonl", b'{"a": 1}\n{"a": "\xe9"}\n', "0xe9 at column 8", "line 2"),
    "binary text": ("a.txt", b"\xff\xf0\x01", "not UTF-8: byte 0xff", "line 1"),
    "long line": ("a.jsonl", b'{"a": "' + b"x" * LIMIT + b'"}\n', "longer than 1000", "line 1"),
    "long line of text": ("a.txt", b"x\n" + b"x" * LIMIT + b"\n", "longer than 1000", "line 2"),
    "ragged, long": ("a.csv", b"a,b\n1,2\n1,2,3\n", "3 fields, the header has 2", "line 3"),
    "ragged, short": ("a.tsv", b"a\tb\n1\n", "1 fields, the header has 2", "line 2"),
    "open quotation": ("a.csv", b'a,b\n1,"2\n3,4\n', "unexpected end of data", "line 3"),
    "double column": ("a.csv", b"a,a\n1,2\n", "name every column", "line 1"),
    "unnamed column": ("a.csv", b"a,\n1,2\n", "name every column", "line 1"),
    "no parquet": ("a.parquet", b"PAR1 and no more", "not a whole parquet file", "a.parquet"),
    "cut parquet": ("a.parquet", parquet([{"a": "1"}])[:-9], "not a whole", "a.parquet"),
    "unknown format": ("a.xlsx", b"PK", "cannot read files of the format '.xlsx'", "a.xlsx"),
    "no format": ("LICENSE", b"MIT", "without an ending", "LICENSE"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_told_with_its_place(tmp_path: Path, case: str) -> None:
    name, content, what, where = BROKEN[case]
    with pytest.raises(DataError) as caught:
        fields(put(tmp_path, name, content))
    assert what in caught.value.what
    assert where in caught.value.where
    assert str(tmp_path) in caught.value.where
    assert caught.value.fix


def test_a_row_that_is_nested_without_end(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not JSON"):
        fields(put(tmp_path, "a.jsonl", b"[" * 200_000), 10**6)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "txt", "parquet"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_cut_gzip_is_told(tmp_path: Path, kind: str, share: float) -> None:
    rows = [{"a": str(n * n), "b": f"b{n}"} for n in range(200)]
    content = WRITERS.get(kind, jsonl)(rows)
    whole = gzip.compress(content)
    path = tmp_path / f"a.{kind}.gz"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match="cut off or damaged"):
        fields(path)


def test_what_is_no_gzip_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(b'{"a": 1}\n')
    with pytest.raises(DataError, match="cut off or damaged: Not a gzipped file"):
        fields(path)


def test_damage_inside_a_gzip_is_told(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(jsonl([{"a": str(n * n)} for n in range(200)])))
    whole[len(whole) // 2] ^= 0xFF
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(bytes(whole))
    with pytest.raises(DataError):
        fields(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", b"{}\n")
    path.chmod(0)
    with pytest.raises(MissingInputError, match="cannot read"):
        fields(path)


def test_a_file_that_went_away(tmp_path: Path) -> None:
    for reading in (lambda path: fields(path), files.digest):
        with pytest.raises(MissingInputError, match="cannot read"):
            reading(tmp_path / "gone.jsonl")


def test_only_as_much_as_needed_is_read(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", b'{"a": 1}\n' + b"x" * 10**6)
    assert next(iter(files.read_rows(path, Form(LIMIT)))).fields == {"a": 1}


def test_matching_is_in_order_and_names_files_only(tmp_path: Path) -> None:
    (tmp_path / "sub.jsonl").mkdir()
    for name in ("b.jsonl", "a.jsonl", "sub.jsonl/c.jsonl"):
        put(tmp_path, name, b"{}\n")
    assert [p.name for p in files.matching(tmp_path, "*.jsonl")] == ["a.jsonl", "b.jsonl"]
    assert len(files.matching(tmp_path, "**/*.jsonl")) == 3


@pytest.mark.parametrize(
    ("folder", "pattern", "kind", "what"),
    [
        (".", "*.jsonl", MissingInputError, "no file matches"),
        ("nowhere", "*.jsonl", MissingInputError, "no such folder"),
        (".", "../*.jsonl", ConfigError, "below `prepare.folder`"),
        (".", "/etc/*.jsonl", ConfigError, "below `prepare.folder`"),
    ],
)
def test_what_cannot_match(
    tmp_path: Path, folder: str, pattern: str, kind: type[RlpError], what: str
) -> None:
    with pytest.raises(kind, match=what):
        files.matching(tmp_path / folder, pattern)


ROW = {"a": "Zoë \N{EN DASH} 鹭 🦆"}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030"]


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_an_encoding_that_is_named_is_read(
    tmp_path: Path, kind: str, encoding: str, ending: str
) -> None:
    text = {"jsonl": json.dumps(ROW, ensure_ascii=False) + "\n", "csv": f"a\n{ROW['a']}\n"}[kind]
    path = put(tmp_path, f"a.{kind}{ending}", text.encode(encoding))
    assert [row.fields for row in files.read_rows(path, Form(LIMIT, "", encoding))] == [ROW]


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, mark: bytes) -> None:
    encoding = {2: "utf-16", 4: "utf-32"}[len(mark)] + ("-be" if mark[0] == 0xFE else "-le")
    text = json.dumps(ROW, ensure_ascii=False) + "\n"
    path = put(tmp_path, "a.jsonl", mark + text.encode(encoding))
    assert fields(path) == [ROW]


def test_a_line_of_utf_16_may_be_no_longer_than_another(tmp_path: Path) -> None:
    path = put(tmp_path, "a.txt", ("x\n" + "x" * LIMIT).encode("utf-16"))
    with pytest.raises(DataError, match="longer than 1000 bytes") as caught:
        fields(path)
    assert "line 2" in caught.value.where


def test_gzip_is_told_by_its_bytes(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", gzip.compress(jsonl([ROW])))
    assert fields(path) == [ROW]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.json.gz"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_list_is_read(tmp_path: Path, name: str, indent: int | None) -> None:
    content = json.dumps([{"a": 1}, {"a": 2}], indent=indent).encode()
    read = list(files.read_rows(put(tmp_path, name, content), Form(LIMIT)))
    assert [(row.number, row.fields["a"]) for row in read] == [(1, 1), (2, 2)]
    assert read[1].where.endswith("item 2 of the list")


def test_a_json_file_of_lines_is_read(tmp_path: Path) -> None:
    assert fields(put(tmp_path, "a.json", jsonl([{"a": 1}, {"a": 2}]))) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_named_and_then_read(tmp_path: Path, separator: str) -> None:
    path = put(tmp_path, "a.csv", f"a{separator}b\n1,5{separator}2\n".encode())
    with pytest.raises(DataError) as caught:
        fields(path)
    assert f"separator: {json.dumps(separator)}" in caught.value.fix
    form = Form(LIMIT, separator)
    assert [row.fields for row in files.read_rows(path, form)] == [{"a": "1,5", "b": "2"}]


def test_one_column_whose_name_holds_a_separator(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", b"a; or b\n1\n")
    form = Form(LIMIT, ",")
    assert [row.fields for row in files.read_rows(path, form)] == [{"a; or b": "1"}]


FOREIGN: dict[str, tuple[bytes, str]] = {
    "zip": (b"PK\x03\x04more", "a zip archive"),
    "bzip2": (b"BZh91AY", "compressed by bzip2"),
    "xz": (b"\xfd7zXZ\x00", "compressed by xz"),
    "parquet": (parquet([{"a": "1"}]), "a parquet file"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    "utf-16 without a mark": ('{"a": 1}\n'.encode("utf-16-le"), "UTF-16 without its mark"),
    "utf-16-be without a mark": ('{"a": 1}\n'.encode("utf-16-be"), "UTF-16 without its mark"),
    "cut utf-16": (b"\xff\xfea", "not UTF-16-LE: truncated data"),
    "long number": (b'{"a": ' + b"1" * 5000 + b"}", "Exceeds the limit"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_a_file_really_is_is_told(tmp_path: Path, case: str) -> None:
    content, what = FOREIGN[case]
    with pytest.raises(DataError) as caught:
        fields(put(tmp_path, "a.jsonl", content), 10**6)
    assert what in caught.value.what
    assert "latin" not in caught.value.fix


def test_a_byte_of_another_encoding_is_told_with_the_option(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not UTF-8: byte 0xeb") as caught:
        fields(put(tmp_path, "a.txt", b"Zo\xeb"))
    assert "set `encoding` in the source" in caught.value.fix


@pytest.mark.parametrize("pattern", ["*", "*.jsonl", "p*"])
def test_a_pipe_is_told_and_not_waited_on(tmp_path: Path, pattern: str) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(DataError, match="a pipe, not a file"):
        files.matching(tmp_path, pattern)


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match="a link that leads nowhere"):
        files.matching(tmp_path, "*.jsonl")


def test_a_name_that_is_no_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.jsonl")).write_bytes(b"{}\n")
    with pytest.raises(DataError, match="name of the file is not UTF-8") as caught:
        files.matching(tmp_path, "*.jsonl")
    str(caught.value).encode("utf-8")


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
@pytest.mark.parametrize(
    ("pattern", "rows"),
    [
        ("gsm8k/train.jsonl.gz", 7473),
        ("truthfulqa/*.csv.gz", 817),
        ("gap/test.tsv.gz", 2000),
        ("chess/openings_a.tsv", 817),
        ("chess/puzzles_1000_1200_test.csv.gz", 1810),
        ("corpora/tiny_shakespeare.txt.gz", 1),
    ],
)
def test_published_files_have_the_rows_that_their_manifest_states(pattern: str, rows: int) -> None:
    [path] = files.matching(SHARED, pattern)
    assert sum(1 for _ in files.read_rows(path, Form(10**6))) == rows


def test_a_first_column_without_a_name_is_the_index_as_pandas_writes_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(",text\n0,one\n1,two\n")
    rows = [row.fields for row in files.read_rows(tmp_path / "a.csv", Form(1000))]
    assert rows == [{"index": "0", "text": "one"}, {"index": "1", "text": "two"}]
    (tmp_path / "a.csv").write_text(",index\n0,one\n")
    with pytest.raises(DataError, match="name every column"):
        list(files.read_rows(tmp_path / "a.csv", Form(1000)))

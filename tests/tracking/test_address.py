"""The address of the store: one file whichever folder a process stands in, and no secret shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from rlp_core.tracking.address import masked, shown, sqlite_file, sqlite_uri, tracking_uri
from rlp_core.workspace import Workspace


@pytest.mark.parametrize(
    ("named", "file"),
    [
        ("sqlite:///mlflow.db", "mlflow.db"),
        ("sqlite:///./a/b.db", "a/b.db"),
        ("sqlite+pysqlite:///a%20b.db?timeout=3", "a b.db"),
    ],
)
def test_a_relative_file_lies_in_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, file: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", named)
    monkeypatch.chdir("/")
    uri = tracking_uri(Workspace(tmp_path))
    assert sqlite_file(uri) == tmp_path / file
    assert make_url(uri).database == str(tmp_path / file)
    assert uri.partition("?")[2] == named.partition("?")[2]


@pytest.mark.parametrize("named", ["./mlruns", "mlruns", "file:mlruns"])
def test_a_relative_folder_lies_in_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", named)
    assert tracking_uri(Workspace(tmp_path)) == (tmp_path / "mlruns").as_uri()


@pytest.mark.parametrize(
    "named",
    ["sqlite:////a/b.db", "http://host:5000", "postgresql://u:p@h/d", "databricks", "file:///a/b"],
)
def test_other_addresses_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", named)
    assert tracking_uri(Workspace(tmp_path)) == named


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1))
def test_a_file_of_any_name_is_found_again(name: str) -> None:
    path = Path("/a") / name.strip("/")
    assert sqlite_file(sqlite_uri(path)) == path
    assert make_url(sqlite_uri(path)).database == str(path)


def test_a_file_of_the_checkout_is_shown_from_its_root(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert shown(sqlite_uri(tmp_path / ".rlp" / "x.db"), workspace) == "sqlite:///.rlp/x.db"
    assert shown("http://u:p@h", workspace) == "http://***@h"


@given(st.text("abc123/@:!$", min_size=6).filter(lambda text: not text.startswith("/")))
def test_no_password_is_shown(password: str) -> None:
    text = f"cannot reach postgresql://user:{password}@host/db now"
    assert masked(text) == "cannot reach postgresql://***@host/db now"
    assert masked("http://h/x?password=hunter2&a=1") == "http://h/x?password=***&a=1"

"""The folder of Prefect, and a server on loopback that no proxy may stand before."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.server import configure, prefect_home
from rlp_core.errors import EXIT_OUTPUT, ConfigError, OutputError
from rlp_core.workspace import Workspace


@pytest.mark.parametrize("named", ["{tmp}/file", "{tmp}/file/below", "~nobody-of-this-name/x"])
def test_an_unusable_home_is_named(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    home = named.format(tmp=tmp_path)
    monkeypatch.setenv("PREFECT_HOME", home)
    with pytest.raises(OutputError, match="PREFECT_HOME") as caught:
        configure(tmp_path)
    assert home in str(caught.value)
    assert caught.value.exit_code == EXIT_OUTPUT


def test_a_workspace_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    (tmp_path / ".rlp").touch()
    with pytest.raises(OutputError, match="cannot be used") as caught:
        prefect_home(Workspace(tmp_path))
    assert str(tmp_path / ".rlp") in str(caught.value)


def test_a_relative_home_is_the_same_folder_for_every_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_HOME", "mine")
    assert prefect_home(Workspace(tmp_path)) == tmp_path / "mine"


@pytest.mark.parametrize(
    "proxy", ["socks4://me:secret@inner.example:9", "nonsense://", "http://a:b"]
)
def test_a_proxy_that_cannot_be_used_is_named(
    proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(ConfigError, match="all_proxy=") as caught:
        configure(tmp_path)
    assert "secret" not in str(caught.value)

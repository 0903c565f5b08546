"""`make ui`: what it says where there is nothing to show."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from flows import ui
from rlp_core.errors import EXIT_MISSING, EXIT_UNAVAILABLE, MissingInputError
from rlp_core.params import load
from rlp_core.tracking import open_run
from rlp_core.workspace import Workspace


def test_nothing_was_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    assert ui.main() == EXIT_MISSING
    assert "make run" in capsys.readouterr().err


def test_a_tracking_server_has_its_own_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@tracking.example:5000")
    monkeypatch.chdir(tmp_path)
    assert ui.main() == EXIT_UNAVAILABLE
    said = capsys.readouterr().err
    assert "tracking.example:5000" in said
    assert "secret" not in said


def test_a_relative_store_is_the_one_that_the_stages_wrote(
    tracked: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mine.db")
    with pytest.raises(MissingInputError, match=r"mine\.db"):
        ui.start_all(tracked, [])
    with open_run("base", load(tracked.params), tracked):
        pass
    assert (tracked.root / "mine.db").is_file()
    started: list[tuple[list[str], dict[str, str]]] = []

    def start(_name: str, command: list[str], switches: dict[str, str], *_: object) -> None:
        started.append((command, switches))

    monkeypatch.setattr(ui, "_start", start)
    ui._mlflow(tracked)
    command, switches = started[0]
    assert switches["MLFLOW_BACKEND_STORE_URI"] == f"sqlite:///{tracked.root / 'mine.db'}"
    assert str(tracked.root / "mlartifacts") in command


def test_a_password_stands_in_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@host/runs")
    commands: list[list[str]] = []
    monkeypatch.setattr(ui, "_start", lambda _name, command, *_: commands.append(command))
    ui._mlflow(Workspace(tmp_path))
    assert "secret" not in " ".join(commands[0])


def test_a_taken_port_is_not_used() -> None:
    with socket.socket() as taken:
        taken.bind((ui.HOST, 0))
        taken.listen()
        number = taken.getsockname()[1]
        assert ui._port(number) != number
    assert ui._port(number) == number


@pytest.mark.e2e
def test_both_pages_answer_and_end_together(tracked: Workspace) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    root = Path(__file__).resolve().parents[2]
    running = subprocess.Popen(
        [sys.executable, "-m", "flows.ui"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tracked.root,
        env={**environment, "PYTHONPATH": str(root)},
    )
    assert running.stdout is not None
    said = [running.stdout.readline() for _ in range(3)]
    ports = [int(line.rpartition(":")[2]) for line in said[:2]]
    assert [line.split()[0] for line in said[:2]] == ["MLflow", "Prefect"]
    running.terminate()
    assert running.wait() == 0
    running.stdout.close()
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((ui.HOST, port), timeout=5)

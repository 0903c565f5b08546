"""The command that needs no server: what it says, its exit codes, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.flows import project


def start(root: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return subprocess.Popen(
        [sys.executable, "-m", "flows.pipeline", *arguments],
        cwd=root,
        env={**kept, "PYTHONPATH": str(project.REPOSITORY), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_a_server_that_is_away_stops_it_before_any_work(tmp_path: Path) -> None:
    root = project.make(tmp_path / "p", project.stage("a"))
    process = start(root, PREFECT_API_URL="http://127.0.0.1:9/api")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 69
    assert "the Prefect server does not answer" in said
    assert "http://127.0.0.1:9/api" in said
    assert "Traceback" not in said
    assert not (root / "out").exists()


def test_a_folder_without_a_project_is_left_alone(tmp_path: Path) -> None:
    process = start(tmp_path)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 66
    assert "no parameters here" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments", [["--phase", "nowhere"], ["--max-parallel", "0"], ["--gpu-slots", "x"]]
)
def test_an_unknown_argument_is_refused(arguments: list[str], tmp_path: Path) -> None:
    process = start(tmp_path, *arguments)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert arguments[1] in said


def test_an_unusable_home_of_prefect_is_told(tmp_path: Path) -> None:
    root = project.make(tmp_path / "p", project.stage("a"))
    process = start(root, PREFECT_HOME="/dev/null/home")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 73
    assert "PREFECT_HOME=/dev/null/home" in said
    assert "Traceback" not in said


@pytest.mark.e2e
def test_a_proxy_does_not_stand_before_the_private_server(tmp_path: Path) -> None:
    root = project.make(tmp_path / "p", project.stage("a"))
    away = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy"), "http://127.0.0.1:9")
    process = start(root, **away, no_proxy="", NO_PROXY="")
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said


@pytest.mark.e2e
def test_a_failed_stage_gives_its_message_and_its_code(tmp_path: Path) -> None:
    root = project.make(tmp_path / "p", project.stage("bad", "65"))
    process = start(root)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 65
    assert "bad | line one of bad" in said
    assert "ended with exit code 65" in said
    assert "Traceback" not in said


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_tree_with_one_line(number: signal.Signals, tmp_path: Path) -> None:
    root = project.make(tmp_path / "p", project.stage("hang", "hang"))
    process = start(root)
    assert process.stdout is not None
    for line in process.stdout:
        if "hanging" in line:
            break
    pids = [int(pid) for pid in (root / ".rlp" / "pids").read_text().split()]
    assert all(project.alive(pid) for pid in pids)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said.splitlines() == ["interrupted; the next run continues with what is finished"]
    give_up = time.monotonic() + 20
    while any(project.alive(pid) for pid in pids) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not [pid for pid in pids if project.alive(pid)]

"""The entry point of every stage: exit codes, locks, signals, and the run record."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlp_core import stage
from rlp_core.errors import (
    EXIT_CONFIG,
    EXIT_INTERRUPTED,
    EXIT_MISSING,
    EXIT_OUTPUT,
    EXIT_TRY_AGAIN,
    EXIT_USAGE,
    RlpError,
)
from rlp_core.guard import GUARDED
from rlp_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
WAIT_SECONDS = 120


@pytest.fixture
def workspace(tracked: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tracked.root)
    monkeypatch.setattr(stage, "_die_with_parent", lambda: None)  # that parent is pytest's
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(signal, "signal", lambda *_: handler)
    text = tracked.params.read_text()
    tracked.params.write_text(text.replace("runtime:\n", "runtime:\n  tracking: false\n"))
    return tracked


@pytest.fixture
def acting(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], None]], None]:
    """Put another `run` in the place of stage `prepare`'s."""

    def put(run: Callable[[Any], None]) -> None:
        from rlp_core.stages import prepare

        monkeypatch.setattr(prepare, "run", run)

    return put


def record_of(workspace: Workspace) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(workspace.run_record("prepare").read_text())
    return read


def test_a_stage_that_ends_well(
    workspace: Workspace, acting: Callable[[Callable[[Any], None]], None]
) -> None:
    seen = []
    acting(lambda context: seen.append((context.name, context.workspace.root)))
    assert stage.main(["prepare"]) == 0
    assert seen == [("prepare", workspace.root)]
    record = record_of(workspace)
    assert record["exit_code"] == 0
    assert record["pid"] == os.getpid()
    assert record["stage"] == "prepare"
    assert record["seconds"] >= 0
    assert {"fingerprint", "outputs", "host", "started"} <= record.keys()


def test_scratch_is_apart_by_inputs_and_gone_once_the_stage_ends_well(
    workspace: Workspace, acting: Callable[[Callable[[Any], None]], None]
) -> None:
    seen: list[Path] = []

    def run(context: Any) -> None:
        seen.append(context.scratch)
        context.scratch.mkdir(parents=True, exist_ok=True)
        (context.scratch / "half").touch()
        if len(seen) < 3:
            raise RlpError("half way", where="here", fix="run it again")

    acting(run)
    assert stage.main(["prepare"]) == 1
    assert (seen[0] / "half").is_file()
    assert stage.main(["prepare"]) == 1
    workspace.params.write_text(workspace.params.read_text().replace("seed: 1\n", "seed: 9\n"))
    assert stage.main(["prepare"]) == 0
    assert seen[0] == seen[1] != seen[2]
    assert seen[2] == workspace.scratch("prepare", record_of(workspace)["fingerprint"])
    assert not seen[2].parent.exists()


def test_runtime_settings_change_no_scratch(
    workspace: Workspace, acting: Callable[[Callable[[Any], None]], None]
) -> None:
    seen: list[Path] = []
    acting(lambda context: seen.append(context.scratch))
    stage.main(["prepare"])
    changed = workspace.params.read_text().replace("log_every: 10", "log_every: 3")
    assert changed != workspace.params.read_text()
    workspace.params.write_text(changed)
    stage.main(["prepare"])
    assert seen[0] == seen[1]


def test_without_a_graph_there_is_no_scratch_that_could_be_mistaken(
    workspace: Workspace, acting: Callable[[Callable[[Any], None]], None]
) -> None:
    seen: list[Path | None] = []
    acting(lambda context: seen.append(context.scratch))
    (workspace.root / "dvc.yaml").unlink()
    assert stage.main(["prepare"]) == 0
    assert seen == [None]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RlpError("all wrong", where="there", fix="mend it"), 1, "mend it"),
        (KeyboardInterrupt(), EXIT_INTERRUPTED, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", "big.bin"), EXIT_OUTPUT, "big.bin"),
    ],
)
def test_what_went_wrong_becomes_a_message_and_a_code(
    workspace: Workspace,
    acting: Callable[[Callable[[Any], None]], None],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    def fail(_context: Any) -> None:
        raise error

    acting(fail)
    assert stage.main(["prepare"]) == code
    assert said in capsys.readouterr().err
    assert record_of(workspace)["exit_code"] == code


def test_a_mistake_of_ours_keeps_its_traceback(
    workspace: Workspace, acting: Callable[[Callable[[Any], None]], None]
) -> None:
    def fail(_context: Any) -> None:
        raise ZeroDivisionError

    acting(fail)
    with pytest.raises(ZeroDivisionError):
        stage.main(["prepare"])
    assert record_of(workspace)["exit_code"] == 1


def test_a_disk_that_fills_up_under_the_files(
    workspace: Workspace,
    acting: Callable[[Callable[[Any], None]], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from rlp_core.files import write_text

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def run(context: Any) -> None:
        monkeypatch.setattr(os, "replace", full)
        write_text(context.workspace.prepared / "base.jsonl", "{}\n")

    acting(run)
    assert stage.main(["prepare"]) == EXIT_OUTPUT
    said = capsys.readouterr().err
    assert "data/prepared/base.jsonl" in said
    assert "no run record" in said  # it could not be written either, and nothing hides that
    assert list(workspace.prepared.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "hint"), [("prepar", "`prepare`"), ("evaluate@rpl", "`evaluate@rlp`")]
)
def test_an_unknown_stage_is_told_with_the_nearest(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], name: str, hint: str
) -> None:
    assert stage.main([name]) == EXIT_USAGE
    assert f"did you mean {hint}?" in capsys.readouterr().err
    assert not (workspace.private / "runs").exists()


@pytest.mark.parametrize("arguments", [[], ["prepare", "validate"]])
def test_one_stage_at_a_time(workspace: Workspace, arguments: list[str]) -> None:
    assert stage.main(arguments) == EXIT_USAGE
    assert not (workspace.private / "runs").exists()


@pytest.mark.usefixtures("workspace")
def test_impossible_parameters_stop_before_any_work(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("group_size: 8", "group_size: 0"))
    assert stage.main(["prepare"]) == EXIT_CONFIG
    assert "rlp.group_size" in capsys.readouterr().err
    path.unlink()
    assert stage.main(["prepare"]) == EXIT_MISSING


def test_a_stage_that_runs_already_is_not_started_again(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = workspace.private / "locks" / "prepare.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert stage.main(["prepare"]) == EXIT_TRY_AGAIN
    assert "is running already" in capsys.readouterr().err


_SLOW_STAGE = """
import sys, time
from rlp_core import stage
from rlp_core.stages import prepare
def run(context):
    context.tracker.metrics({"loss": 1.0}, step=1)
    print("working", flush=True)
    time.sleep(600)
prepare.run = run
sys.exit(stage.main(["prepare"]))
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, EXIT_INTERRUPTED),
        (signal.SIGTERM, EXIT_TRY_AGAIN),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_signals_end_the_stage_and_the_next_run_continues_its_record(
    tracked: Workspace, number: signal.Signals, code: int
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    running = subprocess.Popen(
        [sys.executable, "-c", _SLOW_STAGE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tracked.root,
        env=environment,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "working\n"
    running.send_signal(number)
    _, said = running.communicate(timeout=WAIT_SECONDS)
    assert running.returncode == code, said
    assert "Traceback" not in said
    status = {signal.SIGKILL: "RUNNING"}.get(number, "KILLED")
    assert status_of_only_run(tracked) == status
    first = record_of(tracked)["mlflow_run_id"]
    again = _SLOW_STAGE.replace("    time.sleep(600)\n", "")
    done = subprocess.run(
        [sys.executable, "-c", again],
        capture_output=True,
        text=True,
        cwd=tracked.root,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert record_of(tracked)["mlflow_run_id"] == first
    assert status_of_only_run(tracked) == "FINISHED"


def status_of_only_run(workspace: Workspace) -> str:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{workspace.private.absolute() / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("rlp").experiment_id])
    assert len(runs) == 1
    return str(runs[0].info.status)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_a_stage_dies_with_its_parent(tracked: Workspace) -> None:
    text = tracked.params.read_text()
    tracked.params.write_text(text.replace("runtime:\n", "runtime:\n  tracking: false\n"))
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {_SLOW_STAGE!r}])\n"
        "print(child.pid, flush=True)\nchild.wait()"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", parent],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tracked.root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert running.stdout is not None
    child = int(running.stdout.readline())
    assert running.stdout.readline() == "working\n"
    running.kill()
    running.wait()
    running.stdout.close()
    give_up = time.monotonic() + WAIT_SECONDS
    while alive(child) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not alive(child)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie, which nobody has waited for yet, does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def ended() -> int:
    """The number of a process that has ended and was waited for."""
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    process.wait()
    return process.pid


def unreaped() -> int:
    """The number of a process that has ended and nobody has waited for: a zombie."""
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return process.pid


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing is told")
@pytest.mark.parametrize(
    ("started_by", "begins"),
    [(ended, False), (unreaped, False), (os.getpid, True), (lambda: "", True)],
)
def test_a_stage_whose_dvc_died_while_it_was_starting_does_not_begin(
    workspace: Workspace, started_by: Callable[[], int], begins: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rlp_core.stage", "nothing"],
        cwd=workspace.root,
        env={**os.environ, GUARDED: str(started_by())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("no stage is called 'nothing'" in done.stderr) is begins
    assert ("is gone: it does not begin" in done.stderr) is not begins
    assert (done.returncode == EXIT_INTERRUPTED) is not begins

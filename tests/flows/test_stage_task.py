"""A stage as a task: its lines, its exit code, and that no process of it survives."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.graph import Meta, Stage, load_graph
from flows.stage_task import (
    EXIT_TIMED_OUT,
    Run,
    StageFailedError,
    read_record,
    run_stage,
    stage_environment,
    worth_repeating,
)
from rlp_core import process
from rlp_core.errors import EXIT_INTERRUPTED
from tests.flows import project


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stage = project.stage
    return project.make(
        tmp_path_factory.mktemp("flows") / "p",
        stage("good"),
        stage("slow", "ok 2"),
        stage("hang", "hang"),
        stage("bad", "65"),
        stage("passing", "passing"),
    )


def named(root: Path, name: str) -> Stage:
    return next(stage for stage in load_graph(root) if stage.name == name)


def run(root: Path, name: str, lines: list[str] | None = None) -> bool:
    heard = [] if lines is None else lines
    return run_stage(named(root, name), Run(str(root)), heard.append)


def hanging_pids(root: Path) -> list[int]:
    return [int(pid) for pid in (root / ".rlp" / "pids").read_text().split()]


def assert_all_end(pids: list[int]) -> None:
    give_up = time.monotonic() + 20
    while any(project.alive(pid) for pid in pids) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not [pid for pid in pids if project.alive(pid)]


def test_a_stage_runs_once_and_is_then_reused(root: Path) -> None:
    lines: list[str] = []
    assert run(root, "good", lines)
    assert lines == ["line one of good", "to stderr"]  # DVC's own chatter is left out
    assert not run(root, "good")


def test_lines_come_while_the_stage_still_runs(root: Path) -> None:
    times: list[float] = []
    run_stage(named(root, "slow"), Run(str(root)), lambda _line: times.append(time.monotonic()))
    assert time.monotonic() - times[0] > 1.5  # the stage sleeps for 2 s after its first line


def test_the_stages_own_exit_code_is_found_behind_dvcs(root: Path) -> None:
    with pytest.raises(StageFailedError, match="exit code 65") as caught:
        run(root, "bad")
    assert caught.value.exit_code == 65


def test_what_dvc_itself_refuses_is_told(root: Path) -> None:
    unknown = Stage("nowhere", "", (), Meta("evaluate", 0, 0, 1))
    with pytest.raises(StageFailedError, match="nowhere"):
        run_stage(unknown, Run(str(root)), lambda _line: None)


def test_a_time_limit_ends_the_whole_tree(root: Path) -> None:
    lines: list[str] = []
    with pytest.raises(process.TimeLimitError):
        process.run(
            ["sh", "-c", "sleep 600 & echo $!; sleep 601 & echo $!; wait; exit 3"],
            cwd=root,
            environment=stage_environment(Run(str(root))),
            on_line=lines.append,
            time_limit=1.0,
            grace=1.0,
        )
    assert len(lines) == 2
    assert_all_end([int(line) for line in lines])


def test_a_process_that_ignores_sigterm_is_killed(root: Path) -> None:
    lines: list[str] = []
    script = "import signal, time, os; signal.signal(15, signal.SIG_IGN); print(os.getpid())"
    with pytest.raises(process.TimeLimitError):
        process.run(
            ["sh", "-c", f"python -u -c '{script}; time.sleep(600)'; true"],
            cwd=root,
            environment=stage_environment(Run(str(root))),
            on_line=lines.append,
            time_limit=1.5,
            grace=0.5,
        )
    assert_all_end([int(line) for line in lines])


def test_a_process_left_behind_ends_with_its_stage(root: Path) -> None:
    lines: list[str] = []
    code = process.run(
        ["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"],
        cwd=root,
        environment=stage_environment(Run(str(root))),
        on_line=lines.append,
        time_limit=60,
    )
    assert code == 0
    assert_all_end([int(line) for line in lines])


def test_a_stage_over_its_time_limit_fails_for_good(root: Path) -> None:
    stage = named(root, "hang")
    short = Stage(stage.name, "", (), Meta("evaluate", 0, 3, timeout_minutes=0.05))  # type: ignore[arg-type]
    with pytest.raises(StageFailedError, match="took longer") as caught:
        run_stage(short, Run(str(root)), lambda _line: None)
    assert caught.value.exit_code == EXIT_TIMED_OUT
    assert_all_end(hanging_pids(root))


def test_ending_all_ends_the_grandchildren_and_refuses_new_stages(root: Path) -> None:
    started = threading.Event()
    failures: list[StageFailedError] = []

    def work() -> None:
        try:
            run_stage(
                named(root, "hang"),
                Run(str(root)),
                lambda line: started.set() if line == "hanging" else None,
            )
        except StageFailedError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(60)
    process.end_all()
    thread.join(30)
    assert [error.exit_code for error in failures] == [EXIT_INTERRUPTED]
    assert_all_end(hanging_pids(root))
    with pytest.raises(StageFailedError, match="told to end"):
        run(root, "good")


def test_only_try_again_is_repeated() -> None:
    def asked(error: Exception) -> bool:
        return worth_repeating(None, None, SimpleNamespace(data=error))

    def failed(code: int) -> StageFailedError:
        return StageFailedError("x", code, "what", where="where", fix="fix")

    assert asked(failed(75))
    assert not any(asked(failed(code)) for code in (1, 64, 65, EXIT_TIMED_OUT, EXIT_INTERRUPTED))
    assert not asked(ValueError("a fault of ours"))


def test_a_torn_or_old_record_is_none(tmp_path: Path) -> None:
    path = tmp_path / ".rlp" / "runs" / "x.json"
    path.parent.mkdir(parents=True)
    assert read_record(tmp_path, "x", since=0) is None
    path.write_text('{"started": 5.0, "exit_code": 0}')
    assert read_record(tmp_path, "x", since=5.0) is not None
    assert read_record(tmp_path, "x", since=5.1) is None
    path.write_text('{"started": 5.')
    assert read_record(tmp_path, "x", since=0) is None


def test_a_stage_knows_its_lineage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLP_PARENT_RUN_ID", "of someone else")
    environment = stage_environment(Run("/", flow_run="f"))
    assert environment["RLP_PREFECT_FLOW_RUN_ID"] == "f"
    assert "RLP_PARENT_RUN_ID" not in environment
    assert environment["DVC_NO_ANALYTICS"] == "1"


def test_a_stage_that_runs_alone_is_given_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RLP_THREADS", raising=False)
    assert "RLP_THREADS" not in stage_environment(Run("/"))
    assert stage_environment(Run("/", threads=2))["RLP_THREADS"] == "2"
    monkeypatch.setenv("RLP_THREADS", "7")  # whoever sets it knows better
    assert stage_environment(Run("/", threads=2))["RLP_THREADS"] == "7"

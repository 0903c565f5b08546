"""A program whose libraries are imported already behaves as Python does."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests import warm

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks on Linux alone")

LIBRARIES = ("colorsys", "numpy")
LOADED = "import sys; print('colorsys' in sys.modules)"
WAITS = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


@pytest.fixture(scope="module")
def program() -> str:
    return str(warm.python(LIBRARIES))


def ended(
    *command: str, folder: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **more}
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.mark.parametrize(
    "code",
    [
        "print('said'); import sys; print('told', file=sys.stderr)",
        "import sys; sys.exit(75)",
        "import sys; sys.exit(256 + 3)",
        "import sys; sys.exit('a message')",
        "import sys; print('out'); sys.exit(None)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "raise KeyboardInterrupt",
        "import atexit; atexit.register(print, 'at the end')",
        "import threading, time; threading.Thread(target=lambda: print('a thread')).start()",
        "import os, sys; print(os.getcwd(), os.environ['A'], sys.argv, sys.path[0])",
        "import sys; print(sys.stdin.read())",
        "import signal; print(signal.getsignal(signal.SIGCHLD), signal.getsignal(signal.SIGINT))",
        "import os; print(sorted(os.environ))",
    ],
)
def test_a_job_ends_and_says_as_in_python(program: str, tmp_path: Path, code: str) -> None:
    mine = ended(program, "-c", code, "one", "two", folder=tmp_path, A="ä")
    real = ended(sys.executable, "-c", code, "one", "two", folder=tmp_path, A="ä")
    assert (mine.returncode, mine.stdout) == (real.returncode, real.stdout)
    assert mine.stderr.splitlines()[-1:] == real.stderr.splitlines()[-1:]


def test_an_error_is_told(program: str) -> None:
    done = ended(program, "-c", "1 / 0")
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_the_libraries_are_there_and_the_project_is_not(program: str) -> None:
    assert ended(program, "-c", LOADED).stdout == "True\n"
    named = "import sys; print([m for m in sys.modules if m.startswith(('rlp_core', 'tests'))])"
    assert ended(program, "-c", named).stdout == "[]\n"


def test_a_module_comes_from_where_the_job_says(program: str, tmp_path: Path) -> None:
    for place, text in (("here", "of the folder"), ("there", "of the path")):
        package = tmp_path / place / "rlp_core"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "stage.py").write_text(f"import sys; print({text!r}, sys.argv)")
    for python in (program, sys.executable):
        command = (python, "-m", "rlp_core.stage", "x")
        there = str(tmp_path / "there")
        assert ended(*command, folder=tmp_path / "here", PYTHONPATH=there).stdout == (
            f"of the folder ['{tmp_path / 'here' / 'rlp_core' / 'stage.py'}', 'x']\n"
        )
        assert ended(*command, folder=tmp_path, PYTHONPATH=there).stdout.startswith("of the path")


@pytest.mark.parametrize("draw", ["random.random()", "numpy.random.random()"])
def test_each_job_draws_numbers_of_its_own(program: str, draw: str) -> None:
    random.seed(1)
    code = f"import random, numpy; print({draw})"
    assert len({ended(program, "-c", code).stdout for _ in range(3)}) == 3


@pytest.mark.parametrize("variable", ["OMP_NUM_THREADS", "HF_HUB_OFFLINE", "MALLOC_ARENA_MAX"])
def test_what_decides_of_an_import_is_left_to_a_process_that_imports(
    program: str, variable: str
) -> None:
    assert ended(program, "-c", LOADED, **{variable: "3"}).stdout == "False\n"


def test_a_file_is_left_to_python(program: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(LOADED)
    assert ended(program, str(tmp_path / "script.py")).stdout == "False\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_passed_on(program: str, number: signal.Signals) -> None:
    code = (
        "import signal, sys, time\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(9))\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)"
    )
    job = started(program, code)
    assert job.stdout is not None
    assert job.stdout.readline() == "ready\n"
    job.send_signal(number)
    assert job.wait(60) == 9


def test_a_job_dies_with_its_client(program: str) -> None:
    job = started(program, WAITS)
    assert job.stdout is not None
    own = psutil.Process(int(job.stdout.readline()))
    assert own.pid != job.pid
    job.kill()
    assert job.wait(60) == -signal.SIGKILL
    until(lambda: not own.is_running())


def test_all_die_with_the_process_that_asked_for_them() -> None:
    code = (
        "import subprocess, sys\n"
        "from tests import warm\n"
        f"subprocess.run([warm.python(('colorsys',)), '-c', {WAITS!r}])"
    )
    asked = started(sys.executable, code)
    assert asked.stdout is not None
    job = psutil.Process(int(asked.stdout.readline()))
    server = job.parent().parent()
    assert server is not None
    asked.kill()
    asked.wait(60)
    until(lambda: not job.is_running() and not server.is_running())


def started(program: str, code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [program, "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )

"""`rlp study`: what it lists, what it refuses, and how a run ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rlp_core.cli import main
from rlp_core.errors import EXIT_INTERRUPTED
from rlp_core.study import command, finished
from rlp_core.study.planned import StudyRun
from rlp_core.study.runner import RunEnd
from tests.study import files


def call(root: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--root", str(root), "study", *words])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return files.checkout(tmp_path)


def test_it_lists_studies_by_title(root: Path) -> None:
    assert call(root, "list").output.split() == ["trial", "A", "trial"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "trail"), "did you mean `trial`"),
        (("run", "trial", "--seeds", "one"), "'one' is no seed"),
        (("run", "trial", "--seeds", "3"), "the study has no seed 3"),
        (("run", "trial", "--until", "bsae"), "did you mean `base`"),
        (("run", "trial", "--folder", "models/x"), "models/ of the checkout"),
        (("report", "trial"), "no run of the study is finished"),
    ],
)
def test_what_cannot_be_is_told_before_any_work(root: Path, words: tuple, said: str) -> None:
    done = call(root, *words)
    assert done.exit_code != 0
    assert said in done.output
    assert not (root / "studies" / "trial").exists()


def test_without_dvc_it_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlp_core.study.checks.find_spec", lambda _: None)
    done = call(root, "run", "trial")
    assert "DVC is not installed" in done.output
    assert "--runner stages" in done.output


class Runs:
    """Stands for the runner: ends as it is told, and marks what is finished."""

    def __init__(self, codes: dict[str, int], interrupt: bool = False) -> None:
        self.codes, self.interrupt = codes, interrupt

    def __call__(self, runs: tuple[StudyRun, ...], *_: object):
        for run in runs:
            code = self.codes.get(run.name, 0)
            if code == 0:
                finished.mark(run, ())
            yield RunEnd(run, code, 1.0, ("the reason",) if code else ())
            if self.interrupt:
                raise KeyboardInterrupt


def run(root: Path, monkeypatch: pytest.MonkeyPatch, ends: Runs) -> tuple[int, str]:
    monkeypatch.setattr(command, "run_all", ends)
    said: list[str] = []
    options = command.RunOptions(runner="stages")
    code = command.run(root, "trial", options, ["rlp", "study", "run", "trial"], said.append)
    return code, "\n".join(said)


def test_a_failure_is_told_at_the_end_with_its_reason(root: Path, monkeypatch) -> None:
    code, said = run(root, monkeypatch, Runs({"warm, seed 1": 75}))
    assert code == 75
    assert "finished: 3 of 4 (paper, seed 1; paper, seed 2; warm, seed 2)" in said
    assert "the reason" in said.partition("finished: 3 of 4")[2]
    code, said = run(root, monkeypatch, Runs({}))
    assert code == 0
    assert "finished: 4 of 4" in said


def test_ctrl_c_tells_what_is_done_and_how_to_go_on(root: Path, monkeypatch) -> None:
    code, said = run(root, monkeypatch, Runs({}, interrupt=True))
    assert code == EXIT_INTERRUPTED
    assert "finished: 1 of 4 (paper, seed 1)" in said
    assert "goes on: rlp study run trial" in said

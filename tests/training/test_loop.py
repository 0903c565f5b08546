"""The loop: interrupted and resumed anywhere, it ends as if it had been left alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlp_core.errors import EXIT_TRY_AGAIN, TryAgainError
from rlp_core.monitoring.progress import StepLog
from rlp_core.training import loop
from rlp_core.training.batches import Example
from rlp_core.training.checkpoint import Checkpoints, State
from rlp_core.training.config import OptimizerConfig
from rlp_core.training.loop import StepResult
from rlp_core.training.supervised import SupervisedTrainer
from rlp_core.workspace import Workspace
from tests import models

ROOT = Path(__file__).resolve().parents[2]
DATA = [Example([5, 6, 7, 8], range(1, 4), 4), Example([9, 10], range(1, 2), 2)] * 3
STEPS = 6


class Tracker:
    """Remembers each metric it is given, and skips what it has, as a continued run does."""

    def __init__(self) -> None:
        self.history: dict[tuple[str, int], float] = {}

    def metrics(self, values, step):
        for name, value in values.items():
            self.history.setdefault((name, step), value)

    def flush(self):
        pass


def trainer(
    name: str = "muon", dropout: float = 0.0, budget: int | None = None
) -> SupervisedTrainer:
    model = models.model(1)
    for layer in model.model.layers:
        layer.mlp = torch.nn.Sequential(layer.mlp, torch.nn.Dropout(dropout))
    return SupervisedTrainer(
        model,
        DATA,
        steps=STEPS,
        batch=2,
        optimizer=OptimizerConfig(name=name, lr=1e-2, warmup_steps=2, schedule="linear"),
        seed=1,
        stream=0,
        micro_batch=2,
        flops_budget=budget,
    )


class Stop(BaseException):
    """Stands for a kill in mid-step."""


def stopping(trained: SupervisedTrainer, at: int) -> SupervisedTrainer:
    """A trainer that is killed in step `at`, after its weights have moved."""
    real = trained.step

    def step(number):
        result = real(number)
        if number == at:
            raise Stop
        return result

    trained.step = step  # type: ignore[method-assign]
    return trained


def new_log(tracker: Tracker | None = None) -> StepLog:
    return StepLog("base", STEPS, tracker or Tracker(), log_every=100)  # type: ignore[arg-type]


def equal(a: State, b: State) -> bool:
    return (
        a.values == b.values
        and a.tensors.keys() == b.tensors.keys()
        and all(torch.equal(a.tensors[k], b.tensors[k]) for k in a.tensors)
    )


@pytest.mark.parametrize(
    "settings_", [{"name": "adamw"}, {"name": "muon"}, {"dropout": 0.5}, {"budget": 1_000_000}]
)
@pytest.mark.parametrize("at", range(STEPS))
def test_killed_in_any_step_it_ends_in_the_same_state(tmp_path, settings_, at):
    whole, log = trainer(**settings_), new_log()
    loop.run(whole, STEPS, log)
    log.close(tmp_path / "whole.csv")
    checkpoints, tracker = Checkpoints(tmp_path / "c"), Tracker()
    if at < len(log.rows):
        with pytest.raises(Stop):
            loop.run(stopping(trainer(**settings_), at), STEPS, new_log(tracker), checkpoints, 0.0)
        assert (checkpoints.latest() or (0,))[0] == at
    again, continued = trainer(**settings_), new_log(tracker)
    loop.run(again, STEPS, continued, checkpoints, 0.0)
    continued.close(tmp_path / "continued.csv")
    assert equal(again.state(), whole.state())
    assert (tmp_path / "continued.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    losses = {step: value for (name, step), value in tracker.history.items() if name == "loss"}
    assert losses == {row["step"]: row["loss"] for row in log.rows}


def test_the_budget_of_these_tests_ends_a_run_early():
    log = new_log()
    loop.run(trainer(budget=1_000_000), STEPS, log)
    assert 0 < len(log.rows) < STEPS


def test_dropout_of_these_tests_matters():
    plain, dropping = trainer(), trainer(dropout=0.5)
    for made in (plain, dropping):
        loop.run(made, 1, new_log())
    assert not equal(plain.state(), dropping.state())


@given(st.lists(st.integers(0, STEPS - 1), max_size=4))
@settings(max_examples=10)
def test_killed_again_and_again_it_ends_in_the_same_state(tmp_path_factory, kills):
    folder = tmp_path_factory.mktemp("kills")
    whole = trainer()
    loop.run(whole, STEPS, new_log())
    for at in kills:
        try:
            loop.run(stopping(trainer(), at), STEPS, new_log(), Checkpoints(folder), 0.0)
        except Stop:
            continue
    again = trainer()
    loop.run(again, STEPS, new_log(), Checkpoints(folder), 0.0)
    assert equal(again.state(), whole.state())


def test_a_resumed_run_says_where_it_goes_on(tmp_path, capsys):
    with pytest.raises(Stop):
        loop.run(stopping(trainer(), 3), STEPS, new_log(), Checkpoints(tmp_path), 0.0)
    assert "goes on" not in capsys.readouterr().out
    loop.run(trainer(), STEPS, new_log(), Checkpoints(tmp_path), 0.0)
    lines = [line for line in capsys.readouterr().out.splitlines() if "goes on" in line]
    assert lines == ["base: goes on after step 3 of 6, from a checkpoint"]


def test_a_tracker_that_knows_nothing_gets_all_steps_of_a_resumed_run(tmp_path):
    with pytest.raises(Stop):
        loop.run(stopping(trainer(), 3), STEPS, new_log(), Checkpoints(tmp_path), 0.0)
    fresh = Tracker()
    loop.run(trainer(), STEPS, new_log(fresh), Checkpoints(tmp_path), 0.0)
    assert [step for name, step in fresh.history if name == "loss"] == list(range(1, STEPS + 1))


def test_no_checkpoint_is_ahead_of_what_the_tracker_sent(tmp_path, monkeypatch):
    order = []
    log, checkpoints = new_log(), Checkpoints(tmp_path)
    monkeypatch.setattr(log, "flush", lambda: order.append("flush"))
    monkeypatch.setattr(checkpoints, "save", lambda *_: order.append("save"))
    loop.run(Counter(), 2, log, checkpoints, 0.0)
    assert order == ["flush", "save"] * 2


def test_an_ended_run_is_not_trained_further(tmp_path):
    first = trainer()
    loop.run(first, STEPS, new_log(), Checkpoints(tmp_path), 0.0)
    again, log = trainer(), new_log()
    loop.run(again, STEPS, log, Checkpoints(tmp_path), 0.0)
    assert equal(again.state(), first.state())
    assert len(log.rows) == STEPS


class Counter:
    """Counts; its step can do something on the way."""

    def __init__(self, on_step=lambda _number: None) -> None:
        self.sum, self.on_step = 0, on_step

    def step(self, number):
        self.on_step(number)
        self.sum += number
        return StepResult({"loss": float(number)}, 1, 1)

    def state(self):
        return State(values={"sum": self.sum})

    def restore(self, state):
        self.sum = state.values["sum"]


def test_sigterm_saves_after_the_step_and_raises(tmp_path):
    def ask(number: int) -> None:
        if number == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(TryAgainError, match="goes on from there") as caught:
        loop.run(Counter(ask), STEPS, new_log(), Checkpoints(tmp_path), 1e9)
    assert "after step 3 of 6" in caught.value.where
    step, state = Checkpoints(tmp_path).latest()
    assert (step, state.part("trainer").values) == (3, {"sum": 3})
    counter = Counter()
    loop.run(counter, STEPS, new_log(), Checkpoints(tmp_path), 1e9)
    assert counter.sum == sum(range(STEPS))


def test_a_second_sigterm_does_not_wait_for_the_step(tmp_path):
    seen = []

    def ask(number: int) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        seen.append(number)

    with pytest.raises(TryAgainError):
        loop.run(Counter(ask), STEPS, new_log(), Checkpoints(tmp_path), 0.0)
    assert seen == []
    assert Checkpoints(tmp_path).latest() is None


def test_without_checkpoints_sigterm_says_that_the_run_begins_anew():
    def ask(_number: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(TryAgainError, match="begins anew"):
        loop.run(Counter(ask), STEPS, new_log())


def test_ctrl_c_leaves_what_was_saved(tmp_path):
    def interrupt(number: int) -> None:
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.run(Counter(interrupt), STEPS, new_log(), Checkpoints(tmp_path), 0.0)
    assert Checkpoints(tmp_path).latest()[0] == 3


_STAGE = """
import sys, time
from pathlib import Path
from rlp_core import stage
from rlp_core.stages import bootstrap, common
from tests.training.test_loop import Counter

def slowly(number):
    print("step", number, flush=True)
    time.sleep(0.05)

def run(context):
    common.train(context, Counter(slowly), 1000)

bootstrap.run = run
sys.exit(stage.main(["bootstrap"]))
"""


def test_sigterm_ends_a_stage_with_try_again_and_a_checkpoint(tmp_path):
    text = (ROOT / "profiles" / "tiny.yaml").read_text()
    (tmp_path / "params.yaml").write_text(
        text.replace("runtime:\n", "runtime:\n  tracking: false\n")
    )
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    running = subprocess.Popen(
        [sys.executable, "-c", _STAGE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert running.stdout is not None
    while running.stdout.readline() != "step 3\n":
        assert running.poll() is None
    running.terminate()
    _, said = running.communicate(timeout=100)
    assert running.returncode == EXIT_TRY_AGAIN, said
    assert "goes on from there" in said
    folders = list((Workspace(tmp_path).private / "scratch" / "bootstrap").iterdir())
    assert len(folders) == 1
    step, state = Checkpoints(folders[0]).latest()
    assert step >= 4
    assert state.part("trainer").values["sum"] == sum(range(step))

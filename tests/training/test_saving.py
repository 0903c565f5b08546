"""Saving in the background: bounded, from a copy, told when done, and loud where it fails."""

from __future__ import annotations

import itertools
import os
import signal
import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.errors import OutputError, TryAgainError
from rlp_core.training import checkpoint, loop, saving
from rlp_core.training.checkpoint import Checkpoints, State
from rlp_core.training.saving import Saver
from tests.training.steps import same
from tests.training.test_loop import STEPS, Counter, Stop, equal, new_log, stopping, trainer

FULL = OutputError("the disk is full", where="here", fix="free some")


class SlowDisk(Checkpoints):
    """Takes as long as it is told to, on a clock of the test's own."""

    def __init__(self, seconds: float, now: list[float]) -> None:
        self.seconds, self.now, self.steps = seconds, now, []

    def save(self, step: int, _state: State) -> None:
        self.steps.append(step)
        self.now[0] += self.seconds


class HeldDisk(Checkpoints):
    """Writes nothing before it is let go."""

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self.begun, self.go = threading.Event(), threading.Event()

    def save(self, step: int, state: State) -> None:
        self.begun.set()
        assert self.go.wait(60)
        super().save(step, state)


@given(
    step=st.floats(0.1, 50),
    cost=st.floats(0, 500),
    every=st.floats(1, 100),
    share=st.floats(0.01, 1),
)
def test_saves_take_no_more_than_their_share_and_stand_as_far_apart_as_was_asked(
    step, cost, every, share
):
    now = [0.0]
    disk = SlowDisk(cost, now)
    saver = Saver(disk, every, share, clock=lambda: now[0])
    begins, costs = [0.0], []
    for number in range(1, 200):
        saver.poll()
        now[0] += step
        if saver.due():
            begins.append(now[0])
            saver.save(number, State())
            saver.wait()
            costs.append(cost)
            # all but the last have been paid for by the time that the last began
            assert sum(costs[:-1]) <= share * now[0] * (1 + 1e-9)
    gaps = [b - a for a, b in itertools.pairwise(begins)]
    assert all(gap >= every * (1 - 1e-9) for gap in gaps)
    wait = max(every, cost / share)
    assert all(gap <= wait + step + cost + 1e-6 for gap in gaps)  # and no further than need be


def test_with_zero_seconds_every_step_is_saved_whatever_it_costs():
    now: list[float] = [0.0]
    disk = SlowDisk(1e6, now)
    loop.run(Counter(), STEPS, new_log(), disk_without_state(disk), 0.0, 0.01)
    assert disk.steps == list(range(1, STEPS + 1))


def disk_without_state(disk: SlowDisk) -> SlowDisk:
    disk.latest = lambda: None  # type: ignore[method-assign]
    return disk


def test_training_goes_on_while_a_save_is_written_and_no_second_one_begins(tmp_path):
    disk, seen = HeldDisk(tmp_path / "c"), []

    def watch(number: int) -> None:
        if number > 0:
            assert disk.begun.wait(60)
        seen.append((number, disk.latest() is None))
        if number == STEPS - 1:
            disk.go.set()

    told: list[int] = []
    counter = Counter(watch)
    loop.run(counter, STEPS, new_log(), disk, 1e-9, 1.0, told.append)
    assert [number for number, _ in seen] == list(range(STEPS))
    assert all(nothing for _, nothing in seen)  # it was being written all the time
    step, state = disk.latest()
    assert (step, state.part("trainer").values) == (1, {"sum": 0})  # as it was after step 1
    assert told[0] == 1


def test_what_is_saved_is_the_state_of_its_own_step(tmp_path):
    """The next steps change the live tensors while the copy is on its way."""
    disk = HeldDisk(tmp_path)
    live, values = torch.zeros(3), {"rows": [{"a": 1}]}
    saver = Saver(disk, 1e-9, 1.0)
    saver.save(1, State({"t": live}, values))
    live.fill_(7.0)
    values["rows"][0]["a"] = 2
    disk.go.set()
    saver.finish()
    assert same(disk.latest()[1], State({"t": torch.zeros(3)}, {"rows": [{"a": 1}]}))


def test_callbacks_are_told_in_the_thread_of_the_training(tmp_path):
    threads = []
    loop.run(
        Counter(), 3, new_log(), Checkpoints(tmp_path), 1e-9, 1.0,
        lambda step: threads.append((step, threading.current_thread())),
    )  # fmt: skip
    assert threads
    assert {thread for _, thread in threads} == {threading.main_thread()}


class Failing(Checkpoints):
    """Fails once it is let go."""

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self.failed = threading.Event()

    def save(self, _step: int, _state: State) -> None:
        self.failed.set()
        raise FULL


def test_what_failed_in_the_background_is_raised_at_the_next_step(tmp_path):
    disk, seen = Failing(tmp_path), []

    def watch(number: int) -> None:
        seen.append(number)
        if number > 0:
            assert disk.failed.wait(60)
            for thread in threading.enumerate():
                if thread.name == "checkpoint":
                    thread.join(60)

    with pytest.raises(OutputError, match="the disk is full"):
        loop.run(Counter(watch), STEPS, new_log(), disk, 1e-9, 1.0)
    assert seen in ([0], [0, 1])  # in the step that ran meanwhile, at most


def test_a_save_that_fails_after_the_last_step_costs_no_run(tmp_path, capsys):
    loop.run(Counter(), 1, new_log(), Failing(tmp_path), 1e-9, 1.0)
    assert "warning: the last checkpoint was not saved, and is not needed" in (
        capsys.readouterr().out
    )


def test_sigterm_waits_for_the_save_on_its_way_and_then_saves(tmp_path):
    disk = HeldDisk(tmp_path)

    def ask(number: int) -> None:
        if number == 3:
            os.kill(os.getpid(), signal.SIGTERM)
            disk.go.set()

    with pytest.raises(TryAgainError, match="goes on from there"):
        loop.run(Counter(ask), STEPS, new_log(), disk, 1e-9, 1.0)
    assert disk.latest()[0] == 4
    assert [int(p.name.split("-")[1]) for p in sorted(tmp_path.glob("step-*"))] == [1, 4]


def test_sigterm_after_a_save_that_failed_saves_all_the_same(tmp_path):
    disk = Checkpoints(tmp_path)
    saver = Saver(disk, 1e-9, 1.0)
    real = disk.save
    disk.save = Failing.save.__get__(Failing(tmp_path))  # type: ignore[method-assign]
    saver.save(1, State(values={"n": 1}))
    saver.wait()
    disk.save = real  # type: ignore[method-assign]
    saver.save_now(2, State(values={"n": 2}))
    assert disk.latest()[0] == 2


def test_a_second_sigterm_does_not_wait_for_the_disk(tmp_path):
    disk = HeldDisk(tmp_path)

    def ask(number: int) -> None:
        if number == 2:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)

    try:
        with pytest.raises(TryAgainError):
            loop.run(Counter(ask), STEPS, new_log(), disk, 1e-9, 1.0)
        assert disk.latest() is None
    finally:
        disk.go.set()


def test_another_error_is_raised_when_nobody_writes_any_more(tmp_path):
    disk = HeldDisk(tmp_path)

    def stop(number: int) -> None:
        if number == 2:
            disk.go.set()
            raise Stop

    with pytest.raises(Stop):
        loop.run(Counter(stop), STEPS, new_log(), disk, 1e-9, 1.0)
    assert disk.latest()[0] == 1


@pytest.mark.parametrize("name", ["save_file", "sha256", "_sync"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_kill_amid_a_background_save_leaves_the_one_before(tmp_path, name, count):
    """The process ends before call `count` of what the second save does to the disk."""
    child = os.fork()
    if child == 0:
        disk = Checkpoints(tmp_path)
        saver = Saver(disk, 1e-9, 1.0)
        saver.save(1, State({"t": torch.ones(4)}, {"n": 1}))
        saver.wait()
        saver.poll()
        real, left = getattr(checkpoint, name), [count]

        def killing(*arguments):
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return real(*arguments)

        setattr(checkpoint, name, killing)
        saver.save(2, State({"t": torch.ones(4)}, {"n": 2}))
        saver.wait()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (-signal.SIGKILL, 0)
    step, state = Checkpoints(tmp_path).latest()
    assert state.values == {"n": step}
    assert step == 1 or status == 0
    assert status == -signal.SIGKILL or count > 0


@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_run_that_saved_in_the_background_goes_on_to_the_same_state(tmp_path, at):
    whole = trainer()
    loop.run(whole, STEPS, new_log())
    with pytest.raises(Stop):
        loop.run(stopping(trainer(), at), STEPS, new_log(), Checkpoints(tmp_path), 1e-9, 1.0)
    assert Checkpoints(tmp_path).latest() is not None
    again = trainer()
    loop.run(again, STEPS, new_log(), Checkpoints(tmp_path), 1e-9, 1.0)
    assert equal(again.state(), whole.state())


def test_fixed_parts_are_not_copied():
    kept = {"part": {"a": torch.ones(2)}}
    copied = saving._copy(State({"t": torch.ones(1)}, {}, kept))
    assert copied.fixed["part"]["a"] is kept["part"]["a"]

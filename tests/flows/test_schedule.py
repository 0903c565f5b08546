"""Stages side by side: order, limits, and what happens after a failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.graph import Meta, Stage
from flows.schedule import Limits, alone, walk


def make(name: str, *upstream: str, gpus: int = 0) -> Stage:
    return Stage(name, "", upstream, Meta("evaluate", gpus, 0, 1))


class Recorder:
    """Starts nothing; ends stages from threads, and notes what ran beside what."""

    def __init__(self, fail: tuple[str, ...] = (), seconds: float = 0.002) -> None:
        self.fail, self.seconds = fail, seconds
        self.lock = threading.Lock()
        self.running: set[str] = set()
        self.most = 0
        self.finished: list[str] = []
        self.began: dict[str, set[str]] = {}
        self.given: dict[str, tuple[str, ...]] = {}
        self.shared: list[str] = []  # stages that were given the GPU of another

    def start(self, stage: Stage, gpus: tuple[str, ...], finished: Callable[[bool], None]) -> None:
        with self.lock:
            if any(set(gpus) & set(self.given[name]) for name in self.running):
                self.shared.append(stage.name)
            self.running.add(stage.name)
            self.given[stage.name] = gpus
            self.began[stage.name] = set(self.finished)
            self.most = max(self.most, len(self.running))

        def end() -> None:
            time.sleep(self.seconds)
            with self.lock:
                self.running.discard(stage.name)
                self.finished.append(stage.name)
            finished(stage.name not in self.fail)

        threading.Thread(target=end).start()


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    for number in range(draw(st.integers(1, 8))):
        above = draw(st.lists(st.sampled_from(stages), max_size=3)) if stages else []
        names = sorted({stage.name for stage in above})
        stages.append(make(f"s{number}", *names, gpus=draw(st.integers(0, 2))))
    return tuple(stages)


@settings(max_examples=40, deadline=None)
@given(graphs(), st.integers(1, 3), st.integers(0, 3))
def test_every_stage_runs_once_after_what_it_needs_on_gpus_of_its_own(
    stages: tuple[Stage, ...], parallel: int, count: int
) -> None:
    recorder = Recorder()
    gpus = tuple(f"GPU-{number}" for number in range(count))
    assert walk(stages, Limits(parallel, gpus), recorder.start) == []
    assert sorted(recorder.finished) == sorted(stage.name for stage in stages)
    assert recorder.most <= parallel
    assert recorder.shared == []
    for stage in stages:
        assert recorder.began[stage.name].issuperset(stage.upstream)
        assert len(recorder.given[stage.name]) == min(stage.meta.gpus, count)


def test_independent_stages_do_run_side_by_side() -> None:
    recorder = Recorder(seconds=0.1)
    walk((make("a"), make("b"), make("c")), Limits(2), recorder.start)
    assert recorder.most == 2


def test_two_gpus_serve_two_stages_at_once() -> None:
    stages = tuple(make(f"s{number}", gpus=1) for number in range(4))
    recorder = Recorder(seconds=0.05)
    walk(stages, Limits(4, ("3", "5")), recorder.start)
    assert recorder.most == 2
    assert {recorder.given["s0"], recorder.given["s1"]} == {("3",), ("5",)}


def test_without_a_gpu_only_the_number_of_stages_counts() -> None:
    stages = tuple(make(f"s{number}", gpus=1) for number in range(4))
    recorder = Recorder(seconds=0.05)
    walk(stages, Limits(4), recorder.start)
    assert recorder.most == 4


def test_after_a_failure_nothing_new_starts_and_what_runs_is_waited_for() -> None:
    stages = (make("bad"), make("other"), make("below", "bad"), make("free"))
    recorder = Recorder(fail=("bad",), seconds=0.02)
    unfinished = walk(stages, Limits(2), recorder.start)
    assert unfinished[0] == "bad"
    assert "below" in unfinished
    assert "below" not in recorder.finished
    assert "other" in recorder.finished


def test_stages_outside_the_walk_count_as_finished() -> None:
    recorder = Recorder()
    assert walk((make("b", "a"),), Limits(1), recorder.start) == []


@pytest.mark.parametrize(("parallel", "gpus"), [(0, ()), (1, ("0", "0"))])
def test_impossible_limits_are_refused(parallel: int, gpus: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="must"):
        Limits(parallel, gpus)


def test_a_stage_is_alone_that_all_others_need_or_that_needs_all() -> None:
    stages = (
        make("a"), make("b", "a"), make("c", "b"), make("d", "b"), make("e", "c"),
        make("f", "e", "d"), make("g", "f"),
    )  # fmt: skip
    assert alone(stages) == {"a", "b", "f", "g"}
    assert alone(stages[2:4]) == set()  # what they need is there already
    assert alone(stages[:1]) == {"a"}
    assert alone(()) == set()

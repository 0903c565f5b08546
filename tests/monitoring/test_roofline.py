"""The machine's limits, measured."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner

from benchmarks import peak as command
from rlp_core.monitoring import roofline


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the timed work itself moves."""
    now = [0.0]
    monkeypatch.setattr(roofline.time, "perf_counter", lambda: now[0])
    return now


def test_the_shortest_of_many_calls_counts(clock: list[float]) -> None:
    durations = [100.0, 0.5, 0.25, 0.75, 9.0, 100.0]  # the first warms up, the last is not needed
    left = iter(durations)

    def work() -> None:
        clock[0] += next(left)

    assert roofline._fastest(work, "cpu", 5.0) == 0.25
    assert list(left) == [100.0]


def test_a_product_counts_two_n_cubed_and_the_best_size_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = iter([2.0, 1.0, 50.0])
    monkeypatch.setattr(roofline, "_fastest", lambda *_: next(seconds))
    found = roofline.matrix_peak(torch.float32, seconds=1000.0, sizes=(2, 4, 8))
    assert found == pytest.approx(2 * 4**3 / 1e9)


def test_a_size_that_would_take_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([1.0, 8.0])  # one GFLOP/s at every size; the third product would take 64 s
    monkeypatch.setattr(roofline, "_fastest", lambda *_: next(seconds))
    assert roofline.matrix_peak(torch.bfloat16, seconds=10.0, sizes=(2, 4, 8)) > 0
    assert next(seconds, None) is None


@pytest.mark.parametrize(("copy", "triad", "arrays"), [(1.0, 1.0, 3), (1.0, 2.0, 2)])
def test_bandwidth_counts_every_array_once(
    monkeypatch: pytest.MonkeyPatch, copy: float, triad: float, arrays: int
) -> None:
    seconds = iter([copy, triad])
    monkeypatch.setattr(roofline, "_fastest", lambda *_: next(seconds))
    assert roofline.bandwidth(mebibytes=1) == pytest.approx(arrays * 2**20 / 1e9)


def test_the_last_line_is_json() -> None:
    done = CliRunner().invoke(command.main, ["--threads", "1", "--seconds", "0.01"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found) == set(roofline.Peak.__dataclass_fields__)
    assert (found["threads"], found["device"]) == (1, "cpu")

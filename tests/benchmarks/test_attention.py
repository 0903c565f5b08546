"""The benchmark of attention kernels on a shape small enough for a test; no time is asserted."""

import json

import pytest
from click.testing import CliRunner

from benchmarks import attention
from benchmarks.attention import Shape

SMALL = Shape(documents=2, tokens=9, group_size=3, thought_tokens=6, ragged=True)


@pytest.mark.parametrize(("dtype", "near"), [("float32", 1e-5), ("bfloat16", 0.05)])
def test_all_kernels_compute_the_same(dtype, near):
    found = attention.measure(SMALL, dtype, 2)
    assert set(found["difference"]) == {"blocks", "flash", "mask"}
    assert max(found["difference"].values()) < near
    assert found["difference"]["flash"] > 0  # it was computed another way
    assert found["times_as_fast_as_blocks"]["blocks"] == [1.0, 1.0, 1.0]


def test_the_last_line_is_json(monkeypatch):
    monkeypatch.setattr(attention, "SHAPES", {"short": SMALL})
    result = CliRunner().invoke(attention.main, ["--repeats", "1", "--shape", "short"])
    found = json.loads(result.stdout.splitlines()[-1])
    assert [each["dtype"] for each in found["measured"]] == ["float32", "bfloat16"]
    low, median, high = found["measured"][0]["milliseconds"]["flash"]["both"]["processor"]
    assert low <= median <= high

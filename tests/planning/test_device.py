"""How much memory there is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rlp_core.errors import UsageError
from rlp_core.params import load
from rlp_core.planning.device import available, of_device

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = load(ROOT / "profiles" / "tiny.yaml").runtime
GIB = 2**30


def meminfo(folder: Path, kib: int) -> Path:
    path = folder / "meminfo"
    path.write_text(f"MemTotal:  99999999 kB\nMemAvailable:   {kib} kB\nHugePages_Total: 0\n")
    return path


def test_what_the_machine_can_give(tmp_path: Path) -> None:
    assert available(meminfo(tmp_path, 2**20), tmp_path / "none") == GIB


@pytest.mark.parametrize(
    ("limit", "used"),
    [
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ],
)
def test_a_control_group_may_allow_less(tmp_path: Path, limit: str, used: str) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / limit).write_text(f"{GIB // 2}\n")
    (tmp_path / used).write_text(f"{GIB // 8}\n")
    assert available(meminfo(tmp_path, 2**20), tmp_path) == GIB // 2 - GIB // 8


def test_a_control_group_without_a_limit_allows_all(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("7\n")
    assert available(meminfo(tmp_path, 2**20), tmp_path) == GIB


def test_where_nothing_is_told_nothing_is_made_up(tmp_path: Path) -> None:
    assert available(tmp_path / "none", tmp_path / "none") is None


def test_this_machine_tells() -> None:
    found = of_device(RUNTIME, torch.device("cpu"))
    assert found is not None
    assert found.size > 0


def test_the_parameters_say_instead() -> None:
    runtime = RUNTIME.model_copy(update={"memory_limit": "3GB"})
    found = of_device(runtime, torch.device("cpu"))
    assert found is not None
    assert found.size == 3 * 10**9
    assert found.usable < found.size


def test_a_limit_that_cannot_be_read_names_its_key() -> None:
    runtime = RUNTIME.model_copy(update={"memory_limit": "much"})
    with pytest.raises(UsageError, match=r"runtime\.memory_limit"):
        of_device(runtime, torch.device("cpu"))

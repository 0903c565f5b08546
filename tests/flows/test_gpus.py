"""Which GPUs are shared out, told from devices and variables alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import gpus
from flows.stage_task import Run, stage_environment


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("", ()),
        ("-1", ()),
        ("2", ("2",)),
        ("3, 1", ("3", "1")),
        ("0,-1,1", ("0",)),
        ("0,0", ("0",)),
        ("GPU-8932,MIG-04", ("GPU-8932", "MIG-04")),
    ],
)
def test_what_is_visible_is_what_is_shared_out(
    said: str, seen: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
    assert gpus.visible_gpus() == seen


def test_devices_are_counted_from_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpus.visible_gpus(tmp_path) == ()
    for name, gpu_id in (("0", "0"), ("1", "4711"), ("2", "815")):
        node = tmp_path / "sys/class/kfd/kfd/topology/nodes" / name
        node.mkdir(parents=True)
        (node / "gpu_id").write_text(f"{gpu_id}\n")
    assert gpus.visible_gpus(tmp_path) == ("0", "1")
    (tmp_path / "dev").mkdir()
    for name in ("nvidia3", "nvidiactl", "nvidia-uvm"):  # a container that holds one of several
        (tmp_path / "dev" / name).touch()
    assert gpus.visible_gpus(tmp_path) == ("0",)


def test_fewer_than_asked_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    said: list[str] = []
    assert gpus.slots(1, ("auto", ""), said.append) == ("4",)
    assert said == []
    assert gpus.slots(3, ("auto", ""), said.append) == ("4", "5")
    assert "3 GPU slots are asked for, 2 can be seen" in said[0]


def test_a_gpu_named_by_number_is_seen_by_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    said: list[str] = []
    assert gpus.slots(2, ("auto", "cuda:1"), said.append) == ("4,5",)
    assert "cuda:1" in said[0]
    assert gpus.slots(2, ("cpu", ""), said.append) == ()


def test_a_stage_sees_its_own_gpus_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    assert stage_environment(Run("/", gpus=("2", "1")))["CUDA_VISIBLE_DEVICES"] == "2,1"
    assert stage_environment(Run("/"))["CUDA_VISIBLE_DEVICES"] == "0,1,2"

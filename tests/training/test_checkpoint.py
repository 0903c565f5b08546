"""Checkpoints: exact round trips, nothing half-visible, and damage that is seen and survived."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError

from rlp_core.errors import OutputError
from rlp_core.training import checkpoint
from rlp_core.training.checkpoint import Checkpoints, State, module_state, restore_module
from tests import models

NAMES = st.text(min_size=1, max_size=8).filter(lambda name: "/" not in name)
NUMBERS = st.integers() | st.floats() | st.booleans()
VALUES = st.recursive(
    st.none() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.uint8]


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """Random bits of any type and shape, scalars, empty ones, NaN and transposed views too."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    size = math.prod(shape) * dtype.itemsize
    raw = bytearray(draw(st.binary(min_size=size, max_size=size)))
    if not raw:
        return torch.empty(shape, dtype=dtype)
    made = torch.frombuffer(raw, dtype=dtype).reshape(shape)
    return made.transpose(0, -1) if len(shape) > 1 and draw(st.booleans()) else made


PARTS = st.dictionaries(NAMES, st.dictionaries(NAMES, tensors(), max_size=2), max_size=2)


def bits(tensor: torch.Tensor) -> tuple[torch.dtype, torch.Size, bytes]:
    """Everything that makes two tensors the same, NaN and the sign of zero too."""
    raw = tensor.contiguous().reshape(-1).view(torch.uint8)
    return tensor.dtype, tensor.shape, bytes(raw.tolist())


def same(a: State, b: State) -> bool:
    left = {name: bits(tensor) for name, tensor in a.everything.items()}
    right = {name: bits(tensor) for name, tensor in b.everything.items()}
    same_parts = a.fixed.keys() == b.fixed.keys()
    # repr tells NaN and -0.0 apart
    return left == right and same_parts and repr(a.values) == repr(b.values)


def state(number: float) -> State:
    return State({"a": torch.full((3,), float(number))}, {"number": number})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@given(
    st.dictionaries(NAMES, tensors(), max_size=4),
    st.dictionaries(st.text(), VALUES, max_size=4),
    PARTS,
    st.integers(0, 10**9),
)
def test_a_state_comes_back_bit_by_bit(found, values, fixed, step):
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder) / "c")
        checkpoints.save(step, State(found, values, fixed))
        at, back = checkpoints.latest()
    assert at == step
    assert same(back, State(found, values, fixed))


@given(
    st.dictionaries(
        NAMES,
        st.builds(State, st.dictionaries(NAMES, tensors(), max_size=2), st.just({}), PARTS),
    )
)
def test_joined_states_come_apart_again(parts):
    whole = State.join(parts)
    assert all(same(whole.part(name), part) for name, part in parts.items())


def test_numbers_that_json_does_not_know():
    values = {"x": [math.inf, -math.inf, -0.0, 5e-324, 1e308, 0.1, 2**70]}
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder))
        checkpoints.save(0, State({}, {**values, "nan": math.nan}))
        back = checkpoints.latest()[1].values
    assert math.isnan(back.pop("nan"))
    assert repr(back) == repr(values)


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, {"a": [(1,)]}, torch.tensor(1.0), {1}])
def test_what_json_would_change_is_refused(tmp_path, value):
    with pytest.raises(TypeError, match="a state"):
        Checkpoints(tmp_path).save(0, State({}, {"x": value}))
    assert Checkpoints(tmp_path).latest() is None


def test_views_and_shared_memory_are_saved_apart(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    given_ = {"whole": base, "row": base[1], "same": base, "column": base[:, 2], "t": base.t()}
    Checkpoints(tmp_path).save(0, State(given_))
    assert same(Checkpoints(tmp_path).latest()[1], State(given_))


def test_two_are_kept_and_the_newest_is_read(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c")
    assert checkpoints.latest() is None
    for step in (1, 2, 10, 9_999_999):
        checkpoints.save(step, state(step))
        assert checkpoints.latest()[0] == step
    assert names(tmp_path / "c") == ["step-000000000010", "step-000009999999"]
    checkpoints.save(9_999_999, state(0.5))
    assert checkpoints.latest()[1].values == {"number": 0.5}
    checkpoints.clear()
    assert not (tmp_path / "c").exists()
    assert checkpoints.latest() is None
    checkpoints.clear()


@pytest.fixture
def two(tmp_path: Path) -> Checkpoints:
    checkpoints = Checkpoints(tmp_path / "c")
    for step in (1, 2):
        checkpoints.save(step, state(step))
    return checkpoints


def newest(checkpoints: Checkpoints) -> Path:
    return sorted(checkpoints.folder.glob("step-*"))[-1]


def fixed(*numbers: float) -> State:
    parts = {f"part {n}": {"a": torch.full((3,), float(n))} for n in numbers}
    return State({"moving": torch.zeros(2)}, {}, parts)


def written(monkeypatch) -> list[str]:
    """The files of tensors that are written from now on."""
    found, real = [], checkpoint.save_file

    def saving(tensors, path):
        found.append(path.name)
        real(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", saving)
    return found


def test_a_fixed_part_is_written_once_and_lies_in_every_checkpoint(tmp_path, monkeypatch):
    checkpoints, kept, files = Checkpoints(tmp_path / "c"), fixed(1, 2), written(monkeypatch)
    for step in range(1, 5):
        checkpoints.save(step, kept)
        assert same(checkpoints.latest()[1], kept)
    assert files.count("tensors.safetensors") == 4
    assert sorted(set(files)) == sorted(files[:3])
    assert len(files) == 4 + 2
    shutil.rmtree(tmp_path / "c" / "step-000000000004")
    assert same(checkpoints.latest()[1], kept)  # the one before is whole without the newest
    checkpoints.save(5, kept)  # nothing to link from: it is written again
    assert same(checkpoints.latest()[1], kept)
    assert len(files) == 4 + 2 + 3


def test_another_tensor_in_a_fixed_part_is_written(tmp_path, monkeypatch):
    checkpoints, files = Checkpoints(tmp_path / "c"), written(monkeypatch)
    first = fixed(1, 2)
    checkpoints.save(1, first)
    changed = State(first.tensors, {}, {**first.fixed, "part 2": {"a": torch.full((3,), 9.0)}})
    checkpoints.save(2, changed)
    assert same(checkpoints.latest()[1], changed)
    fewer = State(first.tensors, {}, {"part 2": changed.fixed["part 2"]})
    checkpoints.save(3, fewer)
    assert same(checkpoints.latest()[1], fewer)
    assert len(files) == 3 + 2 + 1


def test_a_file_system_without_links_gets_the_bytes_again(tmp_path, monkeypatch):
    checkpoints, kept = Checkpoints(tmp_path / "c"), fixed(1)

    def refuse(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    for step in (1, 2):
        checkpoints.save(step, kept)
        assert same(checkpoints.latest()[1], kept)


def test_a_fixed_part_that_was_damaged_is_told(tmp_path, capsys):
    checkpoints, kept = Checkpoints(tmp_path / "c"), fixed(1)
    checkpoints.save(1, kept)
    path = newest(checkpoints) / "fixed-0.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert checkpoints.latest() is None
    assert "is damaged" in capsys.readouterr().out


FILES = ("tensors.safetensors", "values.json", "manifest.json")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "longer", "folder"])
def test_a_damaged_one_is_told_and_the_one_before_is_taken(two, capsys, name, damage):
    path = newest(two) / name
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"truncated": whole[:-1], "empty": b"", "longer": whole + b"x"}[damage])
    step, back = two.latest()
    assert step == 1
    assert same(back, state(1))
    assert f"{newest(two)} is damaged" in capsys.readouterr().out
    two.save(2, state(2))  # as the run that goes on does: it takes the place of the damaged one
    assert two.latest()[0] == 2
    assert len(names(two.folder)) == 2


@given(st.data())
def test_no_flipped_bit_is_ever_read_as_a_state(data):
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder))
        checkpoints.save(3, state(3))
        path = newest(checkpoints) / data.draw(st.sampled_from(FILES))
        raw = bytearray(path.read_bytes())
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(bytes(raw))
        found = checkpoints.latest()
        assert found is None or (found[0] == 3 and same(found[1], state(3)))
        assert found is None or path.name == "manifest.json"  # a space that became a tab, at most


def test_another_version_or_step_is_not_taken(two, capsys):
    manifest = newest(two) / "manifest.json"
    content = json.loads(manifest.read_text())
    for change in ({"format": 3}, {"step": 7}):
        manifest.write_text(json.dumps(content | change))
        assert two.latest()[0] == 1
    assert capsys.readouterr().out.count("is damaged") == 2
    manifest.write_text("[1]")
    assert two.latest()[0] == 1


def test_all_damaged_is_as_none(two):
    for path in two.folder.glob("step-*"):
        (path / "values.json").unlink()
    assert two.latest() is None


CALLS = {
    "save_file": checkpoint,
    "sha256": checkpoint,
    "_sync": checkpoint,
    "replace": os,
    "rename": os,
    "rmtree": shutil,
}


@pytest.mark.parametrize("again", [False, True], ids=["a new step", "the same step again"])
@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize("name", CALLS)
def test_a_kill_anywhere_in_a_save_leaves_a_whole_state(two, name, count, again):
    """A process kills itself before call `count` of each thing that a save does to the disk."""
    module, real, left = CALLS[name], getattr(CALLS[name], name), [count]

    def killing(*arguments, **settings):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return real(*arguments, **settings)

    new = 2 if again else 3
    child = os.fork()
    if child == 0:
        setattr(module, name, killing)
        two.save(new, state(new))
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (-signal.SIGKILL, 0)
    assert status != 0 or count > 0  # each is called at least once
    step, back = two.latest()
    assert step in ((1, 2) if again else (2, 3))
    assert same(back, state(step))
    two.save(new, state(new))
    assert two.latest()[0] == new
    assert len(names(two.folder)) == 2  # nothing unfinished is left lying


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), SafetensorError("full")])
def test_a_full_disk_is_an_error_that_can_be_mended(two, monkeypatch, error):
    def full(*_):
        raise error

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OutputError, match="full"):
        two.save(3, state(3))
    assert two.latest()[0] == 2
    assert len(names(two.folder)) == 2


def test_a_module_comes_back_with_its_ties():
    a, b = models.model(1), models.model(2)
    kept = module_state(a)
    tied = [name for name in a.state_dict() if name not in kept.tensors]
    assert tied == ["lm_head.weight"]
    restore_module(b, kept)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert b.lm_head.weight is b.model.embed_tokens.weight
    with pytest.raises(ValueError, match="another make"):
        restore_module(torch.nn.Linear(2, 2), kept)

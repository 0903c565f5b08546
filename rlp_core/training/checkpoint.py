"""Checkpoints: the whole state of a training run on disk, so that a kill costs no result.

A checkpoint is a folder that appears under its name in one rename, after its bytes have reached
the disk, and carries the checksum of each file. The one before it is kept: whatever happens to
the newest, a run can go on, and only seconds are lost (design, section 4.6).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rlp_core.errors import OutputError
from rlp_core.files import replacing_folder, sha256

FORMAT = 1
"""Version of the layout on disk; another one is not read."""
KEPT = 2
"""The newest and the one before."""

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

_TENSORS, _VALUES, _MANIFEST = "tensors.safetensors", "values.json", "manifest.json"


@dataclass(frozen=True)
class State:
    """What a trainer must remember between two steps.

    Attributes:
        tensors: by name; they may be the live ones, since saving copies them.
        values: whatever JSON can hold, NaN and infinities too. Numbers come back exactly; a
            tuple comes back as a list, so it is refused.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, JSON] = field(default_factory=dict)

    @staticmethod
    def join(parts: Mapping[str, State]) -> State:
        """One state of several, by name; names hold no `/`."""
        tensors = {
            f"{name}/{k}": t for name, part in parts.items() for k, t in part.tensors.items()
        }
        return State(tensors, {name: part.values for name, part in parts.items()})

    def part(self, name: str) -> State:
        """What `join` was given under a name."""
        values = self.values[name]
        assert isinstance(values, dict)
        start = f"{name}/"
        tensors = {k.removeprefix(start): t for k, t in self.tensors.items() if k.startswith(start)}
        return State(tensors, values)


class Checkpoints:
    """The checkpoints of one run, in a folder of their own that nothing else writes to."""

    def __init__(self, folder: Path) -> None:
        """Begin; the folder is made by the first `save`.

        Args:
            folder: keyed by all that decides the run's result, so that no other run's state is
                ever taken for this one's.
        """
        self.folder = folder

    def save(self, step: int, state: State) -> None:
        """Write the state after `step` steps, then remove all but the newest two checkpoints.

        Raises:
            OutputError: the disk is full or the folder cannot be written.
        """
        self._clean()
        target = self.folder / _name(step)
        if target.exists():  # damaged, or saved before: the one before it stands meanwhile
            self._remove(target)
        with replacing_folder(target) as temporary:
            _write(temporary, step, state)
        _sync(self.folder)
        for old in self._found()[:-KEPT]:
            self._remove(old)

    def latest(self) -> tuple[int, State] | None:
        """The newest whole checkpoint: the steps done, and the state; None without one.

        A damaged one is told on standard output and left out.
        """
        for path in reversed(self._found()):
            try:
                return _read(path)
            except _DamagedError as damage:
                print(f"warning: checkpoint {path} is damaged ({damage}); it is not used")
        return None

    def clear(self) -> None:
        """Remove all checkpoints and the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _found(self) -> list[Path]:
        """Checkpoints by step, whole or damaged; what is still being written has another name."""
        return sorted(self.folder.glob("step-*"))

    def _remove(self, path: Path) -> None:
        """Hide a checkpoint by a rename and remove it, so that none is ever seen half removed."""
        hidden = path.with_name(f".{path.name}.removed")
        shutil.rmtree(hidden, ignore_errors=True)
        path.rename(hidden)
        shutil.rmtree(hidden)

    def _clean(self) -> None:
        """Remove what a killed process was writing or removing."""
        for path in self.folder.glob(".step-*"):
            shutil.rmtree(path, ignore_errors=True)


def module_state(module: torch.nn.Module) -> State:
    """The parameters and kept buffers of a module, each tensor once however often it is tied."""
    return State(_kept_tensors(module))


def restore_module(module: torch.nn.Module, state: State) -> None:
    """Copy a state made by `module_state` into a module of the same make.

    Raises:
        ValueError: names or shapes differ.
    """
    own = _kept_tensors(module)
    if {k: t.shape for k, t in own.items()} != {k: t.shape for k, t in state.tensors.items()}:
        raise ValueError("the checkpoint was written by a model of another make")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(state.tensors[name])


def _kept_tensors(module: torch.nn.Module) -> dict[str, Tensor]:
    seen: dict[int, str] = {}
    kept = module.state_dict(keep_vars=True)
    return {
        name: tensor.detach()
        for name, tensor in kept.items()
        if seen.setdefault(id(tensor), name) == name
    }


class _DamagedError(Exception):
    """A checkpoint that cannot be used; never leaves this file."""


def _name(step: int) -> str:
    return f"step-{step:012d}"


def _write(folder: Path, step: int, state: State) -> None:
    """Fill an empty folder and bring it to the disk; the manifest comes last."""
    try:
        save_file(_apart(state.tensors), folder / _TENSORS)
    except SafetensorError as error:  # its way to say that the disk is full
        raise OutputError(
            f"cannot write a checkpoint: {error}",
            where=str(folder),
            fix="free some space, then run again: it goes on from the checkpoint before",
        ) from error
    _require_json(state.values)
    (folder / _VALUES).write_text(json.dumps(state.values), encoding="utf-8")
    digests = {name: sha256(folder / name) for name in (_TENSORS, _VALUES)}
    manifest = {"format": FORMAT, "step": step, "sha256": digests}
    (folder / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    for path in (*folder.iterdir(), folder):
        _sync(path)


def _read(folder: Path) -> tuple[int, State]:
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        digests = {name: sha256(folder / name) for name in (_TENSORS, _VALUES)}
    except (OSError, ValueError) as error:
        raise _DamagedError(str(error)) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _DamagedError("its manifest is not of this version")
    step = manifest.get("step")
    if manifest.get("sha256") != digests:
        raise _DamagedError("its bytes are not those that were written")
    if not isinstance(step, int) or _name(step) != folder.name:
        raise _DamagedError("its manifest names another step")
    values = json.loads((folder / _VALUES).read_bytes())
    return step, State(load_file(folder / _TENSORS), values)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, each whole in memory of its own: the file format knows no views."""
    seen: set[int] = set()
    apart = {}
    for name, live in tensors.items():
        tensor = live.detach().to("cpu").contiguous()
        memory = tensor.untyped_storage()
        view = memory.nbytes() != tensor.numel() * tensor.element_size()
        apart[name] = tensor.clone() if view or memory.data_ptr() in seen else tensor
        seen.add(apart[name].untyped_storage().data_ptr())
    return apart


def _require_json(value: object) -> None:
    """Refuse what JSON would change without a word: tuples, keys that are no strings."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a state's key must be a string, not {key!r}")
            _require_json(inner)
    elif isinstance(value, list):
        for inner in value:
            _require_json(inner)
    elif type(value) not in (bool, int, float, str, type(None)):
        raise TypeError(f"a state holds JSON values, not {type(value).__name__}")


def _sync(path: Path) -> None:
    """Bring a file, or a folder's names, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

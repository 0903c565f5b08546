"""Checkpoints: the whole state of a training run on disk, so that a kill costs no result.

A checkpoint is a folder that appears under its name in one rename, after its bytes have reached
the disk, and carries the checksum of each file. The one before it is kept: whatever happens to
the newest, a run can go on, and only seconds are lost (design, section 4.6).

What never changes during a run, or seldom, is a file of its own: the next checkpoint links it
instead of writing it again.
"""

from __future__ import annotations

import json
import os
import shutil
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rlp_core.errors import OutputError
from rlp_core.files import replacing_folder, sha256

FORMAT = 2
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
        fixed: parts by name, of tensors that nobody changes in place from now on: they are written
            again only when they are other tensors.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, JSON] = field(default_factory=dict)
    fixed: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    @property
    def everything(self) -> dict[str, Tensor]:
        """All tensors, those of fixed parts too, under the part's name."""
        inner = {f"{part}/{k}": t for part, kept in self.fixed.items() for k, t in kept.items()}
        return self.tensors | inner

    @staticmethod
    def join(parts: Mapping[str, State]) -> State:
        """One state of several, by name; names hold no `/`."""
        tensors = {
            f"{name}/{k}": t for name, part in parts.items() for k, t in part.tensors.items()
        }
        fixed = {
            f"{name}/{k}": kept for name, part in parts.items() for k, kept in part.fixed.items()
        }
        return State(tensors, {name: part.values for name, part in parts.items()}, fixed)

    def part(self, name: str) -> State:
        """What `join` was given under a name."""
        values = self.values[name]
        assert isinstance(values, dict)
        return State(_below(name, self.tensors), values, _below(name, self.fixed))


_T = TypeVar("_T")


def _below(name: str, named: Mapping[str, _T]) -> dict[str, _T]:
    """What stands under `name/`."""
    start = f"{name}/"
    return {k.removeprefix(start): v for k, v in named.items() if k.startswith(start)}


@dataclass(frozen=True)
class _Written:
    """A fixed part that lies on the disk.

    Attributes:
        path: its file, in the newest checkpoint.
        sha256: of the file.
        tensors: which tensors it holds; they are not kept alive by it.
    """

    path: Path
    sha256: str
    tensors: dict[str, weakref.ref[Tensor]]

    def holds(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether these very tensors were written."""
        return self.tensors.keys() == tensors.keys() and all(
            self.tensors[name]() is tensor for name, tensor in tensors.items()
        )


class Checkpoints:
    """The checkpoints of one run, in a folder of their own that nothing else writes to."""

    def __init__(self, folder: Path) -> None:
        """Begin; the folder is made by the first `save`.

        Args:
            folder: keyed by all that decides the run's result, so that no other run's state is
                ever taken for this one's.
        """
        self.folder = folder
        self._written: dict[str, _Written] = {}

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
            fixed = _write(temporary, step, state, self._written)
        _sync(self.folder)
        self._written = {
            name: replace(found, path=target / found.path.name) for name, found in fixed.items()
        }
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


def module_state(module: torch.nn.Module, names: frozenset[str] | None = None) -> State:
    """The parameters and kept buffers of a module, each tensor once however often it is tied.

    Args:
        module: whose.
        names: of those that are wanted, such as the trained ones; None: all.
    """
    return State(_kept_tensors(module, names))


def restore_module(
    module: torch.nn.Module, state: State, names: frozenset[str] | None = None
) -> None:
    """Copy a state made by `module_state` with the same names into a module of the same make.

    Raises:
        ValueError: names or shapes differ.
    """
    own = _kept_tensors(module, names)
    if {k: t.shape for k, t in own.items()} != {k: t.shape for k, t in state.tensors.items()}:
        raise ValueError("the checkpoint was written by a model of another make")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(state.tensors[name])


def _kept_tensors(module: torch.nn.Module, names: frozenset[str] | None) -> dict[str, Tensor]:
    seen: dict[int, str] = {}
    kept = module.state_dict(keep_vars=True)
    return {
        name: tensor.detach()
        for name, tensor in kept.items()
        if seen.setdefault(id(tensor), name) == name and (names is None or name in names)
    }


class _DamagedError(Exception):
    """A checkpoint that cannot be used; never leaves this file."""


def _name(step: int) -> str:
    return f"step-{step:012d}"


def _write(
    folder: Path, step: int, state: State, written: Mapping[str, _Written]
) -> dict[str, _Written]:
    """Fill an empty folder and bring it to the disk; the manifest comes last.

    Args:
        folder: where.
        step: how many steps are done.
        state: what to write.
        written: fixed parts of the checkpoint before.

    Returns:
        The fixed parts as they lie in this folder.
    """
    _write_tensors(state.tensors, folder / _TENSORS)
    _require_json(state.values)
    (folder / _VALUES).write_text(json.dumps(state.values), encoding="utf-8")
    digests = {name: sha256(folder / name) for name in (_TENSORS, _VALUES)}
    fixed: dict[str, _Written] = {}
    for number, (name, tensors) in enumerate(state.fixed.items()):
        path = folder / f"fixed-{number}.safetensors"
        before = written.get(name)
        if before is None or not (before.holds(tensors) and _linked(before.path, path)):
            _write_tensors(tensors, path)
            refs = {key: weakref.ref(tensor) for key, tensor in tensors.items()}
            before = _Written(path, sha256(path), refs)
        fixed[name] = replace(before, path=path)
        digests[path.name] = before.sha256
    manifest = {
        "format": FORMAT,
        "step": step,
        "sha256": digests,
        "fixed": {name: found.path.name for name, found in fixed.items()},
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    for path in (*folder.iterdir(), folder):
        _sync(path)
    return fixed


def _write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    try:
        save_file(_apart(tensors), path)
    except SafetensorError as error:  # its way to say that the disk is full
        raise OutputError(
            f"cannot write a checkpoint: {error}",
            where=str(path.parent),
            fix="free some space, then run again: it goes on from the checkpoint before",
        ) from error


def _linked(old: Path, new: Path) -> bool:
    """Give a file a second name; False where it is gone, or the file system knows no links."""
    try:
        new.hardlink_to(old)
    except OSError:
        return False
    return True


def _read(folder: Path) -> tuple[int, State]:
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise _DamagedError("its manifest is not of this version")
        digests = {name: sha256(folder / name) for name in manifest["sha256"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _DamagedError(str(error)) from error
    step, named = manifest.get("step"), manifest.get("fixed")
    if manifest["sha256"] != digests or not isinstance(named, dict):
        raise _DamagedError("its bytes are not those that were written")
    if digests.keys() != {_TENSORS, _VALUES, *named.values()}:
        raise _DamagedError("its manifest names other files")
    if not isinstance(step, int) or _name(step) != folder.name:
        raise _DamagedError("its manifest names another step")
    values = json.loads((folder / _VALUES).read_bytes())
    fixed = {name: load_file(folder / file) for name, file in named.items()}
    return step, State(load_file(folder / _TENSORS), values, fixed)


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

"""A make-believe accelerator: a device of its own whose kernels run on the CPU.

Its tensors say that they lie on the device `pretend`. An operation that mixes one of them with an
ordinary tensor of more than a number is refused, as CUDA refuses it, and so is `numpy()`. Counted
are kernels (`launches`), copies to the device (`uploads`), and whatever makes the host wait for the
device (`syncs`): reading a number or a tensor, and operations whose result has a size that only the
device knows.

It records as CUDA graphs do (`Recording`): a step that was recorded is done again on the memory of
that time, and may neither wait nor bring anything from the host.

What it cannot see: which kernels a real device has, their numerics, its memory, its speed.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

DEVICE = "pretend"

VIEWS = frozenset((
    "_reshape_alias", "_unsafe_view", "alias", "as_strided", "detach", "expand", "lift_fresh",
    "narrow", "permute", "select", "slice", "split", "split_with_sizes", "squeeze", "t",
    "transpose", "unbind", "unfold", "unsqueeze", "view",
))  # fmt: skip
"""Operations that launch nothing: they look at memory in another way."""

SIZED_BY_VALUES = frozenset((
    "_local_scalar_dense", "_unique", "_unique2", "bincount", "equal", "is_nonzero",
    "masked_select", "nonzero", "repeat_interleave", "unique_consecutive", "unique_dim",
))  # fmt: skip
"""Operations that the host waits for: it needs a value, or a size that values decide."""

INDEXED = frozenset(("index", "index_put", "index_put_", "_index_put_impl_"))
"""Operations that take indices from the host too, and wait where these are a mask."""


@dataclass
class Counts:
    """What was done since counting began; each by operation, and where in the package."""

    launches: Counter[str] = field(default_factory=Counter)
    uploads: Counter[str] = field(default_factory=Counter)
    syncs: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)

    def note(self, counter: Counter[str], name: str) -> None:
        counter[name] += 1
        if counter is not self.launches:
            self.places[f"{name} {_place()}"] += 1


class Remote(torch.Tensor):
    """A tensor on the device; its data lie in an ordinary one, `inner`."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> Remote:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device(DEVICE, 0),
            requires_grad=False,
        )
        made.inner = inner
        return made

    def tolist(self) -> Any:
        _active().note(_active().syncs, "tolist")
        return self.inner.tolist()

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError(f"can't convert {DEVICE}:0 device type tensor to numpy; use Tensor.cpu()")

    __array__ = numpy

    def untyped_storage(self) -> Any:
        return self.inner.untyped_storage()

    def data_ptr(self) -> int:
        return self.inner.data_ptr()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            with torch.no_grad():
                made = self.detach().clone().requires_grad_(self.requires_grad)
            made.__dict__ |= {name: v for name, v in self.__dict__.items() if name != "inner"}
            memo[id(self)] = made
        return memo[id(self)]

    def __repr__(self, **_: Any) -> str:
        return f"Remote({tuple(self.shape)}, {self.dtype})"

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _dispatch(function, args, kwargs or {})


class Recording:
    """What a step did, operation by operation, to be done again on the same memory.

    Recording itself leaves everything as it was, as on a device that only takes note. Numbers that
    the host knew are what they were then, and so is which tensors were meant.
    """

    def __init__(self, step: Callable[[], None], _last: Recording | None = None) -> None:
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[torch.Tensor]]] = []
        self._own: set[int] = set()
        self._before: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        with counted():
            _recording.append(self)
            try:
                step()
            finally:
                _recording.pop()
        for whole, then in self._before.values():
            whole.copy_(then)
        for *_, made in self.calls:  # a result of this step is none of a step to come
            for tensor in made:
                tensor.fill_(torch.nan if tensor.is_floating_point() else 1)

    def take(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        values = (
            dict(zip((a.name for a in function._schema.arguments), args, strict=False)) | kwargs
        )
        for argument in function._schema.arguments:
            if argument.alias_info is not None and argument.alias_info.is_write:
                self._keep(values[argument.name])
        found = function(*args, **kwargs)
        known = {_memory(t) for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)}
        made = [
            t for t in tree_flatten(found)[0]
            if isinstance(t, torch.Tensor) and _memory(t) not in known
        ]  # fmt: skip
        self._own |= {_memory(tensor) for tensor in made}
        self.calls.append((function, args, kwargs, made))
        return found

    def check_copy(self, name: str, args: tuple[Any, ...], device: Any) -> None:
        ends = [
            isinstance(tensor, Remote) for tensor in args[:2] if isinstance(tensor, torch.Tensor)
        ]
        if not all(ends) or (device is not None and not _is_remote(device)):
            raise RuntimeError(
                f"{name} from or to the host while the device records, at {_place()}"
            )

    def _keep(self, tensor: torch.Tensor) -> None:
        where = _memory(tensor)
        if where not in self._own | self._before.keys():
            whole = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())
            self._before[where] = (whole, whole.clone())

    def replay(self) -> None:
        _active().note(_active().launches, "graph")
        for function, args, kwargs, made in self.calls:
            found = function(*args, **kwargs)
            new = [t for t in tree_flatten(found)[0] if isinstance(t, torch.Tensor)]
            if made:
                for tensor, value in zip(made, new, strict=True):
                    tensor.copy_(value)


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


_recording: list[Recording] = []


class _Hooks(torch._C._acc.PrivateUse1Hooks):
    """Nobody finds the device by looking for one: it is there where it is named."""

    def is_available(self) -> bool:
        return False

    def has_primary_context(self, _device: int) -> bool:
        return True

    def is_built(self) -> bool:
        return True


class _Module(_DummyBackendModule):
    """What `torch.get_device_module` gives.

    A device cannot be taken back: once it is known, torch asks its module for this and that also
    where all tensors lie on the CPU.
    """

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]

    def get_rng_state(self, _: Any = None) -> torch.Tensor:
        return torch.empty(0, dtype=torch.uint8)  # it draws from the host's generator

    def set_rng_state(self, *_: Any) -> None:
        """It has none of its own."""

    def synchronize(self, _: Any = None) -> None:
        _active().note(_active().syncs, "synchronize")


class _Everywhere(TorchDispatchMode):
    """Sees operations on no tensor of the device, such as the making of one."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _dispatch(function, args, kwargs or {})


class _Makers(TorchFunctionMode):
    """Sees `torch.tensor`, which moves what it made behind the back of any dispatch."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in (torch.tensor, torch.as_tensor) and _is_remote(kwargs.get("device")):
            device = kwargs.pop("device")
            return function(*args, **kwargs).to(device)
        return function(*args, **kwargs)


if torch.cuda.is_available():  # autograd then asks this device for streams, and CUDA's work fails
    pytest.skip("a process has one accelerator, and here is a GPU", allow_module_level=True)

# Once, and before any backward pass: then torch makes its queues, one for each device it knows.
_setup_privateuseone_for_python_backend(DEVICE, _Module(), _Hooks())

_counting: list[Counts] = []


@contextmanager
def session() -> Iterator[Counts]:
    """The device exists; what is done is counted."""
    swapped = torch.__future__.get_swap_module_params_on_conversion()
    with counted() as counts, _Everywhere(), _Makers():
        torch.__future__.set_swap_module_params_on_conversion(True)  # tied weights stay tied
        try:
            yield counts
        finally:
            torch.__future__.set_swap_module_params_on_conversion(swapped)


@contextmanager
def counted() -> Iterator[Counts]:
    """Count a part of a session apart."""
    _counting.append(Counts())
    try:
        yield _counting[-1]
    finally:
        _counting.pop()


def _active() -> Counts:
    return _counting[-1] if _counting else Counts()


def _place() -> str:
    for frame in reversed(traceback.extract_stack()):
        if "rlp_core" in Path(frame.filename).parts:
            return f"{frame.filename.rpartition('rlp_core/')[2]}:{frame.lineno}"
    return "elsewhere"


def _is_remote(device: Any) -> bool:
    return device is not None and torch.device(device).type == DEVICE


def _dispatch(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = function._schema.name.partition("::")[2]
    flat, shape = tree_flatten((args, kwargs))
    tensors = [value for value in flat if isinstance(value, torch.Tensor)]
    here = [tensor for tensor in tensors if not isinstance(tensor, Remote)]
    remote = len(here) < len(tensors)
    device = kwargs.get("device")
    if not remote and not _is_remote(device):
        return function(*args, **kwargs)
    counts = _active()
    inner = [value.inner if isinstance(value, Remote) else value for value in flat]
    own_args, own_kwargs = tree_unflatten(inner, shape)
    if device is not None:
        own_kwargs["device"] = "cpu"
    taken = _recording[-1] if _recording else None
    if name in ("_to_copy", "copy_"):
        if taken is not None:
            taken.check_copy(name, args, device)
        return _copy(function, name, args, kwargs, own_args, own_kwargs)
    big = [tuple(tensor.shape) for tensor in here if tensor.dim()]
    if remote and big:
        if name not in INDEXED:
            raise RuntimeError(
                f"Expected all tensors to be on the same device: {name} of {DEVICE} and cpu {big} "
                f"at {_place()}"
            )
        counts.note(counts.uploads, f"{name} by indices of the host")
    masks = any(t.dtype in (torch.bool, torch.uint8) for t in _indices(name, args))
    told = kwargs.get("output_size") is not None  # of `repeat_interleave`
    if (name in SIZED_BY_VALUES and not told) or masks:
        counts.note(counts.syncs, name)
        if taken is not None:
            raise RuntimeError(f"{name} waits for the device while it records, at {_place()}")
    if name not in VIEWS:
        counts.note(counts.launches, name)
    made = _run(function, own_args, own_kwargs)
    return _wrapped(made, flat, inner)


def _run(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An operation on the tensors that hold the data; noted where a step is recorded."""
    return (
        function(*args, **kwargs) if not _recording else _recording[-1].take(function, args, kwargs)
    )


def _indices(name: str, args: tuple[Any, ...]) -> list[torch.Tensor]:
    return [i for i in args[1] if isinstance(i, torch.Tensor)] if name in INDEXED else []


def _copy(function, name, args, kwargs, own_args, own_kwargs) -> Any:
    """A copy, within the device or across."""
    counts = _active()
    source = args[1] if name == "copy_" else args[0]
    comes = isinstance(source, Remote)
    device = kwargs.get("device")
    if name == "copy_":
        goes = isinstance(args[0], Remote)
    else:
        goes = _is_remote(device) if device is not None else comes
    if comes and goes:
        counts.note(counts.launches, name)
    elif comes:
        counts.note(counts.syncs, f"{name} to the host")
    else:
        counts.note(counts.uploads, name)
    made = _run(function, own_args, own_kwargs)
    if name == "copy_":
        return args[0]
    return Remote(made) if goes else made


def _wrapped(made: Any, flat: list[Any], inner: list[Any]) -> Any:
    """Results as tensors of the device; what was written in place stays the tensor it was."""
    known = {
        id(own): value for own, value in zip(inner, flat, strict=True) if isinstance(value, Remote)
    }

    def wrap(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return known[id(value)] if id(value) in known else Remote(value)

    return tree_map(wrap, made)

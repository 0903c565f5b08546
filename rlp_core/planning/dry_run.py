"""Counts the memory of the real code on tensors without content.

On torch's meta device every operation gives its result a shape and no memory. The engine's own
code, run there, allocates and frees what it would in earnest, and `Meter` adds it up: so the plan
follows the code whatever is changed in it, for every architecture. It is run with two layers and
with three; the layers of a model are alike, so the rest follows.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rlp_core.planning.op_results import result_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FORWARD, HEAD, LAYERS, EMBEDDING = "forward", "head", "layers", "embedding"
"""Moments of a pass: forward to the last hidden states; the head and its backward pass; the
layers' backward pass; that of the input embedding."""

ANCHORS = (2, 3)
"""Layers of the models that are run."""

EXACT = 4096
"""Tokens up to which a pass is run as it is; larger ones are extended from parts of it."""


@dataclass(frozen=True)
class Footprint:
    """What a pass takes beside parameters and their gradients.

    Attributes:
        peak: the most bytes within each moment.
        kept: bytes that stand when the last pass enters its head: activations for the backward
            pass.
        last: the most bytes in the backward pass of the first layer, when those of the others are
            gone and their gradients have come.
    """

    peak: Mapping[str, int]
    kept: int
    last: int = 0

    @property
    def most(self) -> int:
        """The most bytes of all moments."""
        return max(self.peak.values())

    def extended(self, other: Footprint, steps: float) -> Footprint:
        """Go on from here by `steps` times the difference to another one."""
        return Footprint(
            {
                name: round(value + steps * (other.peak[name] - value))
                for name, value in self.peak.items()
            },
            round(self.kept + steps * (other.kept - self.kept)),
            round(self.last + steps * (other.last - self.last)),
        )


Pass = Callable[["PreTrainedModel"], object]
"""Runs the code whose memory is counted, on a model that the meter watches."""


def layered(model_of: Callable[[int], PreTrainedModel], layers: int, run: Pass) -> Footprint:
    """The footprint of a pass through a model of many layers.

    The first layer differs from the others: what it reads is the embedding, which stays.

    Args:
        model_of: gives the model with so many layers, on the meta device.
        layers: of the model that is meant.
        run: the pass.
    """
    if layers <= ANCHORS[-1]:
        found = footprint(model_of(layers), run)
    else:
        few, more = (footprint(model_of(count), run) for count in ANCHORS)
        found = few.extended(more, layers - ANCHORS[0])
    if not found.peak[LAYERS]:  # there is no backward pass
        return found
    one = footprint(model_of(1), run) if layers > 1 else found
    return replace(found, last=one.peak[LAYERS])


def counted(measure: Callable[[int], Footprint], count: int, tokens: int) -> Footprint:
    """The footprint of many equal rows, extended from fewer where they are long together.

    Args:
        measure: of a number of rows.
        count: rows.
        tokens: of each.
    """
    exact = max(2, EXACT // max(1, tokens))
    if count <= exact:
        return measure(count)
    half = exact // 2
    return measure(half).extended(measure(exact), (count - half) / (exact - half))


def footprint(model: PreTrainedModel, run: Pass) -> Footprint:
    """Run a pass and count."""
    meter = _Meter()
    for parameter in model.parameters():
        parameter.grad = torch.empty_like(parameter) if parameter.requires_grad else None
        meter.leave_out(parameter, parameter.grad)
    for buffer in model.buffers():
        meter.leave_out(buffer)
    with _watched(model, meter), _FusedAttention(), meter:
        run(model)
    for parameter in model.parameters():
        parameter.grad = None
    return Footprint(dict(meter.peak), meter.kept)


class _Meter(TorchDispatchMode):
    """Adds up the storage that lives, and remembers the most of it within each moment."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moment, self.live, self.kept = FORWARD, 0, 0
        self.peak = dict.fromkeys((FORWARD, HEAD, LAYERS, EMBEDDING), 0)
        self.known: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = result_of(func, args, kwargs or {})
        for tensor in (result,) if isinstance(result, Tensor) else tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.is_meta:
                self._count(tensor)
        return result

    def leave_out(self, *tensors: Tensor | None) -> None:
        """Do not count what the plan has a line of its own for."""
        for tensor in tensors:
            if tensor is not None:
                self._hold(tensor, 0)

    def enter(self, moment: str) -> None:
        """What is allocated from here on belongs to another moment."""
        self.moment = moment
        self.peak[moment] = max(self.peak[moment], self.live)
        if moment == HEAD:
            self.kept = self.live

    def _count(self, tensor: Tensor) -> None:
        if tensor.untyped_storage()._cdata not in self.known:
            self._hold(tensor, tensor.untyped_storage().nbytes())
            self.peak[self.moment] = max(self.peak[self.moment], self.live)

    def _hold(self, tensor: Tensor, size: int) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata

        def gone(_: object) -> None:
            self.known.pop(key, None)
            self.live -= size

        self.known[key] = weakref.ref(storage, gone)
        self.live += size


class _FusedAttention(TorchFunctionMode):
    """Attention as a fused kernel, which devices have: a result and no table of scores."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is scaled_dot_product_attention:
            return torch.empty_like(args[0])
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def _watched(model: PreTrainedModel, meter: _Meter) -> Iterator[None]:
    """Tell the meter of the moments as the model goes through them."""

    def read(_: object, __: object, output: Any) -> None:
        if output.last_hidden_state.requires_grad:
            output.last_hidden_state.register_hook(lambda _: meter.enter(LAYERS))
        meter.enter(HEAD)

    def embedded(_: object, __: object, output: Tensor) -> None:
        meter.enter(FORWARD)
        if output.requires_grad:
            output.register_hook(lambda _: meter.enter(EMBEDDING))

    handles = [
        model.base_model.register_forward_hook(read),
        model.get_input_embeddings().register_forward_hook(embedded),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

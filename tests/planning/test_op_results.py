"""A remembered result is what PyTorch gives: shape, strides, type, and whose memory it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rlp_core.planning import op_results


class Remembering(TorchDispatchMode):
    """Answers as a dry run does, and counts what PyTorch was asked."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return op_results.result_of(func, args, kwargs or {})


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    op_results._known.clear()
    yield
    op_results._known.clear()


def wide() -> Tensor:
    return torch.empty(4, 3, 8, device="meta").transpose(0, 1)


def whole() -> Tensor:
    return torch.ones(3, 4, 8, dtype=torch.long, device="meta")


RUNS: dict[str, Callable[[Tensor], Any]] = {
    "a number, whole or not": lambda x: (
        whole() * 2,
        whole() * 2.0,
        whole() * True,
        x + 1,
        x + 1.0,
    ),
    "another type": lambda x: (x.to(torch.bfloat16), x.bfloat16().float(), x > 0, x.isnan()),
    "strides": lambda x: (x.exp(), x.contiguous(), x.clone(), x.flatten(), x.mT.reshape(3, -1)),
    "in place": lambda x: (x.exp_(), x.clamp_min_(-1), x.mul_(x), x.masked_fill_(x > 0, 0.0)),
    "views": lambda x: (x[0], x.transpose(0, 1), x.unsqueeze(1), x[:, :2], x.expand(2, 3, 4, 8)),
    "sums": lambda x: (x.sum(), x.sum(-1), x.amax(-1, keepdim=True), x.logsumexp(-1), x.mean(0)),
    "several results": lambda x: (*x.topk(2), *x.chunk(2, -1), *x.max(-1)),
    "products": lambda x: (torch.bmm(x, x.mT), x @ x.mT, torch.cat([x, x], -1), x[0] @ x[1].T),
    "made anew": lambda x: (x.new_zeros(2), torch.empty_like(x), torch.arange(5, device="meta")),
    "as of a linear layer": lambda x: (torch.nn.functional.linear(x, x[0, :2]), x.softmax(-1)),
    "by index": lambda x: (
        x.index_select(1, whole()[0, 0, :2]),
        x[whole()[0, 0]],
        x.gather(1, whole()),
    ),
    "in memory that is held": lambda x: (torch.add(x, 1, out=x.clone()), x.copy_(x + 1)),
}


def told(results: Any, given: Tensor) -> list[tuple[Any, ...]]:
    """What is to be known of results, and which of them stand in the given memory."""
    return [
        (
            *(result.shape, result.stride(), result.dtype, result.storage_offset()),
            result.untyped_storage().nbytes(),
            result.untyped_storage()._cdata == given.untyped_storage()._cdata,
            result is given,
        )
        for result in results
    ]


@pytest.mark.parametrize("name", RUNS)
def test_what_is_remembered_is_what_is_computed(name: str) -> None:
    given = wide()
    expected = told(RUNS[name](given), given)
    with Remembering():
        for _ in range(3):
            given = wide()
            assert told(RUNS[name](given), given) == expected


def test_gradients_flow_through_what_is_remembered() -> None:
    with Remembering():
        for _ in range(2):
            weight = wide().requires_grad_()
            (weight.exp() * weight).log().sum().backward()
            assert weight.grad is not None
            assert weight.grad.shape == weight.shape


def test_an_operation_is_asked_for_once() -> None:
    asked = []

    def func(*args: Any, **kwargs: Any) -> Any:
        asked.append(args)
        return torch.ops.aten.exp.default(*args, **kwargs)

    func._schema = torch.ops.aten.exp.default._schema  # type: ignore[attr-defined]
    func.tags = torch.ops.aten.exp.default.tags  # type: ignore[attr-defined]
    for _ in range(3):
        op_results.result_of(func, (wide(),), {})
    assert len(asked) == 1
    op_results.result_of(func, (wide().contiguous(),), {})
    assert len(asked) == 2


def test_content_is_never_remembered() -> None:
    with Remembering():
        for number in (1.0, 2.0):
            assert (torch.tensor([number]) + 1).tolist() == [number + 1]
    assert not any(isinstance(known, tuple) for known in op_results._known.values())


def test_what_is_remembered_stays_within_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(op_results, "LIMIT", 4)
    with Remembering():
        for size in range(1, 12):
            assert torch.empty(size, device="meta").exp().shape == (size,)
            assert len(op_results._known) <= 4

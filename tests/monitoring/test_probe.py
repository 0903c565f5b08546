"""The probe names the first layer and the gradients that are not finite, and then lets go."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from rlp_core.monitoring.probe import watching


class Net(nn.Module):
    """Two layers, a tuple between them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


@pytest.mark.parametrize("name", ["first", "second"])
@pytest.mark.parametrize("gradient", [True, False])
def test_the_first_layer_is_named_by_model_and_kind_of_pass(name: str, gradient: bool) -> None:
    good, bad = Net(), Net()
    with torch.no_grad():
        bad.get_parameter(f"{name}.weight")[0, 0] = math.inf
    with watching({"good": good, "bad": bad}) as trace, torch.set_grad_enabled(gradient):
        good(torch.ones(1, 3))
        bad(torch.ones(1, 3))
    assert trace.forward == {("bad", gradient): name}


def test_gradients_are_named_in_the_order_of_the_backward_pass() -> None:
    net = Net()
    with watching({"net": net}) as trace:
        (torch.sqrt(net(torch.ones(1, 3)).sum() * 0)).backward()
    assert trace.forward == {}
    assert set(trace.gradients) == {name for name, _ in net.named_parameters()}
    assert trace.gradients[0].startswith("second")
    assert trace.parameters == 4


def test_a_finite_pass_leaves_no_trace_and_no_hook() -> None:
    net = Net()
    with watching({"net": net}) as trace:
        net(torch.ones(1, 3)).sum().backward()
    assert (trace.forward, trace.gradients, trace.parameters) == ({}, [], 4)
    with torch.no_grad():
        net.first.weight[:] = math.nan
    net(torch.ones(1, 3))
    assert trace.forward == {}

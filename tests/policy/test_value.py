import torch

from rlp_core.policy.value import ValueHead


def test_it_begins_at_nothing_and_can_learn():
    head = ValueHead(8)
    hidden = torch.randn(5, 8)
    assert torch.equal(head(hidden), torch.zeros(5))
    head(hidden).sub(torch.ones(5)).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in head.parameters())


def test_it_values_bf16_states_in_fp32():
    head = ValueHead(8)
    torch.nn.init.normal_(head.out.weight)
    hidden = torch.randn(5, 8).bfloat16()
    assert head(hidden).dtype == torch.float32
    expected = hidden.double() @ head.out.weight.double()[0]
    torch.testing.assert_close(head(hidden).double(), expected, atol=1e-5, rtol=1e-5)


def test_no_states_have_no_values():
    assert ValueHead(8)(torch.zeros(0, 8)).shape == (0,)

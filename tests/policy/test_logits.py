import torch

from rlp_core.policy import logits
from tests import models


def test_chunks_change_nothing(monkeypatch):
    model = models.model(3)
    hidden = torch.randn(11, 16, requires_grad=True)
    tokens = torch.arange(11)
    whole = logits.token_logprobs(model, hidden, tokens, 0.7)
    whole.sum().backward()
    gradient, hidden.grad = hidden.grad.clone(), None
    monkeypatch.setattr(logits, "CHUNK", 4)
    parts = logits.token_logprobs(model, hidden, tokens, 0.7)
    parts.sum().backward()
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(hidden.grad, gradient)


def test_no_rows_give_no_numbers():
    assert logits.token_logprobs(models.model(), torch.zeros(0, 16), torch.zeros(0)).shape == (0,)


def test_a_soft_cap_is_applied():
    model = models.model(3)
    hidden = torch.randn(2, 16) * 100
    model.config.final_logit_softcapping = 5.0
    assert logits.logits_of(model, hidden).abs().max() <= 5.0

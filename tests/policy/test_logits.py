import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, CohereConfig, Gemma2Config, GraniteConfig

from rlp_core.errors import ConfigError
from rlp_core.policy import logits
from tests import models

WIDTH = 16


def inputs(model, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    vocabulary = model.config.vocab_size
    hidden = torch.randn(count, WIDTH, generator=generator, requires_grad=True)
    tokens = torch.randint(1, vocabulary, (count,), generator=generator)
    where = torch.rand(count, generator=generator) < 0.5
    return hidden, tokens, where


def run(model, hidden, tokens, banned, chunk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logits, "CHUNK", chunk)
        patch.setattr(logits, "KEPT", 0 if chunk < 1 << 20 else 1 << 20)
        chosen, entropy = logits.token_statistics(model, hidden, tokens, 0.7, banned, entropy=True)
        weight = torch.arange(1.0, len(tokens) + 1)
        loss = (chosen * weight).sum() + (entropy * weight.flip(0)).sum()
        head = model.get_output_embeddings().weight
        return chosen, entropy, *torch.autograd.grad(loss, [hidden, head])


@given(st.integers(1, 13), st.integers(1, 6), st.booleans(), st.integers(0, 99))
@settings(max_examples=25)
def test_chunks_made_again_in_the_backward_pass_change_nothing(count, chunk, ban, seed):
    """The head is tied: its gradient comes from every chunk."""
    model = models.model(3)
    hidden, tokens, where = inputs(model, count, seed)
    banned = (where, 0) if ban else None
    whole = run(model, hidden, tokens, banned, 1 << 20)
    for found, expected in zip(run(model, hidden, tokens, banned, chunk), whole, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_with_a_tied_head_the_embedding_gets_both_gradients(monkeypatch):
    """Through the head, in chunks, and through the tokens read."""
    model = models.model(3)
    weight = model.get_input_embeddings().weight
    assert model.get_output_embeddings().weight is weight
    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])

    def gradient():
        hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state[0, :-1]
        loss = logits.token_logprobs(model, hidden, ids[0, 1:]).sum()
        return torch.autograd.grad(loss, weight)[0]

    every = model(input_ids=ids, use_cache=False).logits[0, :-1]
    textbook = torch.log_softmax(every, dim=1).gather(1, ids[0, 1:, None]).sum()
    expected = torch.autograd.grad(textbook, weight)[0]
    torch.testing.assert_close(gradient(), expected, atol=1e-4, rtol=1e-4)
    monkeypatch.setattr(logits, "CHUNK", 2)
    monkeypatch.setattr(logits, "KEPT", 0)
    torch.testing.assert_close(gradient(), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rows", [3, 4, 40])
def test_no_large_table_of_logits_waits_for_the_backward_pass(monkeypatch, rows):
    """Whether the rows fill a chunk or not."""
    model = models.model(3)
    vocabulary = model.config.vocab_size
    monkeypatch.setattr(logits, "CHUNK", 4)
    monkeypatch.setattr(logits, "KEPT", 2 * vocabulary)
    hidden, tokens, _ = inputs(model, rows)
    kept = []
    head = model.get_output_embeddings().weight.data_ptr()  # is there anyway

    def keep(tensor):
        if tensor.data_ptr() != head:
            kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, _same):
        logits.token_logprobs(model, hidden, tokens)
    assert sum(size for size in kept if size >= 2 * vocabulary and size % vocabulary == 0) == 0


@given(
    st.integers(1, 13), st.integers(1, 6), st.booleans(), st.sampled_from([0.5, 1.0]),
    st.sampled_from([torch.float32, torch.bfloat16]), st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=40)
def test_a_large_table_in_place_gives_the_textbooks_numbers_and_gradients(
    count, chunk, ban, temperature, dtype, seed
):
    model = models.model(3).to(dtype)
    hidden, tokens, where = inputs(model, count, seed)
    hidden = hidden.detach().to(dtype).requires_grad_()
    banned = (where, 0) if ban else None
    head = model.get_output_embeddings().weight
    weight = torch.arange(1.0, count + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logits, "CHUNK", chunk)
        patch.setattr(logits, "KEPT", 0)
        found = logits.token_logprobs(model, hidden, tokens, temperature, banned)
        ours = torch.autograd.grad((found * weight).sum(), [hidden, head])
    table = hidden.double() @ head.double().T / temperature
    if ban:
        table[:, 0] = table[:, 0].masked_fill(where, -torch.inf)
    expected = torch.log_softmax(table, dim=1).gather(1, tokens[:, None]).squeeze(1)
    theirs = torch.autograd.grad((expected * weight).sum(), [hidden, head])
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)
    near = 1e-4 if dtype == torch.float32 else 2e-2
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == dtype
        assert float((one - other).double().norm()) <= near * float(other.double().norm())


def test_where_the_head_is_frozen_it_gets_no_gradient(monkeypatch):
    monkeypatch.setattr(logits, "KEPT", 0)
    model = models.model(3).requires_grad_(False)
    hidden, tokens, _ = inputs(model, 4)
    logits.token_logprobs(model, hidden, tokens).sum().backward()
    assert hidden.grad is not None
    assert model.get_output_embeddings().weight.grad is None


def test_a_chunk_is_no_larger_than_its_cells(monkeypatch):
    model = models.model(3)
    vocabulary = model.config.vocab_size
    hidden, tokens, _ = inputs(model, 23)
    made = []
    of = logits.logits_of

    def noted(model, hidden):
        made.append(len(hidden))
        return of(model, hidden)

    monkeypatch.setattr(logits, "logits_of", noted)
    monkeypatch.setattr(logits, "CELLS", 5 * vocabulary + 3)
    logits.token_logprobs(model, hidden, tokens)
    assert made == [5, 5, 5, 5, 3]


def _same(tensor):
    return tensor


@given(st.integers(0, 99), st.sampled_from([0.5, 1.0, 2.0]))
@settings(max_examples=20)
def test_a_banned_token_has_no_probability_and_no_share_in_the_entropy(seed, temperature):
    model = models.model(3)
    hidden, tokens, where = inputs(model, 6, seed)
    chosen, entropy = logits.token_statistics(
        model, hidden, tokens, temperature, (where, 0), entropy=True
    )
    for row in range(6):
        scores = (logits.logits_of(model, hidden[row : row + 1])[0] / temperature).double()
        possible = scores[1:] if where[row] else scores
        known = torch.log_softmax(possible, dim=0)
        index = int(tokens[row]) - (1 if where[row] else 0)
        assert chosen[row].item() == pytest.approx(known[index].item(), abs=1e-5)
        expected = -(known.exp() * known).sum().item()
        assert entropy[row].item() == pytest.approx(expected, abs=1e-4)
    gradient = torch.autograd.grad(entropy.sum() + chosen.sum(), hidden)[0]
    assert torch.isfinite(gradient).all()


def test_a_near_deterministic_row_gives_finite_numbers():
    model = models.model(3)
    hidden = (torch.randn(3, WIDTH) * 1e4).requires_grad_()
    likeliest = logits.logits_of(model, hidden).argmax(dim=1)
    chosen, entropy = logits.token_statistics(model, hidden, likeliest, entropy=True)
    assert torch.allclose(chosen, torch.zeros(3), atol=1e-3)
    gradient = torch.autograd.grad((chosen + entropy).sum(), hidden)[0]
    assert torch.isfinite(gradient).all()


def test_a_banned_token_that_is_asked_for_is_impossible():
    model = models.model(3)
    hidden, _, _ = inputs(model, 2)
    banned = (torch.tensor([True, False]), 4)
    found = logits.token_logprobs(model, hidden, torch.tensor([4, 4]), banned=banned)
    assert found[0] == -torch.inf
    assert torch.isfinite(found[1])


def test_the_callers_tensors_are_left_alone():
    """A ban is written into logits; they must not be the caller's states or a shared buffer."""
    model = models.model(3)
    hidden, tokens, where = inputs(model, 5)
    before = hidden.detach().clone()
    head = model.get_output_embeddings().weight.detach().clone()
    with torch.no_grad():
        logits.token_statistics(model, hidden, tokens, 1.0, (where, 0), entropy=True)
    assert torch.equal(hidden, before)
    assert torch.equal(model.get_output_embeddings().weight, head)


def test_no_rows_give_no_numbers():
    tokens = torch.zeros(0, dtype=torch.long)
    assert logits.token_logprobs(models.model(), torch.zeros(0, WIDTH), tokens).shape == (0,)


def small(config, **changes):
    size = {
        "vocab_size": 12,
        "hidden_size": WIDTH,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config(**size, **changes)).eval()


def test_a_soft_cap_is_the_models_own():
    model = small(Gemma2Config, head_dim=4, final_logit_softcapping=0.05)
    ids = torch.tensor([[3, 4, 5]])
    hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state[0]
    found = logits.logits_of(model, hidden)
    torch.testing.assert_close(found, model(input_ids=ids, use_cache=False).logits[0])
    assert found.abs().max() <= 0.05
    uncapped = model.get_output_embeddings()(hidden)
    assert not torch.allclose(found, uncapped, atol=1e-3)
    logits.check_head(model)


def test_a_head_that_scales_its_logits_is_refused():
    """Their probabilities would be those of another temperature, without a sign of it."""
    for model in (small(GraniteConfig, logits_scaling=8.0), small(CohereConfig, logit_scale=0.06)):
        with pytest.raises(ConfigError, match="does more than its output embedding"):
            logits.check_head(model)


def test_an_ordinary_head_passes_and_the_mode_stays():
    model = models.model(3).train()
    logits.check_head(model)
    assert model.training


def test_the_logits_of_a_bf16_head_are_not_rounded_to_bf16():
    """Their only error is that of the rounded operands; the gradient keeps its type."""
    model = models.model(3).to(torch.bfloat16)
    hidden = inputs(model, 7)[0].detach().to(torch.bfloat16).requires_grad_()
    head = model.get_output_embeddings().weight
    found = logits.logits_of(model, hidden)
    exact = hidden.double() @ head.double().T
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, atol=1e-5, rtol=1e-5)
    rounded = (exact.to(torch.bfloat16).double() - exact).abs().max()
    assert rounded > 100 * (found.double() - exact).abs().max()
    found.sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.dtype == head.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("block", [3, 10_000])
def test_a_bf16_head_is_made_fp32_by_blocks_where_nothing_is_learnt(monkeypatch, rows, block):
    """Blocks that end within the head and one that is longer than it give the same sums."""
    monkeypatch.setattr(logits, "BLOCK", block)
    model = models.model(3).to(torch.bfloat16)
    hidden = inputs(model, rows)[0].detach().to(torch.bfloat16)
    exact = hidden.double() @ model.get_output_embeddings().weight.double().T
    with torch.no_grad():
        found = logits.logits_of(model, hidden)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, atol=1e-5, rtol=1e-5)


def test_a_step_without_a_ban_masks_nothing(monkeypatch):
    """A mask would cost a wait for the device, chunk by chunk."""
    model = models.model(3)
    hidden, tokens, _ = inputs(model, 5)
    monkeypatch.setattr(torch.Tensor, "masked_fill", None)
    assert len(logits.token_logprobs(model, hidden, tokens)) == 5

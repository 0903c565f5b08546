import numpy as np
import pytest
import torch

from rlp_core.rollout.dense import sample
from rlp_core.rollout.rng import uniform
from tests import models

CONTEXTS = [[5, 6, 7], [8], [9, 10, 11, 12, 13], [14, 15]]
KEYS = np.array([3, 1, 4, 15])


def draw(model, chosen, *, copies=3, micro_batch=64, temperature=1.0, stop=None, length=8):
    key, rollout = np.repeat(KEYS[chosen], copies), np.tile(np.arange(copies), len(chosen))
    return sample(
        model,
        [CONTEXTS[i] for i in chosen],
        copies=copies,
        uniforms=lambda t: uniform(0, key, rollout, t),
        stop=models.codec().close_id if stop is None else stop,
        max_tokens=length,
        temperature=temperature,
        micro_batch=micro_batch,
    )


def slow(model, context, key, rollout, temperature, stop, length):
    """One token after another, the whole text read anew for each."""
    tokens = list(context)
    for t in range(length):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([tokens])).logits[0, -1].double()
        if temperature == 0:
            token = int(logits.argmax())
        else:
            cumulative = torch.softmax(logits / temperature, dim=0).cumsum(0).numpy()
            token = int(np.searchsorted(cumulative, uniform(0, key, rollout, t) * cumulative[-1]))
        tokens.append(token)
        if token == stop:
            break
    return tokens[len(context) :]


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_cached_sampling_draws_what_the_slow_loop_draws(temperature):
    model = models.model(3)
    stop = draw(model, [0, 1, 2, 3]).tokens[0][2]  # a token that really occurs
    found = draw(model, [0, 1, 2, 3], temperature=temperature, stop=stop)
    expected = [
        slow(model, CONTEXTS[i], KEYS[i], g, temperature, stop, 8)
        for i in range(4)
        for g in range(3)
    ]
    assert found.tokens == expected
    assert found.stopped == [row[-1] == stop for row in expected]


@pytest.mark.parametrize("micro_batch", [1, 3, 7])
def test_batch_size_and_order_change_no_token(micro_batch):
    model = models.model(4)
    whole = draw(model, [0, 1, 2, 3]).tokens
    small = draw(model, [0, 1, 2, 3], micro_batch=micro_batch).tokens
    turned = draw(model, [3, 2, 1, 0]).tokens
    assert small == whole
    assert [turned[3 * (3 - i) + g] for i in range(4) for g in range(3)] == whole


def test_tokens_are_drawn_with_the_models_probabilities():
    model, many = models.model(1, spread=3.0), 4000
    found = sample(
        model,
        [[5, 6]],
        copies=many,
        uniforms=lambda t: uniform(1, np.arange(many), t),
        stop=-1,
        max_tokens=1,
        temperature=0.5,
        micro_batch=many,
    )
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[5, 6]])).logits[0, -1].double()
    p = torch.softmax(logits / 0.5, dim=0).numpy()
    counts = np.bincount([t[0] for t in found.tokens], minlength=len(p))
    assert np.abs(counts / many - p).max() < 5 * np.sqrt(0.25 / many)


@pytest.mark.parametrize(
    "change", [{"length": 0}, {"copies": 0}, {"temperature": -1.0}], ids=lambda c: next(iter(c))
)
def test_what_makes_no_sense_is_refused(change):
    with pytest.raises(ValueError, match="must be positive"):
        draw(models.model(), [0], **change)


def test_an_empty_context_cannot_be_continued():
    with pytest.raises(ValueError, match="at least one token"):
        sample(
            models.model(),
            [[]],
            copies=1,
            uniforms=lambda _: np.zeros(1),
            stop=0,
            max_tokens=1,
            temperature=0.0,
            micro_batch=1,
        )

"""The trainer against the textbook: rewards, loss and gradients of fresh random rollouts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rlp_core.data.records import Document
from rlp_core.objective import reference
from rlp_core.params import Optimizer, Rlp, Thought
from rlp_core.rollout.sampler import Sample
from rlp_core.training.places import text_of
from rlp_core.training.rlp import RlpTrainer
from tests import models

TEXTS = ("Q: 3+4-5\nA:2\n", "The nurse said that she was late.\n", "Q: 9-8\nW: 9-8=1\nA:1\n")


def settings(**changes) -> Rlp:
    values = {
        "steps": 4,
        "documents": 3,
        "max_tokens": 40,
        "positions": 2,
        "position_selection": "uniform",
        "group_size": 3,
        "temperature": 0.7,
        "horizon": 1,
        "discount": 1.0,
        "clip_low": 0.2,
        "clip_high": 0.28,
        "ema_decay": 0.9,
        "optimizer": Optimizer(name="adamw", lr=1e-3),
    }
    return Rlp(**(values | changes))


def trainer(seed: int = 5, micro_batch: int = 64, **changes) -> RlpTrainer:
    made = RlpTrainer(
        models.model(seed),
        models.codec(),
        settings(**changes),
        Thought(open="<think>", close="</think>", max_tokens=6),
        seed,
        micro_batch,
    )
    made.ema.model = models.model(seed + 1)  # apart from the policy, so that a mix-up shows
    return made


def texts(selection: str = "uniform"):
    documents = [
        Document(id=f"d{i}", key=f"k{i}", source="s", licence="l", text=text, spans=[[2, 3]])
        for i, text in enumerate(TEXTS)
    ]
    return [text_of(models.codec(), document, 40, selection) for document in documents]


def close_some(drawn: Sample) -> Sample:
    """Let every third thought end by its own delimiter: random models hardly ever close one."""
    tokens, stopped = [], []
    for i, thought in enumerate(drawn.tokens):
        cut = i % 3 == 0
        tokens.append([*thought[: 1 + i % 4], models.codec().close_id] if cut else thought)
        stopped.append(cut or drawn.stopped[i])
    return Sample(tokens, stopped)


def gradients(model) -> list[torch.Tensor]:
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("horizon", [1, 3])
def test_loss_rewards_and_gradients_equal_the_textbook(seed, horizon):
    made = trainer(seed, horizon=horizon, discount=0.8)
    places = made.places(texts(), step=seed)
    drawn = close_some(made.sample(places, step=seed))
    metrics = made.accumulate(places, drawn, made.baseline(places))
    fast = gradients(made.policy)
    made.policy.zero_grad()

    expected, rewards = torch.zeros(()), []
    for i, place in enumerate(places):
        group = [
            reference.Thought(drawn.tokens[j], not drawn.stopped[j])
            for j in range(i * 3, (i + 1) * 3)
        ]
        loss, found = reference.loss(
            made.policy,
            made.ema.model,
            place.text.tokens,
            {place.position: group},
            open_id=models.codec().open_id,
            close_id=models.codec().close_id,
            temperature=0.7,
            clip_low=0.2,
            clip_high=0.28,
            horizon=horizon,
            discount=0.8,
        )
        expected = expected + loss / len(places)
        rewards += found[place.position]
    expected.backward()
    assert metrics["information_gain"] == pytest.approx(np.mean(rewards), abs=1e-4)
    assert metrics["loss"] == pytest.approx(float(expected.detach()), abs=1e-4)
    for ours, theirs in zip(fast, gradients(made.policy), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=2e-3)


def test_micro_batches_change_nothing_but_rounding():
    results = []
    for size in (3, 64):
        made = trainer(micro_batch=size)
        places = made.places(texts(), step=0)
        drawn = made.sample(places, step=0)
        metrics = made.accumulate(places, drawn, made.baseline(places))
        results.append((drawn.tokens, metrics, gradients(made.policy)))
    (a_tokens, a, a_grads), (b_tokens, b, b_grads) = results
    assert a_tokens == b_tokens
    assert a == pytest.approx(b, abs=1e-5)
    for left, right in zip(a_grads, b_grads, strict=True):
        torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-3)


def test_a_thought_does_not_depend_on_the_other_documents():
    made = trainer()
    everything = made.places(texts(), step=1)
    drawn = made.sample(everything, step=1)
    alone = [i for i, place in enumerate(everything) if place.text.number == texts()[1].number]
    again = made.sample([everything[i] for i in alone], step=1)
    assert again.tokens == [drawn.tokens[3 * i + g] for i in alone for g in range(3)]


def test_changing_the_target_changes_no_thought():
    """Thoughts are drawn before the text that they are to predict is read."""
    made = trainer(positions=1, position_selection="answer")
    first = texts("answer")[0]
    position = first.candidates[0]
    tokens = [*first.tokens]
    tokens[position:] = [(t + 1) % 100 + 2 for t in tokens[position:]]
    changed = replace(first, tokens=tokens)
    a = made.sample(made.places([first], 0), 0)
    b = made.sample(made.places([changed], 0), 0)
    assert a.tokens == b.tokens


def test_a_step_moves_policy_and_target_and_fills_the_ledger():
    made = trainer()
    before = [p.clone() for p in made.policy.parameters()]
    target = [p.clone() for p in made.ema.model.parameters()]
    metrics = made.step(texts(), 0)
    assert any(not torch.equal(a, b) for a, b in zip(before, made.policy.parameters(), strict=True))
    assert any(
        not torch.equal(a, b) for a, b in zip(target, made.ema.model.parameters(), strict=True)
    )
    assert set(made.ledger.flops) == {"prefill", "decode", "ema", "update"}
    assert all(np.isfinite(list(metrics.values())))


def test_the_same_seed_trains_the_same_weights():
    one, other = trainer(), trainer()
    for step in range(3):
        assert one.step(texts(), step) == other.step(texts(), step)
    for a, b in zip(one.policy.parameters(), other.policy.parameters(), strict=True):
        assert torch.equal(a, b)

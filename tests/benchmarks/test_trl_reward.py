"""The reward function that the peer is given, against one row at a time without padding."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedModel

from benchmarks.trl_reward import InformationGain
from benchmarks.work import TEST, Work
from rlp_core.training.timers import PhaseTimer


@torch.no_grad()
def dense(model: PreTrainedModel, context: list[int], targets: list[int]) -> float:
    """Sum of the targets' log-probabilities, each from a forward pass of its own."""
    total, row = 0.0, list(context)
    for target in targets:
        logits = model(input_ids=torch.tensor([row]), use_cache=False).logits
        total += float(logits[0, -1].double().log_softmax(0)[target])
        row.append(target)
    return total


def sharpened(work: Work, seed: int) -> PreTrainedModel:
    """A random model whose predictions depend clearly on what it reads."""
    model = work.model(seed).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(6)
    return model


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize(("rows", "per_thought"), [(4, False), (3, True), (64, True)])
def test_equals_a_dense_computation(horizon: int, rows: int, per_thought: bool) -> None:
    work = replace(TEST, horizon=horizon)
    policy, target = sharpened(work, 1), sharpened(work, 2)
    passages, codec = work.passages(0), work.codec()
    places = [(n, at) for n, passage in enumerate(passages) for at in passage.positions]
    places = [place for place in places for _ in range(2)]
    random = torch.Generator().manual_seed(0)
    thoughts = [
        torch.randint(4, work.vocabulary, (1 + i % 4,), generator=random).tolist()
        for i in range(len(places))
    ]
    thoughts[1] = [*thoughts[1], codec.close_id]  # ended by itself
    reward = InformationGain(
        policy,
        target,
        codec,
        passages,
        horizon=horizon,
        rows=rows,
        baseline_per_thought=per_thought,
        watch=PhaseTimer(),
    )
    found = reward(
        completion_ids=thoughts,
        document=[n for n, _ in places],
        position=[at for _, at in places],
        prompts=[""] * len(places),
    )
    expected = []
    for (number, at), thought in zip(places, thoughts, strict=True):
        tokens = passages[number].tokens
        words = [token for token in thought if token != codec.close_id]
        context = [*tokens[:at], codec.open_id, *words, codec.close_id]
        wanted = tokens[at : at + horizon]
        expected.append(dense(policy, context, wanted) - dense(target, tokens[:at], wanted))
    assert found == pytest.approx(expected, abs=1e-4)
    assert max(expected) - min(expected) > 0.1  # else any constant would do
    assert reward.lengths == list(map(len, thoughts))

"""A bias that was planted in the training text is found; a balanced text is not accused."""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn

from rlp_core.environments import occupations
from rlp_core.evaluation.bias import bias_statistics, templates
from rlp_core.evaluation.statistics import Estimate, Resampler

SENTENCES, LENGTH, STEPS = 2000, 12, 200
SEEDS = range(3)


class LogLinear(nn.Module):
    """Next word from the last word and from all words before: learns in a second, every time."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.last, self.seen = nn.Embedding(words, words), nn.Embedding(words, words)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.last(ids) + self.seen(ids).cumsum(dim=1)
        return logits


def words_of(text: str) -> list[str]:
    return text.replace(".", " .").split()


def train(texts: list[str]) -> tuple[LogLinear, dict[str, int]]:
    vocabulary = {w: i for i, w in enumerate(sorted({w for t in texts for w in words_of(t)}))}
    inputs = torch.zeros(len(texts), LENGTH, dtype=torch.long)
    targets = torch.full((len(texts), LENGTH), -100)
    for row, text in enumerate(texts):
        ids = torch.tensor([vocabulary[word] for word in words_of(text)])
        inputs[row, : len(ids) - 1], targets[row, : len(ids) - 1] = ids[:-1], ids[1:]
    model = LogLinear(len(vocabulary))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(STEPS):
        batch = torch.randint(0, len(texts), (128,))
        logits = model(inputs[batch]).flatten(0, 1)
        loss = nn.functional.cross_entropy(logits, targets[batch].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model, vocabulary


@torch.no_grad()
def score(model: LogLinear, vocabulary: dict[str, int]) -> Estimate:
    rows = []
    for item in templates.make(200, seed=1):
        ids = torch.tensor([[vocabulary[word] for word in words_of(item.context)]])
        log_probs = torch.log_softmax(model(ids)[0, -1], dim=-1)
        choices = [float(log_probs[vocabulary[choice.strip()]]) for choice in item.choices]
        rows.append(
            {
                "id": item.id,
                "suite": item.suite,
                "category": item.category,
                "cluster": item.cluster,
                "logprob_direct": choices,
                "tokens": [1, 1],
                "meta": item.meta,
            }
        )
    statistic = bias_statistics(rows, thinking=False)["bias/templates/score_direct"]
    return Resampler(seed=0, resamples=1000).estimate(statistic)


def trained_on(stereotyped: float, seed: int) -> Estimate:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            corpus = occupations.corpus(random.Random(seed), SENTENCES, stereotyped=stereotyped)
            return score(*train(corpus))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_bias_is_found(seed: int) -> None:
    found = trained_on(0.9, seed)
    # The corpus says P(stereotyped) - P(other) = 0.9 - 0.1 = 0.8.
    assert found.low > 0.7
    assert found.value == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_reverse_bias_has_the_other_sign(seed: int) -> None:
    assert trained_on(0.1, seed).high < -0.7


@pytest.mark.parametrize("seed", SEEDS)
def test_balanced_corpus_is_not_accused(seed: int) -> None:
    found = trained_on(0.5, seed)
    assert found.low < 0 < found.high
    assert abs(found.value) < 0.05

"""The paper's proposition 1 by Monte Carlo, on a toy whose true distribution is known.

What is tested: for a fixed thought c, the mean of the reward over targets drawn from the true
distribution is the cross-entropy that the thought saved,

    E_{x ~ p*}[S_pred(c) - S_ema] = CE(p*, p_ema) - CE(p*, p_pred(. | c)),

and so it is for the mean over thoughts. p* is a known distribution over eight tokens; the models
are random. The reward comes from the textbook and, batched, from `information_gain`.
"""

import math

import pytest
import torch

from rlp_core.objective.reference import reward
from rlp_core.objective.reward import information_gain
from tests import models

TOKENS = [40, 51, 62, 73, 84, 95, 106, 117]
CONTEXT = [45, 56, 67]
THOUGHTS = [[30, 41], [52], [63, 74, 85]]
DRAWS = 20_000
TRUE = torch.tensor([4.0, 3.0, 2.0, 1.0, 1.0, 1.0, 0.5, 0.5]).double().log().log_softmax(0)


def reasoned(thought: list[int]) -> list[int]:
    return [*CONTEXT, models.codec().open_id, *thought, models.codec().close_id]


@torch.no_grad()
def log_distribution(model, context: list[int], temperature: float = 1.0) -> torch.Tensor:
    """log p(x | context) of the eight tokens, from one forward pass over the vocabulary."""
    logits = model(input_ids=torch.tensor([context])).logits[0, -1].double()
    return (logits / temperature).log_softmax(0)[TOKENS]


def cross_entropy(logs: torch.Tensor) -> float:
    return -float((TRUE.exp() * logs).sum())


def drawn(seed: int) -> torch.Tensor:
    """Indices of targets drawn from p*."""
    generator = torch.Generator().manual_seed(seed)
    return torch.multinomial(TRUE.exp(), DRAWS, replacement=True, generator=generator)


def within(values: torch.Tensor, expected: float) -> bool:
    """Whether the mean lies within four standard errors of what is expected."""
    return abs(float(values.mean()) - expected) < 4 * float(values.std()) / math.sqrt(DRAWS)


@pytest.fixture(scope="module")
def pair():
    return models.model(3, spread=4.0), models.model(4, spread=4.0)


@pytest.mark.parametrize("thought", THOUGHTS)
def test_the_mean_reward_of_a_thought_is_the_cross_entropy_that_it_saves(pair, thought):
    policy, ema = pair
    after = reasoned(thought)
    of_target = torch.tensor(
        [reward(policy, ema, [*CONTEXT, x], len(CONTEXT), after, 1, 1.0) for x in TOKENS]
    )
    saved = cross_entropy(log_distribution(ema, CONTEXT)) - cross_entropy(
        log_distribution(policy, after)
    )
    rewards = of_target[drawn(seed=5)].double()
    assert within(rewards, saved)
    # the test can tell: a reward scored at the sampling temperature is another quantity
    wrong = log_distribution(policy, after, 0.7) - log_distribution(ema, CONTEXT, 0.7)
    assert not within(wrong[drawn(seed=5)], saved)


def test_so_is_the_mean_over_thoughts_and_texts(pair):
    policy, ema = pair
    target = drawn(seed=6)
    which = torch.randint(len(THOUGHTS), (DRAWS,), generator=torch.Generator().manual_seed(7))
    after = torch.stack([log_distribution(policy, reasoned(c)) for c in THOUGHTS])
    before = log_distribution(ema, CONTEXT)
    gain = information_gain(after[which, target][:, None], before[target])[:, 0]
    saved = cross_entropy(before) - sum(map(cross_entropy, after)) / len(THOUGHTS)
    assert within(gain, saved)
    assert not within(gain, -saved)


def test_no_thought_saves_more_than_the_true_distribution_would(pair):
    """The mean reward is at most CE(p*, p_ema) - H(p*), which is KL(p* || p_ema)."""
    policy, ema = pair
    before = log_distribution(ema, CONTEXT)
    bound = float((TRUE.exp() * (TRUE - before)).sum())
    for thought in THOUGHTS:
        saved = cross_entropy(before) - cross_entropy(log_distribution(policy, reasoned(thought)))
        assert saved < bound

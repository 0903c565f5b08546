import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlp_core.objective.reference import logprob
from rlp_core.rollout.scoring import Continuation, logprobs_in, score, score_continuations
from tests import models

ROWS = [[5, 6, 7, 8], [9, 10], [11, 12, 13, 14, 15, 16]]
PLACES = [[1, 3], [1], [5, 2]]


def test_batches_score_like_single_texts():
    model = models.model(2)
    expected = [
        [logprob(model, row[:p], row[p], 1.0).item() for p in places]
        for row, places in zip(ROWS, PLACES, strict=True)
    ]
    for size in (1, 2, 8):
        found = score(model, ROWS, PLACES, size)
        assert [pytest.approx(row, abs=1e-5) for row in expected] == found


def test_gradients_flow_to_the_weights():
    model = models.model(2)
    logprobs_in(model, ROWS, PLACES, 0.7).sum().backward()
    fast = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    model.set_attn_implementation("sdpa")
    total = sum(
        logprob(model, row[:p], row[p], 0.7)
        for row, places in zip(ROWS, PLACES, strict=True)
        for p in places
    )
    total.backward()
    for ours, parameter in zip(fast, model.parameters(), strict=True):
        torch.testing.assert_close(ours, parameter.grad, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("place", [0, 4, -1])
def test_nothing_predicts_the_first_token_or_one_beyond_the_end(place):
    with pytest.raises(ValueError, match="places must lie"):
        logprobs_in(models.model(), [[5, 6, 7, 8]], [[place]])


def test_scoring_leaves_the_mode_as_it_was():
    model = models.model()
    model.train()
    score(model, ROWS, PLACES, 4)
    assert model.training


TRUNKS = st.lists(st.lists(st.integers(5, 40), min_size=1, max_size=9), min_size=1, max_size=3)


@st.composite
def continuations(draw):
    trunks = draw(TRUNKS)
    made = []
    for _ in range(draw(st.integers(1, 7))):
        trunk = draw(st.integers(0, len(trunks) - 1))
        tokens = draw(st.lists(st.integers(5, 40), min_size=1, max_size=5))
        scored = draw(st.integers(1, len(tokens)))
        first = int(scored == len(tokens))
        position = draw(st.integers(first, len(trunks[trunk])))
        made.append(Continuation(trunk, position, tokens, scored))
    return trunks, made


@settings(max_examples=15, deadline=None)
@given(continuations(), st.sampled_from([1, 2, 8]))
def test_continuations_of_shared_trunks_score_like_single_texts(given_, micro_batch):
    trunks, wanted = given_
    model = models.model(2)
    found = score_continuations(model, trunks, wanted, micro_batch)
    for value, one in zip(found, wanted, strict=True):
        row = [*trunks[one.trunk][: one.position], *one.tokens]
        places = range(len(row) - one.scored, len(row))
        slow = sum(float(logprob(model, row[:p], row[p], 1.0)) for p in places)
        assert value == pytest.approx(slow, abs=1e-4)


@pytest.mark.parametrize(("position", "scored"), [(0, 2), (3, 0), (3, 3)])
def test_what_nothing_predicts_is_no_continuation(position, scored):
    with pytest.raises(ValueError, match=r"scored|predicts"):
        Continuation(0, position, [5, 6], scored)

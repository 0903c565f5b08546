import torch
from hypothesis import given, settings

from rlp_core.rollout import dense
from rlp_core.rollout.branches import Branch
from tests.rollout import trees


@given(trees.trees())
@settings(max_examples=20)
@torch.no_grad()
def test_a_padded_row_reads_like_a_text_alone(tree):
    trunks, branches = tree
    model = trees.plain("qwen3")
    texts = [*trunks, *([*trunks[b.trunk][: b.position], *b.tokens] for b in branches)]
    skipped = [0] * len(trunks) + [b.position for b in branches]
    expected = [
        model.base_model(input_ids=torch.tensor([text])).last_hidden_state[0, skip:]
        for text, skip in zip(texts, skipped, strict=True)
        if text
    ]
    found = dense.states(model, trunks, branches)
    torch.testing.assert_close(found, torch.cat(expected), atol=1e-5, rtol=1e-5)


def test_trunks_or_branches_may_be_missing_or_empty():
    model = trees.plain("qwen3")
    assert dense.states(model, [[1, 2]], []).shape == (2, 16)
    assert dense.states(model, [[]], [Branch(0, 0, [3])]).shape == (1, 16)

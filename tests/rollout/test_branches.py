"""The packed row against one padded row per branch, in transformers' own attention."""

import pytest
import torch
from hypothesis import example, given, settings

from rlp_core.policy.logits import token_logprobs
from rlp_core.rollout import dense
from rlp_core.rollout.branches import Branch, pack
from tests.rollout import trees

CORNERS = {
    "position 0": ([[1, 2, 3]], [Branch(0, 0, [4, 5]), Branch(0, 0, [6])]),
    "the end of the trunk": ([[1, 2, 3]], [Branch(0, 3, [4, 5, 6])]),
    "one token": ([[1], [2, 3, 4, 5]], [Branch(1, 2, [7])]),
    "no branches": ([[1, 2], [3, 4, 5]], []),
    "an empty trunk": ([[], [1, 2]], [Branch(0, 0, [3, 4]), Branch(1, 1, [5])]),
    "nothing but an empty trunk": ([[]], [Branch(0, 0, [3, 4])]),
    "many at one place": ([[1, 2, 3, 4]], [Branch(0, 2, [i, i + 1]) for i in range(6)]),
}


def logprobs(model, states, seed=0):
    """A weighted sum of the log-probabilities of random tokens after every token."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(trees.VOCABULARY, (len(states),), generator=generator)
    found = token_logprobs(model, states, chosen)
    return found, (found * torch.randn(len(states), generator=generator)).sum()


def compare(family, trunks, branches, kernel="blocks"):
    model, oracle = trees.branching(family), trees.plain(family)
    states = pack(trunks, branches, kernel=kernel).states(model)
    expected = dense.states(oracle, trunks, branches)
    torch.testing.assert_close(states, expected, atol=1e-5, rtol=1e-5)
    (found, loss), (textbook, wanted) = logprobs(model, states), logprobs(oracle, expected)
    torch.testing.assert_close(found, textbook, atol=1e-5, rtol=0)
    trees.assert_same_gradients(trees.gradients(model, loss), trees.gradients(oracle, wanted))


KERNELS = [(family, "blocks") for family in trees.FAMILIES]
KERNELS += [(family, "flash") for family in trees.FAMILIES if family != "gemma2"]  # it has a cap


@pytest.mark.parametrize(("family", "kernel"), KERNELS)
@given(tree=trees.trees())
@settings(max_examples=40)
def test_branches_equal_one_row_per_branch_forward_and_backward(family, kernel, tree):
    compare(family, *tree, kernel)


@pytest.mark.parametrize(
    ("family", "kernel"), [("qwen3", "blocks"), ("qwen3", "flash"), ("gemma2", "blocks")]
)
@pytest.mark.parametrize("corner", CORNERS)
def test_corners_are_exact_too(family, kernel, corner):
    compare(family, *CORNERS[corner], kernel)


@given(trees.trees())
@example(CORNERS["an empty trunk"])
def test_a_token_sees_the_trunk_before_its_position_and_its_own_branch(tree):
    """The pairs that the blocks compute, against the definition, each exactly once."""
    trunks, branches = tree
    packed = pack(trunks, branches)
    count = packed.ids.shape[1]
    seen = torch.zeros(count, count, dtype=torch.long)
    for kind in (packed.attention.trunks, packed.attention.across, packed.attention.own):
        for block in kind.blocks.blocks:
            size, queries, keys = block.size
            for index in range(size):
                visible = torch.ones(queries, keys, dtype=torch.bool)
                if block.mask is not None:
                    visible = ~block.mask[index]
                rows = block.query_index.view(size, queries)[index]
                columns = block.key_index.view(size, keys)[index]
                row, column = visible.nonzero(as_tuple=True)
                seen.index_put_(
                    (rows[row], columns[column]), torch.ones(len(row)).long(), accumulate=True
                )
    expected = torch.zeros_like(seen)
    for start, trunk in zip(packed.trunk_starts, trunks, strict=True):
        part = slice(start, start + len(trunk))
        expected[part, part] = torch.ones(len(trunk), len(trunk)).tril().long()
    for start, branch in zip(packed.branch_starts, branches, strict=True):
        length, trunk = len(branch.tokens), packed.trunk_starts[branch.trunk]
        part = slice(start, start + length)
        expected[part, part] = torch.ones(length, length).tril().long()
        expected[part, trunk : trunk + branch.position] = 1
    assert torch.equal(seen, expected)


@given(trees.trees())
def test_the_row_is_all_trunks_then_all_branches_with_positions_that_go_on(tree):
    trunks, branches = tree
    packed = pack(trunks, branches)
    assert packed.ids[0].tolist() == [
        token for part in [*trunks, *(b.tokens for b in branches)] for token in part
    ]
    positions = packed.positions[0]
    for start, trunk in zip(packed.trunk_starts, trunks, strict=True):
        assert positions[start : start + len(trunk)].tolist() == list(range(len(trunk)))
    for start, branch in zip(packed.branch_starts, branches, strict=True):
        expected = list(range(branch.position, branch.position + len(branch.tokens)))
        assert positions[start : start + len(branch.tokens)].tolist() == expected


@pytest.mark.parametrize(
    ("family", "kernel"), [("qwen3", "blocks"), ("qwen3", "flash"), ("gemma2", "blocks")]
)
@torch.no_grad()
def test_what_a_branch_must_not_see_changes_no_bit_of_it(family, kernel):
    """Later text, another thought and another document are no part of a thought's state."""
    model = trees.branching(family)
    trunks = [[1, 2, 3, 4, 5], [6, 7, 8]]
    branches = [Branch(0, 3, [9, 10]), Branch(0, 3, [9, 11]), Branch(0, 5, [1]), Branch(1, 2, [2])]
    packed = pack(trunks, branches, kernel=kernel)
    states = packed.states(model)
    own = slice(packed.branch_starts[0], packed.branch_starts[1])

    later = pack([[1, 2, 3, 11, 0], trunks[1]], branches, kernel=kernel).states(model)
    assert torch.equal(later[own], states[own])
    assert torch.equal(later[:3], states[:3])
    assert not torch.equal(later[packed.branch_starts[2]], states[packed.branch_starts[2]])

    other = pack(trunks, [branches[0], Branch(0, 3, [0, 0]), *branches[2:]], kernel=kernel)
    other = other.states(model)
    assert torch.equal(other[own], states[own])
    assert torch.equal(other[: packed.branch_starts[0]], states[: packed.branch_starts[0]])

    document = pack([trunks[0], [0, 0, 0]], branches, kernel=kernel).states(model)
    assert torch.equal(document[own], states[own])

    before = pack([[1, 2, 0, 4, 5], trunks[1]], branches, kernel=kernel).states(model)
    assert not torch.equal(before[own], states[own])


def test_the_gradient_flows_through_the_trunk():
    model = trees.branching("llama")
    packed = pack([[1, 2, 3]], [Branch(0, 2, [4])])
    loss = packed.states(model)[packed.branch_starts[0]].sum()
    gradient = trees.gradients(model, loss)["model.embed_tokens.weight"]
    assert gradient[1].any()
    assert gradient[2].any()
    assert not gradient[3].any()  # stands after the position


@pytest.mark.parametrize(
    "branch", [Branch(0, 4, [1]), Branch(0, -1, [1]), Branch(0, 1, [])], ids=str
)
def test_a_branch_that_does_not_fit_is_refused(branch):
    with pytest.raises(ValueError, match="does not fit a document of 3 tokens"):
        pack([[1, 2, 3]], [branch])

"""Muon in fp32 against its definition by singular values, and against torch's in bf16."""

import pytest
import torch

from rlp_core.training.muon import Muon, orthogonalised

SHAPES = ((8, 8), (24, 8), (8, 24), (1, 5))


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_go_near_one_and_directions_stay(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(sum(shape))
    matrix = torch.randn(shape, generator=generator)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    keep = s > 0.05 * s[0]  # tinier ones need more rounds than five
    found = u.T @ orthogonalised(matrix) @ v.T
    assert (found - torch.diag(found.diagonal())).abs().max() < 1e-4
    assert ((found.diagonal()[keep] > 0.6) & (found.diagonal()[keep] < 1.3)).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_matrix_of_zeros_stays_zero(shape: tuple[int, int]) -> None:
    assert not orthogonalised(torch.zeros(shape)).any()


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("shape", SHAPES)
def test_steps_are_torchs_up_to_its_rounding(shape: tuple[int, int], decay: float) -> None:
    generator = torch.Generator().manual_seed(7)
    first = torch.randn(shape, generator=generator)
    ours, theirs = (torch.nn.Parameter(first.clone()) for _ in range(2))
    one = Muon([ours], lr=0.02, weight_decay=decay)
    other = torch.optim.Muon([theirs], lr=0.02, weight_decay=decay)
    for _ in range(3):
        gradient = torch.randn(shape, generator=generator)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        one.step()
        other.step()
    moved = (ours - first).norm()
    assert moved > 0
    assert (ours - theirs).norm() < 0.03 * moved


def test_a_matrix_without_gradient_is_left_alone() -> None:
    weight = torch.nn.Parameter(torch.ones(3, 4))
    Muon([weight], lr=0.1, weight_decay=0.1).step()
    assert torch.equal(weight, torch.ones(3, 4))

import pytest
import torch

from rlp_core.training.config import OptimizerConfig
from rlp_core.training.optim import Stepper
from tests import models


def stepper(**changes) -> Stepper:
    values = {"name": "adamw", "lr": 0.1, "warmup_steps": 4, "schedule": "linear"}
    return Stepper(models.model(), OptimizerConfig(**(values | changes)), total_steps=14)


def test_the_rate_warms_up_and_falls_to_zero():
    rates = [stepper().rate(step) for step in range(15)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4:] == pytest.approx([1 - i / 10 for i in range(11)])
    assert stepper(schedule="constant").rate(1000) == 1.0
    assert stepper(schedule="constant", warmup_steps=0).rate(0) == 1.0


def test_muon_steps_the_matrices_of_the_blocks_and_adamw_the_rest():
    made = stepper(name="muon")
    adamw, muon = made.optimizers
    matrices = muon.param_groups[0]["params"]
    rest = adamw.param_groups[0]["params"]
    assert all(p.ndim == 2 for p in matrices)
    assert len(matrices) + len(rest) == len(made.parameters)
    rows = models.model().get_input_embeddings().weight.shape[0]
    assert rows not in {p.shape[0] for p in matrices}


def test_a_step_clips_clears_and_reports_the_norm():
    made = stepper(clip_norm=0.5)
    before = [p.clone() for p in made.parameters]
    for p in made.parameters:
        p.grad = torch.full_like(p, 3.0)
    norm = made.step()
    count = sum(p.numel() for p in made.parameters)
    assert norm == pytest.approx(3 * count**0.5, rel=1e-4)
    assert all(p.grad is None for p in made.parameters)
    assert any(not torch.equal(a, b) for a, b in zip(before, made.parameters, strict=True))


def test_a_tiny_rate_still_moves_fp32_weights():
    made = stepper(lr=1e-6, warmup_steps=0)
    before = [p.clone() for p in made.parameters]
    for _ in range(3):
        for p in made.parameters:
            p.grad = torch.ones_like(p)
        made.step()
    moved = [(a != b).float().mean() for a, b in zip(before, made.parameters, strict=True)]
    assert min(moved) > 0.9


def test_a_norm_that_is_known_is_not_taken_again(monkeypatch):
    one, other = stepper(clip_norm=0.5), stepper(clip_norm=0.5)
    for made in (one, other):
        for p in made.parameters:
            p.grad = torch.linspace(-1, 1, p.numel()).reshape(p.shape)
    known = one.norm()
    expected = other.step()
    monkeypatch.setattr(Stepper, "norm", None)
    assert one.step(known) == expected
    for a, b in zip(one.parameters, other.parameters, strict=True):
        assert torch.equal(a, b)

"""Training adapters: small checkpoints, exact resume, the cost that the mathematics has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rlp_core.data.thought import ThoughtConfig
from rlp_core.monitoring.dump import DumpedDocuments, DumpWriter, StepDump
from rlp_core.monitoring.rerun import rerun
from rlp_core.policy import lora
from rlp_core.policy.config import LoraConfig
from rlp_core.training.batches import Example
from rlp_core.training.config import OptimizerConfig
from rlp_core.training.ledger import TRAINING, Ledger
from rlp_core.training.supervised import SupervisedTrainer
from tests import models
from tests.kept import counting
from tests.training.steps import gradients, saved, stir, trainer

LORA = LoraConfig(rank=3, alpha=6.0)
DATA = [Example([*range(5, 25)], range(1, 20), 20), Example([*range(9, 30)], range(4, 21), 21)]


def adapted(seed: int = 4):
    model = models.model(seed)
    lora.attach(model, LORA, seed)
    stir(model, seed)
    return model


def supervised(model, **changes) -> SupervisedTrainer:
    options = {"steps": 4, "batch": 2, "seed": 1, "stream": 1, "micro_batch": 2} | changes
    return SupervisedTrainer(model, DATA, optimizer=OptimizerConfig(lr=1e-2), **options)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_step_moves_adapters_and_nothing_else(precision: str) -> None:
    made = trainer(lora=LORA, precision=precision)
    before = {name: tensor.clone() for name, tensor in made.policy.named_parameters()}
    target = {name: tensor.clone() for name, tensor in made.ema.model.named_parameters()}
    assert made.step(0).metrics["skipped"] == 0
    for name, tensor in made.policy.named_parameters():
        assert torch.equal(tensor, before[name]) == ("lora_" not in name)
        assert torch.equal(made.ema.model.get_parameter(name), target[name]) == (
            "lora_" not in name
        )


@pytest.mark.parametrize("changes", [{}, {"kl_weight": 0.2, "precision": "bfloat16"}], ids=str)
def test_a_run_goes_on_from_adapters_alone_to_the_same_bits(changes, tmp_path: Path) -> None:
    whole, other = trainer(lora=LORA, **changes), trainer(lora=LORA, **changes)
    whole.step(0)
    state = saved(whole.state(), tmp_path)
    held = [name for name in state.everything if "/" in name and not name.startswith("ledger")]
    assert held
    weights = [n for n in held if n.startswith(("policy", "ema", "start"))]
    assert all("lora_" in name for name in weights)
    other.restore(state)
    for number in (1, 2):
        assert whole.step(number).metrics == other.step(number).metrics


def test_supervised_training_holds_and_moves_adapters_alone() -> None:
    model = adapted()
    base = {n: p.clone() for n, p in model.named_parameters() if "lora_" not in n}
    made = supervised(model)
    made.step(0)
    tensors = made.state().part("model").tensors
    assert tensors
    assert all("lora_" in name for name in tensors)
    again = supervised(adapted())
    again.restore(made.state())
    assert made.step(1).metrics == again.step(1).metrics
    assert all(torch.equal(model.get_parameter(name), tensor) for name, tensor in base.items())


def test_activations_are_made_again_below_frozen_embeddings_too() -> None:
    peaks, found = [], []
    for recompute in (False, True):
        model = adapted()
        made = supervised(model, recompute=recompute)
        with counting() as kept:
            made.step(0)
        peaks.append(kept["peak"])
        found.append([p.detach().clone() for p in model.parameters() if p.requires_grad])
    assert peaks[1] < 0.7 * peaks[0]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_gradients_of_frozen_weights_cost_nothing() -> None:
    """Forward; backward to what was read; and of the adapters alone to the weights."""
    model, whole = adapted(), models.model(4)
    own, full = Ledger(model), Ledger(whole)
    adapters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert own.body == full.body + adapters
    assert (own.frozen_body, own.frozen_head) == (full.body, full.head)
    assert (full.frozen_body, full.frozen_head) == (0, 0)
    for ledger in (own, full):
        ledger.rows("forward", [7], 5)
        ledger.rows("train", [7], 5, TRAINING)
    pairs = own.per_pair * 28
    forward = 2 * (full.body + adapters) * 7 + pairs + 2 * full.head * 5
    assert own.flops["forward"] == forward
    assert own.flops["train"] == 2 * forward + 2 * adapters * 7 + pairs
    assert full.flops["train"] == 3 * full.flops["forward"]


def test_a_dumped_step_of_adapters_is_run_again(tmp_path: Path) -> None:
    fresh = trainer(lora=LORA)
    metrics = trainer(lora=LORA).step(0).metrics
    step = StepDump(
        0, fresh.seed, {**fresh.runtime}, fresh.settings, ThoughtConfig(max_tokens=6),
        DumpedDocuments.of(fresh.documents, fresh.indices(0)), fresh.indices(0), fresh.state(),
        metrics,
    )  # fmt: skip
    folder = DumpWriter(tmp_path).write(step, fresh.policy, fresh.codec)
    found = rerun(folder)
    assert not found.raised
    assert found.metrics == pytest.approx(metrics, abs=1e-5)


def test_the_textbook_s_gradients_are_those_of_adapters_alone() -> None:
    made = trainer(lora=LORA)
    groups = made.groups(0)
    made.accumulate(groups, 0)
    names = [name for name, p in made.policy.named_parameters() if p.grad is not None]
    assert names
    assert all("lora_" in name for name in names)
    assert any(float(g.abs().max()) > 0 for g in gradients(made))

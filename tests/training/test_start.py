"""The frozen start: kept where something reads it, and nowhere else."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch

from rlp_core.monitoring.config import HealthConfig, HeldoutConfig
from rlp_core.monitoring.monitored import MonitoredLearner
from rlp_core.training import checkpoint
from rlp_core.training.checkpoint import Checkpoints
from rlp_core.training.config import AuditConfig
from rlp_core.training.learner import RLPLearner
from tests import models
from tests.training import steps
from tests.training.steps import trainer

NOBODY: dict[str, Any] = {"audit": AuditConfig(every=0), "kl_weight": 0.0}
SOMEBODY: dict[str, dict[str, Any]] = {
    "kl": NOBODY | {"kl_weight": 0.1},
    "audit": NOBODY | {"audit": AuditConfig(every=2)},
}


def watched(made: RLPLearner, every: int) -> MonitoredLearner:
    return MonitoredLearner(
        made, made.documents, None, lambda _: None,
        health=HealthConfig(stop=False), heldout=HeldoutConfig(every=every),
    )  # fmt: skip


def memories(shape: torch.Size) -> set[int]:
    """The memories that tensors of a shape lie in, whoever holds them."""
    gc.collect()
    return {
        tensor.untyped_storage().data_ptr()
        for tensor in gc.get_objects()
        if issubclass(type(tensor), torch.Tensor) and tensor.shape == shape
    }


@pytest.mark.parametrize(("every", "copies"), [(0, 2), (3, 3)])
def test_there_is_a_third_copy_of_the_weights_only_where_held_out_texts_ask(every, copies):
    shape = models.model().get_input_embeddings().weight.shape
    before = memories(shape)
    watch = watched(trainer(**NOBODY), every)
    assert len(memories(shape) - before) == copies  # policy, EMA, start
    assert (watch.trainer.start is not None) == (every > 0)


@pytest.mark.parametrize("name", SOMEBODY)
def test_the_objective_and_the_audit_have_it_kept(name):
    made = trainer(**SOMEBODY[name])
    assert made.began_as is made.start
    assert set(made.state().part("start").fixed) == {"model"}


def test_without_a_reader_there_is_none_and_no_state_of_it():
    made = trainer(**NOBODY)
    assert made.start is None
    assert made.state().part("start").everything == {}
    with pytest.raises(ValueError, match="keeps no copy"):
        _ = made.began_as


def test_keeping_it_changes_no_step():
    alone, kept = trainer(**NOBODY), trainer(**NOBODY)
    kept.keep_start()
    for number in range(2):
        assert alone.step(number).metrics == kept.step(number).metrics
    assert steps.same(alone.state().part("policy"), kept.state().part("policy"))


def test_it_stays_as_the_policy_was_and_a_second_call_keeps_it():
    made = trainer(**NOBODY)
    first = {name: p.detach().clone() for name, p in made.policy.named_parameters()}
    made.keep_start()
    made.step(0)
    made.keep_start()
    assert all(torch.equal(p, first[name]) for name, p in made.began_as.named_parameters())
    assert any(not torch.equal(p, first[name]) for name, p in made.policy.named_parameters())
    assert not any(p.requires_grad for p in made.began_as.parameters())


def test_it_is_written_once_a_process(tmp_path, monkeypatch):
    written, real = [], checkpoint.save_file

    def saving(tensors, path):
        written.append(path.name)
        real(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", saving)
    made, disk = trainer(**SOMEBODY["kl"]), Checkpoints(tmp_path)
    for number in range(3):
        made.step(number)
        disk.save(number + 1, made.state())
    assert written.count("fixed-0.safetensors") == 1


def test_a_run_that_evaluates_goes_on_with_the_start_it_had(tmp_path):
    """What the run began with comes from the checkpoint, not from the model that is given now."""
    unbroken = watched(trainer(**NOBODY), 1)
    for number in range(2):
        unbroken.step(number)
    state = steps.saved(unbroken.state(), tmp_path)
    resumed = watched(trainer(seed=9, **NOBODY), 1)
    resumed.trainer.seed = unbroken.trainer.seed
    resumed.trainer.worker = unbroken.trainer.worker
    resumed.restore(state)
    assert steps.same(resumed.state(), state)
    assert resumed.evaluate() == unbroken.evaluate()


def test_a_state_without_it_is_refused_by_a_learner_whose_step_reads_it():
    made = trainer(**SOMEBODY["kl"])
    with pytest.raises(ValueError, match="lacks the model that the run began with"):
        made.restore(trainer(**NOBODY).state())


def test_evaluation_may_begin_between_two_processes(tmp_path):
    """Both began with the same model, so the one that is here is right."""
    first = trainer(**NOBODY)
    first.step(0)
    second = trainer(**NOBODY)
    second.keep_start()
    expected = {name: p.detach().clone() for name, p in second.began_as.named_parameters()}
    second.restore(steps.saved(first.state(), tmp_path))
    assert all(torch.equal(p, expected[name]) for name, p in second.began_as.named_parameters())

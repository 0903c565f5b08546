"""S_pred and what it is compared with come from the same arithmetic, whatever the precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from rlp_core.data.thought import ThoughtConfig
from rlp_core.monitoring.config import HealthConfig, HeldoutConfig
from rlp_core.monitoring.monitored import MonitoredLearner
from rlp_core.policy.compute import Compute
from rlp_core.policy.config import LoraConfig
from rlp_core.policy.ema import EmaTarget
from rlp_core.training.config import AuditConfig
from rlp_core.training.learner import RLPLearner
from tests import models
from tests.training import steps
from tests.training.test_start import NOBODY, memories

PRECISIONS = ("float32", "bfloat16")


def fresh(**changes: Any) -> RLPLearner:
    """A learner as a run begins with: policy, EMA and start are one model."""
    return RLPLearner(
        models.model(5), models.codec(), steps.settings(**changes),
        ThoughtConfig(open="<think>", close="</think>", max_tokens=6), 5, steps.documents(),
    )  # fmt: skip


@pytest.mark.parametrize("precision", PRECISIONS)
def test_equal_weights_score_equally_to_the_bit(precision: str) -> None:
    made = fresh(precision=precision)
    positions = made.positions(made.documents, 0)
    scored = [
        made.worker.score(model, positions, "ema")
        for model in (made.compute.model, made.ema_compute.model, made.began_as)
    ]
    assert scored[0] == scored[1] == scored[2]
    master = made.worker.score(made.policy, positions, "ema")
    assert (master == scored[0]) == (precision == "float32")  # the two do differ, then


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_run_begins_with_no_gain_decay_or_divergence_of_its_own_making(precision: str) -> None:
    """A difference of two arithmetics would be a reward, and a gradient."""
    made = fresh(precision=precision, kl_weight=0.1, audit=AuditConfig(every=1, positions=4))
    watch = MonitoredLearner(
        made, made.documents, None, lambda _: None,
        health=HealthConfig(), heldout=HeldoutConfig(every=1),
    )  # fmt: skip
    found = watch.evaluate()
    assert found["heldout_direct"] == 0.0
    assert found["heldout_information_gain"] == found["heldout_gain"]
    groups = made.groups(0)
    assert made.audit(groups)["baseline_decay"] == 0.0
    assert made.accumulate(groups, 0).terms["kl"] == 0.0


def rounded(made: RLPLearner) -> bool:
    """Whether the EMA that computes is the EMA."""
    pairs = zip(made.ema_compute.model.parameters(), made.ema.model.parameters(), strict=True)
    return all(torch.equal(own, ema.bfloat16()) for own, ema in pairs)


def test_what_computes_follows_the_ema_after_a_step_and_after_a_restart(tmp_path: Path) -> None:
    made = steps.trainer(precision="bfloat16", optimizer={"name": "adamw", "lr": 0.05})
    before = [p.clone() for p in made.ema_compute.model.parameters()]
    made.step(0)
    assert rounded(made)
    after = made.ema_compute.model.parameters()
    assert not all(map(torch.equal, before, after))
    resumed = steps.trainer(seed=9, precision="bfloat16")
    resumed.restore(steps.saved(made.state(), tmp_path))
    assert rounded(resumed)
    pairs = zip(resumed.ema.model.parameters(), made.ema.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_the_ema_itself_stays_in_float32() -> None:
    made = steps.trainer(precision="bfloat16")
    made.step(0)
    assert {p.dtype for p in made.ema.model.parameters()} == {torch.float32}
    assert {t.dtype for t in made.state().part("ema").tensors.values()} == {torch.float32}


@pytest.mark.parametrize(
    ("precision", "changes", "copies"),
    [
        ("float32", NOBODY, {torch.float32: 2}),
        ("float32", {}, {torch.float32: 3}),
        ("bfloat16", NOBODY, {torch.float32: 2, torch.bfloat16: 2}),
        ("bfloat16", {}, {torch.float32: 2, torch.bfloat16: 3}),
    ],
    ids=str,
)
def test_each_model_has_one_copy_that_computes_and_no_more(
    precision: str, changes: dict[str, Any], copies: dict[torch.dtype, int]
) -> None:
    """Policy and EMA have masters beside them, and the frozen start needs none."""
    shape = models.model().get_input_embeddings().weight.shape
    before = memories(shape)
    made = fresh(precision=precision, **changes)
    assert len(memories(shape) - before) == sum(copies.values())
    kept = [made.policy, made.ema.model]
    if precision == "bfloat16":
        kept += [made.compute.model, made.ema_compute.model]
    kept += [made.began_as] if made.start is not None else []
    types = [model.dtype for model in kept]
    assert {dtype: types.count(dtype) for dtype in types} == copies


def test_with_adapters_all_that_compute_share_one_base_and_follow_their_masters() -> None:
    changes: dict[str, Any] = {"lora": LoraConfig(rank=2), "precision": "bfloat16"}
    shape = models.model().get_input_embeddings().weight.shape
    before = memories(shape)
    made = steps.trainer(**changes, optimizer={"name": "adamw", "lr": 0.05})
    assert made.start is not None
    assert len(memories(shape) - before) == 2  # the frozen base in fp32, and in bf16
    made.step(0)
    assert rounded(made)
    policy, ema = (dict(c.model.named_parameters()) for c in (made.compute, made.ema_compute))
    shared = [name for name in policy if policy[name].data_ptr() == ema[name].data_ptr()]
    assert shared
    assert all(("lora_" in name) != (name in shared) for name in policy)
    adapters = [name for name in policy if "lora_" in name]
    assert any(not torch.equal(policy[name], ema[name]) for name in adapters)


def test_an_ema_on_a_device_of_its_own_computes_there() -> None:
    policy = models.model(5)
    ema = EmaTarget(policy, 0.9).model
    like = Compute(policy.to("meta"), torch.bfloat16)  # type: ignore[arg-type]
    found = Compute(ema, torch.bfloat16, like)
    assert found.model.device == ema.device
    for own, master in zip(found.model.parameters(), ema.parameters(), strict=True):
        assert torch.equal(own, master.bfloat16())
        assert not own.requires_grad


def test_in_fp32_the_masters_compute_themselves() -> None:
    made = fresh()
    assert made.compute.model is made.policy
    assert made.ema_compute.model is made.ema.model
    assert made.began_as.dtype == torch.float32

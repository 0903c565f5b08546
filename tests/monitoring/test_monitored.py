"""The watch: a step that is not finite, the last good model, held-out texts and the best one."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch

from rlp_core.errors import TrainingError
from rlp_core.monitoring.config import HealthConfig, HeldoutConfig
from rlp_core.monitoring.dump import read_dump
from rlp_core.monitoring.monitored import HELDOUT, MonitoredLearner
from rlp_core.training.config import ReplayConfig
from rlp_core.training.groups import ThinkPosition
from tests.training import steps
from tests.training.steps import stopping

HEALTH, HELDOUT_OFF = HealthConfig(), HeldoutConfig()


class Exports:
    """What was exported: the policy's weights, by path."""

    def __init__(self) -> None:
        self.made: dict[Path, dict[str, torch.Tensor]] = {}


def watched(
    folder: Path, health: HealthConfig = HEALTH, heldout: HeldoutConfig = HELDOUT_OFF, **changes
) -> tuple[MonitoredLearner, Exports]:
    made, exports = stopping(**changes), Exports()

    def export(path: Path) -> None:
        exports.made[path] = copy.deepcopy(dict(made.policy.state_dict()))

    watch = MonitoredLearner(
        made, made.documents[:2], folder, export, health=health, heldout=heldout
    )
    return watch, exports


def poison(model: torch.nn.Module) -> None:
    with torch.no_grad():
        next(model.parameters())[0, 0] = math.nan
        next(model.parameters())[5:200] = math.nan


@pytest.mark.parametrize("part", ["ema", "policy"])
@pytest.mark.parametrize("changes", [{}, {"estimator": "gae"}, {"replay": ReplayConfig(groups=2)}])
def test_a_step_that_is_not_finite_is_dumped_and_changes_no_parameter(
    part: str, changes, tmp_path, capsys
) -> None:
    watch, _ = watched(tmp_path, **changes)
    watch.step(0)
    poison(watch.trainer.ema.model if part == "ema" else watch.trainer.policy)
    before = copy.deepcopy(watch.trainer.state())
    metrics = watch.step(1).metrics
    assert metrics["skipped"] == 1
    assert any(not math.isfinite(value) for value in metrics.values())
    after = watch.trainer.state()
    for name in ("policy", "ema", "start", "buffer", *(["value"] if watch.trainer.value else [])):
        assert steps.same(after.part(name), before.part(name)), name
    moments = {k: v for k, v in after.part("stepper").tensors.items() if "step" not in k}
    assert all(torch.equal(v, before.part("stepper").tensors[k]) for k, v in moments.items())
    assert all(p.grad is None for p in watch.trainer.policy.parameters())
    told = capsys.readouterr().out
    assert "step 1 is not finite and was skipped; `rlp replay" in told
    assert "warning: non_finite" in told


def test_a_dump_makes_the_same_step_again(tmp_path) -> None:
    """The texts of the replay buffer are in it too."""
    watch, _ = watched(tmp_path, replay=ReplayConfig(groups=2, capacity=12), documents=1)
    for number in range(2):
        watch.step(number)
    poison(watch.trainer.ema.model)
    metrics = watch.step(2).metrics
    folders = [path for path in tmp_path.rglob("*") if (path / "dump.json").is_file()]
    assert len(folders) == 1
    step = read_dump(folders[0])
    assert step.number == 2
    again = stopping(replay=ReplayConfig(groups=2, capacity=12), documents=1)
    again.documents = step.documents
    again.restore(step.state)
    assert again.step(2).metrics.keys() <= metrics.keys()
    assert repr(again.step(2).metrics["loss"]) == repr(metrics["loss"])


def test_a_run_goes_on_after_a_single_step_that_is_not_finite(tmp_path) -> None:
    watch, _ = watched(tmp_path)
    kept = copy.deepcopy(watch.trainer.ema.model.state_dict())
    watch.step(0)
    poison(watch.trainer.ema.model)
    assert watch.step(1).metrics["skipped"] == 1
    watch.trainer.ema.model.load_state_dict(kept)
    before = copy.deepcopy(watch.trainer.policy.state_dict())
    assert watch.step(2).metrics["skipped"] == 0
    moved = watch.trainer.policy.state_dict()
    assert any(not torch.equal(before[name], tensor) for name, tensor in moved.items())


def test_several_in_a_row_end_the_run_at_the_last_good_model(tmp_path) -> None:
    watch, exports = watched(
        tmp_path, steps=9, health=HealthConfig(window=3, non_finite=3, dumps=2)
    )
    watch.step(0)
    good = copy.deepcopy(dict(watch.trainer.policy.state_dict()))
    watch.step(1)
    assert watch.good_step == 0
    poison(watch.trainer.ema.model)
    for number in (2, 3):
        watch.step(number)
    with pytest.raises(TrainingError, match="collapsed") as caught:
        watch.step(4)
    ((path, exported),) = exports.made.items()
    assert path.parent == tmp_path
    assert exported.keys() == good.keys()
    assert all(torch.equal(exported[name], good[name]) for name in good)
    assert str(path) in caught.value.where
    assert "after step 0" in caught.value.where
    folders = [each for each in tmp_path.rglob("*") if (each / "dump.json").is_file()]
    assert len(folders) == 2  # the first ones


def test_a_run_that_was_never_well_has_no_good_model(tmp_path) -> None:
    watch, exports = watched(tmp_path, health=HealthConfig(non_finite=1))
    poison(watch.trainer.policy)
    with pytest.raises(TrainingError) as caught:
        watch.step(0)
    assert exports.made == {}
    assert "no good checkpoint was kept" in caught.value.where


def test_a_run_may_be_told_not_to_stop(tmp_path) -> None:
    watch, exports = watched(tmp_path, health=HealthConfig(non_finite=1, stop=False))
    watch.step(0)
    assert watch.kept["good"] == {}
    poison(watch.trainer.policy)
    assert watch.step(1).metrics["skipped"] == 1
    assert exports.made == {}


def test_held_out_texts_are_read_when_asked_and_cost_nothing(tmp_path) -> None:
    watch, _ = watched(tmp_path / "a", heldout=HeldoutConfig(every=2))
    bare, _ = watched(tmp_path / "b")
    for number in range(4):
        metrics, plain = (each.step(number).metrics for each in (watch, bare))
        assert ("heldout_gain" in metrics) == (number % 2 == 1)
        assert {name: metrics[name] for name in plain} == plain
    assert steps.same(watch.trainer.state(), bare.trainer.state())
    assert "heldout" not in watch.trainer.ledger.tokens


@pytest.mark.parametrize("selection", ["uniform", "surprising"])
def test_an_evaluation_is_what_its_definition_gives(selection: str, tmp_path) -> None:
    watch, _ = watched(tmp_path, position_selection=selection, horizon=2, discount=0.5, steps=2,
                       temperature=0.2, final_temperature=1.5)  # fmt: skip
    made = watch.trainer
    book = made.ledger.as_dict()
    found = watch.evaluate()
    assert found == watch.evaluate()
    assert made.ledger.as_dict() == book
    groups = made.draw(made.positions(watch.documents, HELDOUT), HELDOUT)
    predicted = sum(p for group in groups for p in group.predicted) / (3 * len(groups))

    def direct(model) -> float:
        return sum(_score(steps.plain(model), group.position) for group in groups) / len(groups)

    ema, start, policy = map(direct, (made.ema.model, made.began_as, made.policy))
    assert found == {
        "heldout_information_gain": pytest.approx(predicted - ema, abs=1e-5),
        "heldout_gain": pytest.approx(predicted - start, abs=1e-5),
        "heldout_direct": pytest.approx(policy - start, abs=1e-5),
        "heldout_thought_tokens": pytest.approx(
            sum(len(t) for group in groups for t in group.tokens) / (3 * len(groups))
        ),
    }


def _score(model, position: ThinkPosition) -> float:
    tokens = position.document.tokens
    logits = model(torch.tensor([tokens])).logits[0].detach().log_softmax(1)
    return sum(0.5**h * float(logits[t - 1, tokens[t]]) for h, t in enumerate(position.targets))


def test_the_best_model_is_kept(tmp_path, monkeypatch) -> None:
    watch, _ = watched(tmp_path, heldout=HeldoutConfig(every=1, keep="best"))
    gains = iter([math.nan, 1.0, 3.0, 2.0])
    monkeypatch.setattr(watch, "evaluate", lambda: {"heldout_gain": next(gains)})
    weights = []
    for number in range(4):
        watch.step(number)
        weights.append(copy.deepcopy(dict(watch.trainer.policy.state_dict())))
    assert watch.best == 3.0
    watch.finish()
    kept = watch.trainer.policy.state_dict()
    assert all(torch.equal(kept[name], weights[2][name]) for name in kept)
    assert any(not torch.equal(kept[name], weights[3][name]) for name in kept)


def test_the_last_model_is_kept_unless_told_otherwise(tmp_path) -> None:
    watch, _ = watched(tmp_path, heldout=HeldoutConfig(every=1))
    for number in range(2):
        watch.step(number)
    last = copy.deepcopy(dict(watch.trainer.policy.state_dict()))
    watch.finish()
    assert all(torch.equal(last[k], v) for k, v in watch.trainer.policy.state_dict().items())
    assert watch.kept["best"] == {}


def test_all_that_it_remembers_is_in_its_state(tmp_path) -> None:
    changes = {
        "steps": 8,
        "heldout": HeldoutConfig(every=2, keep="best"),
        "health": HealthConfig(window=3),
    }
    unbroken, _ = watched(tmp_path / "a", **changes)
    for number in range(4):
        unbroken.step(number)
    assert unbroken.good_step is not None
    assert unbroken.best is not None
    state = steps.saved(unbroken.state(), tmp_path / "kept")
    resumed, exports = watched(tmp_path / "b", **changes)
    resumed.restore(state)
    assert steps.same(resumed.state(), state)
    for number in range(4, 6):
        assert resumed.step(number).metrics == unbroken.step(number).metrics
    assert steps.same(resumed.state(), unbroken.state())
    poison(resumed.trainer.ema.model)
    with pytest.raises(TrainingError):
        for number in range(6, 9):
            resumed.step(number)
    (exported,) = exports.made.values()
    good = unbroken.kept["good"]
    assert all(torch.equal(exported[name], tensor) for name, tensor in good.items())

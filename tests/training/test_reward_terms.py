"""Reward terms in a step: learnt from as the textbook says, told by name, and kept."""

from __future__ import annotations

import copy
import itertools
import math
from statistics import fmean
from typing import Any

import pytest
import torch

from rlp_core.errors import PluginError
from rlp_core.monitoring.config import HealthConfig, HeldoutConfig
from rlp_core.monitoring.dump import read_dump
from rlp_core.monitoring.monitored import MonitoredLearner
from rlp_core.monitoring.progress import StepLog
from rlp_core.monitoring.rerun import rerun
from rlp_core.objective import reward_terms
from rlp_core.objective.reward_terms import FinishedThought, RewardTerm
from rlp_core.training import loop
from rlp_core.training.checkpoint import Checkpoints
from rlp_core.training.config import AuditConfig, ReplayConfig
from rlp_core.training.finished import finished_thoughts
from rlp_core.training.metrics import thought_metrics
from tests import models
from tests.training import steps
from tests.training.steps import distance, gradients, stopping, textbook

TERMS = {"closed": 0.7, "thought_tokens": -0.3}
CASES: dict[str, dict[str, Any]] = {
    "compares a group": {"estimator": "rloo"},
    "compares a group by its spread": {"estimator": "grpo"},
    "raw": {"estimator": "raw"},
    "of a token": {"estimator": "gae"},
    "clipped": {"estimator": "rloo", "reward_clip": 0.5},
    "clipped, of a token": {"estimator": "gae", "reward_clip": 0.5},
    "horizon": {"estimator": "raw", "horizon": 3, "discount": 0.7},
}
STEP = {
    "information_gain", "positive", "reward_std", "thought_tokens", "thought_tokens_std", "forced",
    "entropy", "mismatch", "loss", "grad_norm", "skipped",
}  # fmt: skip
AUDIT = {
    "true_gain", "baseline_decay", "content_gain", "null_gain", "shuffled_gain", "random_gain",
}  # fmt: skip
OWN = {"reward_closed", "reward_thought_tokens", "shaping"}


def by_hand(group) -> list[float]:
    """What the terms add to each reward, from their definitions."""
    drawn = zip(group.tokens, group.stopped, strict=True)
    return [0.7 * closed - 0.3 * len(tokens) for tokens, closed in drawn]


@pytest.mark.parametrize("name", CASES)
def test_a_step_is_that_of_the_textbook(name: str) -> None:
    made = stopping(reward_terms=TERMS, **CASES[name])
    groups = made.groups(0)
    for group in groups:
        assert group.shaping == pytest.approx(by_hand(group))
    expected, gradient = textbook(made, groups)
    for group, rewards in zip(groups, expected.rewards, strict=True):
        assert group.rewards == pytest.approx(rewards, abs=2e-5)
    sums = made.accumulate(groups, 0)
    assert thought_metrics(groups, sums, made.settings)["loss"] == pytest.approx(
        float(expected.total.detach()), abs=1e-4
    )
    found = gradients(made)
    assert distance(found, gradient) < 1e-4
    bare = stopping(**CASES[name])
    bare.accumulate(bare.groups(0), 0)
    assert distance(found, gradients(bare)) > 0.01  # the terms are learnt from


@pytest.mark.parametrize("estimator", ["rloo", "raw", "gae"])
def test_a_replayed_step_has_the_textbook_s_gradient(estimator: str) -> None:
    made = stopping(
        reward_terms=TERMS, estimator=estimator, replay=ReplayConfig(groups=2), importance_limit=1.1
    )
    made.step(0)
    groups = made.groups(1)
    replayed = made.buffer.draw(2, 1)
    assert len(replayed) == 2
    assert all(each.shaping == pytest.approx(by_hand(each)) for each in replayed)
    everything = sorted([*replayed, *groups], key=lambda each: each.position.document.number)
    made.reward(replayed, 1)  # by the baseline of now
    for each in replayed:  # judged anew, so that the textbook can be asked
        rewards = textbook(made, [each], 1)[0].rewards[0]
        known = zip(rewards, each.shaping, strict=True)
        each.predicted = [reward - more + (each.baseline or 0.0) for reward, more in known]
    made.reward(everything, 1)
    expected = textbook(made, everything, 1)[1]
    made.accumulate(everything, 1)
    assert distance(gradients(made), expected) < 1e-4


def test_a_replayed_thought_is_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = stopping(reward_terms=TERMS, replay=ReplayConfig(groups=4))
    made.step(0)
    kept = [(group.terms, list(group.rewards)) for group in made.buffer.groups]
    seen: list[int] = []
    monkeypatch.setattr(
        "rlp_core.training.learner.finished_thoughts",
        lambda group, *rest: seen.append(group.step) or finished_thoughts(group, *rest),
    )
    made.step(1)
    assert set(seen) == {1}
    old = [(group.terms, group.rewards) for group in made.buffer.groups if group.step == 0]
    assert old == kept


@pytest.mark.parametrize("terms", [{}, TERMS], ids=["without terms", "with terms"])
def test_what_is_compared_are_the_rewards_but_for_the_baseline(terms: dict[str, float]) -> None:
    for group in stopping(reward_terms=terms).groups(0):
        assert group.baseline is not None
        more = by_hand(group) if terms else [0.0] * len(group.tokens)
        triples = zip(group.predicted, more, strict=True)
        assert group.compared == pytest.approx([value + extra for value, extra in triples])
        assert [c - r for c, r in zip(group.compared, group.rewards, strict=True)] == pytest.approx(
            [group.baseline] * len(group.tokens)
        )
        assert group.gains == [value - group.baseline for value in group.predicted]


@pytest.mark.parametrize("estimator", ["rloo", "grpo"])
def test_another_baseline_still_changes_no_gradient(estimator: str) -> None:
    found = []
    for seed in (98, 99):
        made = stopping(estimator=estimator, reward_terms=TERMS)
        made.ema.model.load_state_dict(models.model(seed).state_dict())
        made.accumulate(made.groups(0), 0)
        found.append(gradients(made))
    assert all(map(torch.equal, *found))


def test_a_constant_of_a_position_is_learnt_from_only_where_nothing_is_compared() -> None:
    """A term that is the same for all thoughts is a baseline."""
    for estimator, reaches in (("rloo", False), ("raw", True)):
        found = []
        for value in (0.0, 8.0):
            made = stopping(estimator=estimator)
            groups = made.groups(0)
            for group in groups:
                group.shaping = [value] * len(group.tokens)
            steered = [group.advantages for group in groups]
            made.reward(groups, 1)
            found.append([group.advantages for group in groups])
            if not value:
                assert found[-1] == steered
        moved = max(
            abs(a - b)
            for first, second in zip(*found, strict=True)
            for a, b in zip(first, second, strict=True)
        )
        assert moved > 1 if reaches else moved < 1e-4


def test_each_term_is_told_by_name_and_the_gain_stays_of_itself() -> None:
    made, bare = stopping(reward_terms=TERMS), stopping()
    groups = made.groups(0)
    metrics, plain = (each.step(0).metrics for each in (made, bare))
    closed = fmean(stopped for group in groups for stopped in group.stopped)
    assert metrics["reward_closed"] == pytest.approx(closed)
    assert 0 < closed < 1
    assert metrics["reward_thought_tokens"] == pytest.approx(metrics["thought_tokens"])
    expected = fmean(fmean(by_hand(group)) for group in groups)
    assert metrics["shaping"] == pytest.approx(expected)
    for name in ("information_gain", "positive", "thought_tokens", "forced", "entropy"):
        assert metrics[name] == plain[name]  # the same thoughts, before any of it was learnt
    gains = [gain for group in groups for gain in group.gains]
    assert metrics["information_gain"] == pytest.approx(fmean(gains))
    assert metrics["positive"] == fmean(gain > 0 for gain in gains)
    rewards = [torch.tensor(group.rewards, dtype=torch.float64).std() for group in groups]
    assert metrics["reward_std"] == pytest.approx(float(torch.stack(rewards).mean()))
    assert metrics["reward_std"] != pytest.approx(plain["reward_std"], abs=0.01)


@pytest.mark.parametrize("terms", [{}, TERMS], ids=["without terms", "with terms"])
def test_the_names_of_the_metrics(terms: dict[str, float]) -> None:
    made = stopping(reward_terms=terms, audit=AuditConfig(every=2, positions=2))
    told = [set(made.step(number).metrics) for number in range(2)]
    audited = AUDIT | ({"audited_shaping"} if terms else set())
    step = STEP | (OWN if terms else set())
    assert told == [step | audited, step]


def test_an_audit_tells_the_shaping_at_its_places_and_leaves_the_step_s_alone() -> None:
    audit = AuditConfig(every=1, positions=2)
    made, twin, bare = (
        stopping(audit=audit, reward_terms=TERMS),
        stopping(reward_terms=TERMS),
        stopping(audit=audit),
    )
    groups = made.groups(0)
    metrics, plain, unshaped = (each.step(0).metrics for each in (made, twin, bare))
    looked_at = [fmean(by_hand(group)) for group in groups[:2]]
    assert metrics["audited_shaping"] == pytest.approx(fmean(looked_at))
    assert metrics["shaping"] == plain["shaping"] != pytest.approx(metrics["audited_shaping"])
    rewards = [reward for group in groups[:2] for reward in group.rewards]
    parts = metrics["true_gain"] + metrics["baseline_decay"] + metrics["audited_shaping"]
    assert fmean(rewards) == pytest.approx(parts, abs=1e-5)
    assert {name: metrics[name] for name in AUDIT} == {name: unshaped[name] for name in AUDIT}


@pytest.mark.parametrize(
    "changes",
    [{}, {"estimator": "gae"}, {"replay": ReplayConfig(groups=2, capacity=5)}],
    ids=["rloo", "gae", "replay"],
)
def test_a_resumed_run_goes_on_as_the_unbroken_one(changes: dict[str, Any], tmp_path) -> None:
    def made():
        return stopping(reward_terms=TERMS, audit=AuditConfig(every=2, positions=4), **changes)

    unbroken = made()
    for number in range(2):
        unbroken.step(number)
    state = steps.saved(unbroken.state(), tmp_path)
    resumed = made()
    resumed.restore(state)
    assert resumed.buffer.groups == unbroken.buffer.groups
    assert all(group.terms and group.shaping for group in resumed.buffer.groups)
    for number in range(2, 4):
        assert resumed.step(number).metrics == unbroken.step(number).metrics
    assert steps.same(resumed.state(), unbroken.state())


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the term `closed` be another function; returns how."""
    known = reward_terms.get

    def put(function: Any) -> None:
        term = RewardTerm(function, "nats")
        monkeypatch.setattr(
            reward_terms, "get", lambda n, *f: term if n == "closed" else known(n, *f)
        )

    return put


def test_a_term_is_given_all_that_is_known_of_a_thought(own: Any) -> None:
    given: list[FinishedThought] = []
    own(lambda thought: given.append(thought) or 0.5)
    made = stopping(reward_terms={"closed": 1.0}, horizon=2)
    given.clear()
    groups = made.groups(0)
    codec = made.codec
    assert len(given) == sum(len(group.tokens) for group in groups)
    seen = iter(given)
    for group in groups:
        where = group.position
        for i, tokens in enumerate(group.tokens):
            thought = next(seen)
            spoken = [token for token in tokens if token != made.worker.marks.close]
            assert (thought.tokens, thought.closed) == (tokens, group.stopped[i])
            assert thought.text == codec.decode(spoken)
            assert (thought.predicted, thought.baseline) == (group.predicted[i], group.baseline)
            assert thought.following == codec.decode(where.following)
            assert thought.position == where.index
            assert thought.record is where.document.record is not None
            assert thought.record.text in steps.TEXTS
            assert thought.limit == made.thought.max_tokens
            inner = tokens[:-1] if group.stopped[i] else tokens
            assert thought.controls == len([t for t in inner if t in codec.control])


def test_a_term_sees_no_baseline_where_the_step_leaves_it_out(own: Any) -> None:
    given: list[float | None] = []
    own(lambda thought: given.append(thought.baseline) or 0.0)
    made = stopping(reward_terms={"closed": 1.0}, ema_every=2)
    for number in range(2):
        given.clear()
        made.groups(number)
        assert {value is None for value in given} == {number == 1}


def test_a_term_that_fails_in_a_step_is_told_and_changes_nothing(own: Any) -> None:
    made = stopping(reward_terms=TERMS)
    before = copy.deepcopy(made.state())
    own(lambda thought: 1 / (len(thought.tokens) - len(thought.tokens)))
    with pytest.raises(PluginError, match="`closed` raised ZeroDivisionError") as caught:
        made.step(0)
    assert "for the thought '" in caught.value.where
    assert steps.same(made.state(), before)


def test_nothing_is_lost_of_a_run_whose_term_fails_once(own: Any, tmp_path) -> None:
    """What it did before is kept, though no save was due; once mended, it ends as if unbroken."""

    def log() -> StepLog:
        return StepLog("rlp", 4, None, 10)

    unbroken, made = stopping(reward_terms=TERMS), stopping(reward_terms=TERMS)
    a_step = sum(len(group.tokens) for group in stopping(reward_terms=TERMS).groups(0))
    loop.run(unbroken, 4, log())
    calls = itertools.count()

    def once(thought: FinishedThought) -> float:
        if next(calls) == 2 * a_step + 1:
            raise OSError("gone")
        return float(thought.closed)

    own(once)
    with pytest.raises(PluginError, match="`closed` raised OSError: gone"):
        loop.run(made, 4, log(), Checkpoints(tmp_path), 3600.0)
    found = Checkpoints(tmp_path).latest()
    assert found is not None
    assert found[0] == 2
    resumed = stopping(reward_terms=TERMS)
    loop.run(resumed, 4, log(), Checkpoints(tmp_path), 3600.0)
    assert steps.same(resumed.state(), unbroken.state())


def test_a_step_whose_scores_are_not_finite_is_skipped_whatever_a_term_makes_of_them(
    own: Any,
) -> None:
    made = stopping(reward_terms=TERMS)
    own(lambda thought: thought.predicted - thought.baseline)
    with torch.no_grad():
        next(made.ema.model.parameters()).fill_(math.nan)
    assert made.step(0).metrics["skipped"] == 1


def test_a_dump_keeps_terms_and_records_and_makes_the_same_step_again(tmp_path, own: Any) -> None:
    """A term reads the record of a document, which a dump must therefore hold."""
    own(lambda thought: float(len(thought.record.text)) + float(len(thought.record.spans)))
    made = steps.trainer(reward_terms=TERMS, replay=ReplayConfig(groups=2, capacity=12))
    watch = MonitoredLearner(
        made, made.documents[:2], tmp_path, lambda _: None,
        health=HealthConfig(), heldout=HeldoutConfig(),
    )  # fmt: skip
    for number in range(2):
        watch.step(number)
    with torch.no_grad():
        next(made.ema.model.parameters()).fill_(math.nan)
    metrics = watch.step(2).metrics
    assert metrics["skipped"] == 1
    (folder,) = tmp_path.glob("step-*")
    dump = read_dump(folder)
    assert dump.settings.reward_terms == TERMS
    kept = {document.number: document.record for document in dump.documents}
    assert kept.items() <= {d.number: d.record for d in made.documents}.items()
    assert None not in kept.values()
    saved = dump.state.part("buffer").values["groups"]
    assert [set(group["terms"]) for group in saved] == [set(TERMS)] * len(saved)
    again = rerun(folder).metrics
    assert again.keys() == metrics.keys()
    for name in OWN | {"thought_tokens", "forced"}:
        assert again[name] == metrics[name]
        assert math.isfinite(again[name])

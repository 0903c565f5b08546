"""Is it thinking: controls by hand, the split of the reward, and a sabotage that it sees."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from rlp_core.rollout.scoring import logprobs_in
from rlp_core.training.audit import _controls
from rlp_core.training.config import AuditConfig
from rlp_core.training.groups import Delimiters
from tests.training import steps
from tests.training.steps import stopping

GAMMA = 0.5


def made_and_groups(**changes):
    made = stopping(horizon=2, discount=GAMMA, **changes)
    return made, made.groups(0)


def score(model, context: list[int], following: list[int]) -> float:
    """S of what follows a context, densely."""
    with torch.no_grad():
        found = steps.logprobs_after(steps.plain(model), context, following)
    return sum(GAMMA**h * float(value) for h, value in enumerate(found))


def by_hand(made, groups) -> dict[str, float]:
    """Every figure from its definition, one row at a time."""
    rows = []
    marks = made.worker.marks
    for i, group in enumerate(groups):
        context, following = group.position.context, group.position.following

        def after(thought, context=context, following=following):
            row = [*context, *marks.lead, marks.open, *thought, marks.close]
            return score(made.policy, row, following)

        def bare(j):
            return [t for t in groups[j].tokens[0] if t != marks.close]

        random = _controls(made.worker, groups, i, made.vocabulary)[2]
        others = [j % len(groups) for j in range(i + 1, i + len(groups))]
        elsewhere = next(
            j for j in others if groups[j].position.document is not group.position.document
        )
        controls = [after([]), after(bare(elsewhere)), after(random)]
        ema = score(made.ema.model, context, following)
        start = score(made.began_as, context, following)
        thoughts = [after([t for t in c if t != marks.close]) for c in group.tokens]
        rows.append(
            {
                "true_gain": sum(thoughts) / len(thoughts) - start,
                "baseline_decay": start - ema,
                "content_gain": thoughts[0] - max(controls),
                "null_gain": controls[0] - ema,
                "shuffled_gain": controls[1] - ema,
                "random_gain": controls[2] - ema,
            }
        )
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


@pytest.mark.parametrize("lead", [(), steps.LEAD])
def test_every_figure_is_what_its_definition_gives(lead) -> None:
    made, groups = made_and_groups(lead=lead)
    assert made.audit(groups) == pytest.approx(by_hand(made, groups), abs=3e-5)


def test_the_parts_of_the_reward_add_up_to_it() -> None:
    made, groups = made_and_groups()
    found = made.audit(groups)
    gain = [reward for group in groups for reward in group.rewards]
    whole = found["true_gain"] + found["baseline_decay"]
    assert whole == pytest.approx(sum(gain) / len(gain), abs=1e-6)


def test_a_random_thought_is_as_long_and_says_no_delimiter() -> None:
    made, groups = made_and_groups(group_size=4)
    for i, group in enumerate(groups):
        empty, shuffled, random = _controls(made.worker, groups, i, made.vocabulary)
        own = [t for t in group.tokens[0] if t != made.worker.marks.close]
        assert empty == []
        assert len(random) == len(own)
        assert not {made.worker.marks.open, made.worker.marks.close} & {*random, *shuffled}
        assert random != own


def test_a_vocabulary_of_delimiters_still_gives_a_random_thought() -> None:
    made, groups = made_and_groups()
    worker = replace(made.worker, marks=Delimiters(0, 1))
    random = _controls(worker, groups, 0, 2)[2]
    assert set(random) <= {0}


def test_a_sabotaged_baseline_raises_the_reward_and_no_true_gain() -> None:
    """Only what does not think is damaged: the reward cannot tell this from progress."""
    made, groups = made_and_groups()
    before = made.audit(groups)
    model = made.ema.model.requires_grad_(True)
    for _ in range(3):
        for group in groups:
            position = group.position
            row = [*position.context, *position.following]
            loss = logprobs_in(model, [row], [range(position.index, len(row))]).sum()
            parameters = list(model.parameters())
            for p, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                p.data -= 0.02 * g / g.norm().clamp(min=1.0)
    model.requires_grad_(False)
    reported = [r for group in groups for r in group.rewards]
    groups = made.groups(0)
    after = made.audit(groups)
    raised = [r for group in groups for r in group.rewards]
    rise = (sum(raised) - sum(reported)) / len(raised)
    assert rise > 0.5
    assert after["true_gain"] == before["true_gain"]
    assert after["content_gain"] == before["content_gain"]
    assert after["baseline_decay"] - before["baseline_decay"] == pytest.approx(rise, abs=1e-5)


def test_an_audit_is_made_now_and_then_on_a_few_places_and_changes_nothing() -> None:
    made, bare = (stopping(audit=AuditConfig(every=every, positions=2)) for every in (2, 0))
    for number in range(3):
        audited, plain = (each.step(number).metrics for each in (made, bare))
        assert ("true_gain" in audited) == (number % 2 == 0)
        assert "true_gain" not in plain
        assert {k: audited[k] for k in plain} == plain
    assert steps.same(made.state().part("policy"), bare.state().part("policy"))
    assert made.ledger.tokens["audit"] > 0
    assert "audit" not in bare.ledger.tokens


def test_controls_are_read_by_the_policy_that_drew_the_thoughts() -> None:
    """And not by the one after the step: that would call a large step's effect content."""
    made = stopping(audit=AuditConfig(every=1, positions=4))
    twin = copy.deepcopy(made)
    expected = twin.audit(twin.groups(0))
    metrics = made.step(0).metrics
    assert {name: metrics[name] for name in expected} == expected


def test_without_a_baseline_there_is_nothing_to_split() -> None:
    made = stopping(ema_every=2, audit=AuditConfig(every=1, positions=2))
    assert "true_gain" in made.step(0).metrics
    assert "true_gain" not in made.step(1).metrics

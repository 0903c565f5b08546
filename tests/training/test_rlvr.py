"""`rlvr`: what is drawn, what it earns, and the update, against the textbook."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from rlp_core.data.records import Problem
from rlp_core.policy.config import LoraConfig
from rlp_core.rollout.sampling import Completions
from rlp_core.training.answered import AnsweredGroup, AskedProblem
from rlp_core.training.config import OptimizerConfig
from rlp_core.training.rlvr import RlvrLearner, completion_metrics
from tests import models
from tests.training.completions import THOUGHT, learner, problems, settings, stopping, textbook
from tests.training.steps import distance, logprobs_after, plain, same, saved


def gradients(made: RlvrLearner) -> list[torch.Tensor]:
    moved = [p for p in made.policy.parameters() if p.requires_grad]
    found = [torch.zeros_like(p) if p.grad is None else p.grad for p in moved]
    for parameter in moved:
        parameter.grad = None
    return found


def weights(made: RlvrLearner) -> list[torch.Tensor]:
    return [p.detach().clone() for p in made.policy.parameters()]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"token_mean": "token", "temperature": 1.3},
        {"kl_weight": 0.3},
        {"entropy_weight": 0.05, "kl_weight": 0.1},
        {"lead": True},
        {"lora": LoraConfig(rank=4)},
        {"group_size": 2, "problems": 5, "update_token_budget": 40},
        {"update_token_budget": 15},
    ],
    ids=str,
)
def test_the_loss_and_its_gradient_are_the_textbooks(changes: dict[str, Any]) -> None:
    made = stopping(**changes)
    groups = made.groups(0)
    assert any(group.tells_apart for group in groups)
    stopped = [closed for group in groups for closed in group.stopped]
    assert any(stopped)
    assert not all(stopped)
    sums = made.accumulate(groups, 0)
    assert sums is not None
    loss, expected = textbook(made, groups)
    coefficients = made.settings.objective.coefficients
    found = sum(coefficients[name] * value for name, value in sums.terms.items())
    assert found == pytest.approx(float(loss.detach()), abs=2e-6)
    assert distance(gradients(made), expected) < 2e-4
    assert sums.mismatch < 1e-3


def test_what_was_recorded_at_drawing_is_the_policys_own() -> None:
    made = stopping()
    policy, marks = plain(made.policy), made.answering.worker.marks
    for group in made.groups(0):
        before = [*group.position.context, marks.open]
        for i, tokens in enumerate(group.tokens):
            with torch.no_grad():
                expected = logprobs_after(policy, before, tokens, made.settings.temperature)
            for k in group.learnt(i):
                assert group.logprobs[i][k] == pytest.approx(float(expected[k]), abs=1e-3)


def test_a_completion_is_a_thought_its_close_and_an_answer_up_to_its_end() -> None:
    made = stopping()
    codec = made.answering.codec
    for group in made.groups(0):
        for i, tokens in enumerate(group.tokens):
            close = group.closes[i]
            assert tokens[close] == codec.close_id
            assert codec.close_id not in tokens[:close]
            assert close < THOUGHT if group.stopped[i] else close == THOUGHT
            answer = tokens[close + 1 :]
            assert 1 <= len(answer) <= made.settings.answer_tokens
            ends = [t in codec.end_ids or "\n" in codec.decode([t]) for t in answer]
            assert ends == [False] * (len(answer) - 1) + [group.ended[i]]
            assert group.answers[i] == (codec.answer(answer) if group.ended[i] else "")
            assert (close in group.learnt(i)) is group.stopped[i]
            assert len(group.logprobs[i]) == len(tokens)


def test_what_is_drawn_does_not_depend_on_how_much_is_drawn_at_once() -> None:
    whole, parted = stopping(), stopping(decode_batch_size=3)
    for one, other in zip(whole.groups(1), parted.groups(1), strict=True):
        assert one.tokens == other.tokens
        assert one.right == other.right
    assert [g.tokens for g in whole.groups(1)] != [g.tokens for g in whole.groups(2)]


def test_an_answer_that_does_not_end_or_is_empty_is_wrong_and_counted() -> None:
    asked: list[str] = []

    def all_right(answer: str, _problem: Problem) -> bool:
        asked.append(answer)
        return True

    made, codec = learner(judge=all_right), models.codec()
    answering = replace(made.answering, codec=codec)
    end, letters = codec.end_id, codec.encode("2 2")
    drawn = [letters, [end], [*letters, end, 7], [*letters, *codec.encode("\n"), 8]]
    position = made.problems[0].position
    thoughts = AnsweredGroup(position, 0, [[30]] * 4, [False] * 4, [[-1.0]] * 4, [0.0] * 4)
    rows = Completions(drawn, [True] * 4, [[-0.5] * len(row) for row in drawn])
    group = answering._joined(problems()[0], thoughts, rows, 0)
    assert group.ended == [False, True, True, True]
    assert group.right == [False, False, True, True]
    assert asked == ["2 2", "2 2"]
    assert [tokens[-1] for tokens in group.tokens[1:]] == [end, end, *codec.encode("\n")]
    group.advantages = [0.0] * 4
    told = completion_metrics([group])
    assert (told["unended"], told["empty_answer"], told["reward"]) == (0.25, 0.25, 0.5)
    assert (told["forced"], told["thought_tokens"]) == (1.0, 1.0)


@pytest.mark.parametrize("verdict", [True, False])
def test_where_nothing_is_told_apart_nothing_is_learnt(verdict: bool) -> None:
    made = learner(judge=lambda *_: False)
    before, groups = weights(made), made.groups(0)
    for group in groups:
        assert group.advantages == [0.0] * 4
        group.right = [verdict] * 4
    assert made.accumulate(groups, 0) is None
    metrics = completion_metrics(groups) | made._learn(groups, 0)
    assert metrics["no_signal"] == metrics["all_right" if verdict else "all_wrong"] == 1
    assert metrics["updated"] == metrics["skipped"] == metrics["loss"] == 0
    assert all(map(torch.equal, before, weights(made)))


def test_groups_without_signal_count_in_the_means_and_are_not_read() -> None:
    made = stopping(problems=5)
    groups = made.groups(0)
    groups[0].right = [True] * len(groups[0].right)
    groups[0].advantages = [0.0] * len(groups[0].right)
    spent = dict(made.ledger.tokens)
    sums = made.accumulate(groups, 0)
    assert sums is not None
    assert distance(gradients(made), textbook(made, groups)[1]) < 2e-4
    read = made.ledger.tokens["update"] - spent.get("update", 0)
    assert read < sum(g.position.index + sum(map(len, g.tokens)) for g in groups)


def test_a_run_that_was_cut_off_goes_on_to_the_same_bits(tmp_path) -> None:
    whole = stopping(kl_weight=0.1)
    told = [whole.step(i).metrics for i in range(4)]
    first = stopping(kl_weight=0.1)
    for i in range(2):
        first.step(i)
    second = stopping(kl_weight=0.1)
    second.restore(saved(first.state(), tmp_path))
    assert [second.step(i).metrics for i in range(2, 4)] == told[2:]
    assert same(second.state(), whole.state())
    assert {tuple(row) for row in told} == {tuple(told[0])}  # the same names at every step


def test_a_step_that_is_not_finite_changes_nothing() -> None:
    made = stopping()
    before = weights(made)
    with torch.no_grad():
        groups = made.groups(0)
        for group in groups:
            group.advantages = [float("nan")] * len(group.advantages)
    metrics = made._learn(groups, 0)
    assert (metrics["skipped"], metrics["updated"]) == (1, 0)
    assert all(map(torch.equal, before, weights(made)))


def test_tens_of_steps_raise_the_share_of_verified_answers() -> None:
    """Of a model with random weights, which is told what is right by the reward alone."""

    def with_an_e(answer: str, _problem: Problem) -> bool:
        return "e" in answer

    made = learner(
        judge=with_an_e,
        steps=60,
        problems=5,
        group_size=8,
        temperature=1.0,
        optimizer=OptimizerConfig(name="adamw", lr=1e-2),
    )
    rewards = [made.step(i).metrics["reward"] for i in range(60)]
    assert sum(rewards[:5]) / 5 < 0.3
    assert sum(rewards[-5:]) / 5 > 0.5


def test_a_problem_is_read_as_evaluation_reads_it() -> None:
    made = learner(lead=True)
    one = made.problems[0]
    assert one.position.context == made.answering.codec.context(one.problem.prompt)
    assert one.position.following == []
    assert AskedProblem.of(one.problem, made.answering.codec) == one


def test_every_problem_is_asked_as_often_as_the_others() -> None:
    made = learner(problems=2)
    asked = [one.problem.id for step in range(5) for one in made.chosen(step)]
    assert all(asked.count(problem.id) == 2 for problem in problems())


@pytest.mark.parametrize("name", ["gae", "raw", "nothing"])
def test_an_estimator_that_compares_no_group_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"must be one that compares a group: .*rloo"):
        settings(estimator=name)

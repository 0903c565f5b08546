"""The peer does the work that it is asked to, and says so in JSON."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from benchmarks import trl_peer
from benchmarks.recipes import RECIPES
from benchmarks.trl_peer import run
from benchmarks.work import FORBIDDEN, TEST
from rlp_core.errors import EXIT_UNAVAILABLE, ConfigError

needs_trl = pytest.mark.skipif(
    importlib.util.find_spec("trl") is None, reason="TRL is an extra: pip install -e '.[bench]'"
)


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What TRL handed to the reward function, and what it returned, per call."""
    from benchmarks.trl_reward import InformationGain

    calls: list[dict[str, Any]] = []
    original: Callable[..., list[float]] = InformationGain.__call__

    def spy(self: InformationGain, **columns: Any) -> list[float]:
        with torch.no_grad():
            expected = dense_rewards(self, columns)
        rewards = original(self, **columns)
        calls.append({**columns, "rewards": rewards, "expected": expected})
        return rewards

    monkeypatch.setattr(InformationGain, "__call__", spy)
    return calls


def dense_rewards(reward: Any, columns: dict[str, Any]) -> list[float]:
    """Information gain from the text of the prompts, one row at a time, without padding."""

    def score(model: Any, context: list[int], targets: list[int]) -> float:
        logits = model(input_ids=torch.tensor([[*context, *targets]]), use_cache=False).logits
        rows = logits[0, len(context) - 1 : -1].double().log_softmax(-1)
        return float(rows[range(len(targets)), targets].sum())

    found = []
    for prompt, thought, number, at in zip(
        columns["prompts"],
        columns["completion_ids"],
        columns["document"],
        columns["position"],
        strict=True,
    ):
        context = reward.codec.tokenizer.encode(prompt, add_special_tokens=False)
        targets = reward.passages[number].tokens[at : at + TEST.horizon]
        reasoned = score(reward.policy, [*context, *thought, reward.codec.close_id], targets)
        found.append(reasoned - score(reward.target, context[:-1], targets))
    return found


@needs_trl
@pytest.mark.parametrize("recipe", RECIPES)
def test_does_the_work_and_rewards_information_gain(
    recipe: str, spied: list[dict[str, Any]]
) -> None:
    before: list[int] = []
    work = replace(TEST, temperature=0.7)
    # a rate and a decay that part policy and target clearly
    choices = replace(RECIPES[recipe], lr=0.03, ema_decay=0.5)
    result = run(work, choices, steps=2, warmup=1, before_step=before.append)
    assert before == [0, 1, 2]
    assert len(spied) == 3  # one rollout per optimizer step
    passages = work.passages(0)
    places = [(n, at) for n, p in enumerate(passages) for at in p.positions]
    for call in spied:
        assert len(call["completion_ids"]) == work.thoughts == result.thoughts
        assert {len(thought) for thought in call["completion_ids"]} == {work.thought_tokens}
        assert not {token for row in call["completion_ids"] for token in row} & set(FORBIDDEN)
        asked = list(zip(call["document"], call["position"], strict=True))
        assert asked == [place for place in places for _ in range(work.group_size)]
        for prompt, (number, at) in zip(call["prompts"], asked, strict=True):
            context = work.codec().encode(prompt)
            assert context == [*passages[number].tokens[:at], work.codec().open_id]
        assert call["rewards"] == pytest.approx(call["expected"], abs=1e-4)
    assert result.thought_tokens == work.thoughts * work.thought_tokens
    spread = [max(call["rewards"]) - min(call["rewards"]) for call in spied]
    assert min(spread) > 1e-2


@needs_trl
def test_phases_add_up_and_the_policy_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    original = type(TEST).model
    monkeypatch.setattr(
        type(TEST), "model", lambda self, seed: made.append(original(self, seed)) or made[-1]
    )
    result = run(TEST, RECIPES["tuned"], steps=2, warmup=1)
    phases = {
        "generation",
        "reward_policy",
        "reward_baseline",
        "bookkeeping",
        "update",
        "ema_update",
    }
    assert set(result.phases) == phases
    assert len(result.seconds_per_step) == 2
    for step, total in enumerate(result.seconds_per_step):
        assert sum(seconds[step] for seconds in result.phases.values()) == pytest.approx(total)
    fresh = original(TEST, 0)
    moved = [
        not torch.equal(a, b) for a, b in zip(made[0].parameters(), fresh.parameters(), strict=True)
    ]
    assert all(moved)


@needs_trl
def test_the_last_line_is_json() -> None:
    done = CliRunner().invoke(trl_peer.main, ["--work", "test", "--steps", "1", "--threads", "1"])
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) == 1
    found = json.loads(done.stdout)
    assert set(found) == set(trl_peer.PeerResult.__dataclass_fields__)
    assert found["versions"]["trl"]
    assert found["settings"]["gradient_accumulation_steps"] == 1
    assert found["work"]["threads"] == 1


@needs_trl
@pytest.mark.parametrize(
    ("work", "rows"), [(TEST, 3), (replace(TEST, group_size=1), 4)], ids=["rows", "group"]
)
def test_work_that_trl_cannot_do_is_refused(work: Any, rows: int) -> None:
    with pytest.raises(ConfigError):
        run(work, replace(RECIPES["tuned"], update_rows=rows), steps=1)


def test_without_trl_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "trl" else find(name, *a)
    )
    monkeypatch.setitem(sys.modules, "trl", None)  # and an attempt to import it fails
    done = CliRunner().invoke(trl_peer.main, ["--work", "test"])
    assert done.exit_code == EXIT_UNAVAILABLE
    assert done.stdout == ""
    assert "TRL is not installed" in done.stderr
    assert "pip install -e '.[bench]'" in done.stderr

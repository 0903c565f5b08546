"""Real runs: from a model that was bootstrapped too little RLP collapses, and is found out.

A chain of three digits below 3, one model of width 48, seconds of training. All runs begin from
the same base, which has learnt to work step by step; they differ in bootstrap and learning rate.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import torch

from rlp_core.data.records import Demonstration, Document
from rlp_core.data.tokenizer import Codec, train_tokenizer
from rlp_core.environments import arithmetic
from rlp_core.params import Optimizer, Rlp, Thought
from rlp_core.policy.model import Shape, build
from rlp_core.training.batches import demonstration_example, document_example, examples
from rlp_core.training.health import Finding, Monitor
from rlp_core.training.places import text_of
from rlp_core.training.rlp import RlpTrainer
from rlp_core.training.supervised import SupervisedTrainer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.training.batches import Example

SEED = 1
THOUGHT = Thought(open="<think>", close="</think>", max_tokens=20)


def chains(part: str, count: int, least: int) -> list[arithmetic.Chain]:
    rng = random.Random(f"{part}/{SEED}")
    lengths = [rng.randint(least, 3) for _ in range(count)]
    return [
        arithmetic.Chain(tuple(rng.randrange(3) for _ in range(n)), ("+",) * (n - 1))
        for n in lengths
    ]


def document(number: int, chain: arithmetic.Chain, *, work: bool) -> Document:
    text, spans = arithmetic.document(chain, work=work)
    return Document(
        id=f"d{number}", key=f"{number}", source="s", licence="l", text=text, spans=spans
    )


def demonstration(number: int, chain: arithmetic.Chain, *, work: bool) -> Demonstration:
    return Demonstration(
        id=f"b{number}",
        key=f"{number}",
        source="s",
        licence="l",
        context=arithmetic.prompt(chain),
        thought=arithmetic.worked(chain) if work else arithmetic.bare(),
        continuation=arithmetic.continuation(chain),
    )


def learn(model: PreTrainedModel, data: list[Example], steps: int, optimizer: Optimizer) -> None:
    trainer = SupervisedTrainer(
        model, data, steps=steps, batch=32, optimizer=optimizer, seed=SEED, stream=0, micro_batch=32
    )
    for number in range(steps):
        trainer.step(number)


@dataclass
class Run:
    """What a run gave: each step's metrics, what was found, and the monitor at its end."""

    rows: list[dict[str, float]]
    found: list[Finding]
    monitor: Monitor

    def mean(self, name: str, steps: slice) -> float:
        values = [row[name] for row in self.rows[steps]]
        return sum(values) / len(values)


class Base:
    """A small model that can work step by step, and the runs that begin from it."""

    def __init__(self) -> None:
        rng = random.Random(SEED)
        texts = [
            document(i, chain, work=rng.random() < 0.9)
            for i, chain in enumerate(chains("base", 4000, 2))
        ]
        delimiters = (THOUGHT.open, THOUGHT.close)
        tokenizer = train_tokenizer((text.text for text in texts), 300, delimiters, 128)
        self.codec = Codec.of(tokenizer, delimiters)
        self.model = build(Shape(48, 2, 4, 2, 96, 128), tokenizer, SEED)
        muon = Optimizer(name="muon", lr=6e-3, matrix_lr=0.02, warmup_steps=20, schedule="linear")
        learn(self.model, examples([document_example(self.codec, t, 64) for t in texts]), 150, muon)
        self.texts = [
            text_of(self.codec, document(i, chain, work=False), 64, "answer")
            for i, chain in enumerate(chains("rlp", 400, 3))
        ]

    def run(self, *, bootstrap: int, worked: float, rate: float, steps: int) -> Run:
        """Imitate, then RLP under a monitor that may say all but stop nothing."""
        model = copy.deepcopy(self.model)
        rng = random.Random(SEED + 1)
        shown = [
            demonstration_example(
                self.codec, demonstration(i, chain, work=rng.random() < worked), 64
            )
            for i, chain in enumerate(chains("bootstrap", 800, 2))
        ]
        learn(model, examples(shown), bootstrap, Optimizer(name="adamw", lr=1e-3, warmup_steps=10))
        settings = Rlp(
            steps=steps,
            documents=8,
            max_tokens=64,
            positions=1,
            position_selection="answer",
            group_size=8,
            temperature=1.0,
            horizon=1,
            discount=1.0,
            clip_low=0.2,
            clip_high=0.28,
            ema_decay=0.99,
            optimizer=Optimizer(name="adamw", lr=rate, warmup_steps=2),
        )
        trainer = RlpTrainer(model, self.codec, settings, THOUGHT, SEED, self.texts)
        monitor, rows, found = Monitor(), [], []
        for step in range(steps):
            rows.append(trainer.step(step).metrics)
            found += monitor.observe(step, rows[-1])
        return Run(rows, found, monitor)


@pytest.fixture(scope="module")
def base() -> Base:
    torch.set_num_threads(1)
    return Base()


def test_thoughts_of_an_under_bootstrapped_model_turn_into_noise(base: Base) -> None:
    run = base.run(bootstrap=60, worked=0.25, rate=2e-3, steps=28)
    assert (
        run.mean("information_gain", slice(-5, None)) < run.mean("information_gain", slice(3)) - 5
    )
    assert run.mean("positive", slice(-5, None)) < 0.1
    assert run.mean("entropy", slice(-5, None)) > run.mean("entropy", slice(3)) + 2
    worst = run.monitor.collapsed
    assert worst is not None
    assert worst.name == "gain_collapsed"
    assert "high_entropy" in {finding.name for finding in run.found}


def test_thoughts_of_an_under_bootstrapped_model_become_empty(base: Base) -> None:
    run = base.run(bootstrap=100, worked=0.25, rate=1e-3, steps=32)
    assert run.rows[0]["thought_tokens"] > 3
    assert run.mean("thought_tokens", slice(-10, None)) < 1.3
    assert run.mean("reward_std", slice(-10, None)) < run.rows[0]["reward_std"] / 3
    worst = run.monitor.collapsed
    assert worst is not None
    assert worst.name == "collapsed_to_empty"


def test_a_run_from_a_good_bootstrap_is_left_alone(base: Base) -> None:
    run = base.run(bootstrap=100, worked=0.9, rate=1e-4, steps=28)
    assert [finding.name for finding in run.found if finding.severity == "collapse"] == []
    assert run.mean("positive", slice(-10, None)) > 0.6
    assert run.mean("thought_tokens", slice(-10, None)) > 10

"""Real runs: from a model that was bootstrapped too little RLP collapses, and is found out.

A chain of three digits below 3, one model of width 48, seconds of training. All runs begin from
the same base, which has learnt to work step by step; they differ in bootstrap and learning rate.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import pytest
import torch

from rlp_core.data.records import Demonstration, Document
from rlp_core.data.thought import ThoughtConfig
from rlp_core.data.tokenizer import Codec, train_tokenizer
from rlp_core.environments.arithmetic import Arithmetic, Chain
from rlp_core.monitoring.health import Finding, Monitor
from rlp_core.policy.model import Shape, build
from rlp_core.rollout.engine import prepare
from rlp_core.training.batches import demonstration_example, document_example, learnable
from rlp_core.training.config import OptimizerConfig
from rlp_core.training.learner import RLPLearner
from rlp_core.training.positions import tokenize_document
from rlp_core.training.supervised import SupervisedTrainer
from tests.training import steps as steps_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.training.batches import Example

SEED = 2
BEGIN, END = slice(3), slice(-10, None)
WORLD = Arithmetic("arithmetic")
THOUGHT = ThoughtConfig(open="<think>", close="</think>", max_tokens=20)


def chains(part: str, count: int, least: int) -> list[Chain]:
    rng = random.Random(f"{part}/{SEED}")
    lengths = [rng.randint(least, 3) for _ in range(count)]
    return [Chain(tuple(rng.randrange(3) for _ in range(n)), ("+",) * (n - 1)) for n in lengths]


def document(number: int, chain: Chain, *, work: bool) -> Document:
    made = WORLD.document(chain, WORLD.expert(chain), worked=work)
    return Document(
        id=f"d{number}",
        key=f"{number}",
        source="s",
        licence="l",
        text=made.text,
        spans=[list(span) for span in made.spans],
    )


def demonstration(number: int, chain: Chain, *, work: bool) -> Demonstration:
    solution = WORLD.expert(chain)
    return Demonstration(
        id=f"b{number}",
        key=f"{number}",
        source="s",
        licence="l",
        context=WORLD.prompt(chain),
        thought=WORLD.thought(solution) if work else "",
        continuation=WORLD.continuation(solution),
    )


def learn(
    model: PreTrainedModel, data: list[Example], steps: int, optimizer: OptimizerConfig
) -> None:
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

    def typical(self, name: str, steps: slice) -> float:
        """The median over some steps."""
        return median(row[name] for row in self.rows[steps])


class Base:
    """A small model that can work step by step, and the runs that begin from it."""

    def __init__(self) -> None:
        rng = random.Random(SEED)
        documents = [
            document(i, chain, work=rng.random() < 0.9)
            for i, chain in enumerate(chains("base", 4000, 2))
        ]
        delimiters = (THOUGHT.open, THOUGHT.close)
        tokenizer = train_tokenizer((text.text for text in documents), 300, delimiters, 128)
        self.codec = Codec.of(tokenizer, delimiters)
        self.model = build(Shape(48, 2, 4, 2, 96, 128), tokenizer, SEED)
        prepare(self.model)
        muon = OptimizerConfig(
            name="muon", lr=6e-3, matrix_lr=0.02, warmup_steps=20, schedule="linear"
        )
        learn(
            self.model,
            learnable([document_example(self.codec, t, 64) for t in documents]),
            150,
            muon,
        )
        self.documents = [
            tokenize_document(self.codec, document(i, chain, work=False), 64, "answer")
            for i, chain in enumerate(chains("rlp", 400, 3))
        ]

    def run(self, *, bootstrap: int, worked: float, rate: float, steps: int) -> Run:
        """Imitate, then RLP until the monitor says that it has collapsed, or all steps."""
        model = copy.deepcopy(self.model)
        rng = random.Random(SEED + 1)
        shown = [
            demonstration_example(
                self.codec, demonstration(i, chain, work=rng.random() < worked), 64
            )
            for i, chain in enumerate(chains("bootstrap", 800, 2))
        ]
        learn(
            model,
            learnable(shown),
            bootstrap,
            OptimizerConfig(name="adamw", lr=1e-3, warmup_steps=10),
        )
        settings = steps_of.settings(
            steps=steps,
            documents=8,
            max_tokens=64,
            positions=1,
            position_selection="answer",
            group_size=8,
            temperature=1.0,
            ema_decay=0.99,
            optimizer=OptimizerConfig(name="adamw", lr=rate, warmup_steps=2),
        )
        trainer = RLPLearner(model, self.codec, settings, THOUGHT, SEED, self.documents)
        monitor, rows, found = Monitor(), [], []
        for step in range(steps):
            rows.append(trainer.step(step).metrics)
            found += monitor.observe(step, rows[-1])
            if monitor.collapsed:
                break
        return Run(rows, found, monitor)


@pytest.fixture(scope="module")
def base() -> Base:
    torch.set_num_threads(1)
    return Base()


def test_thoughts_of_an_under_bootstrapped_model_come_to_harm(base: Base) -> None:
    run = base.run(bootstrap=60, worked=0.25, rate=2e-3, steps=45)
    worst = run.monitor.collapsed
    assert worst is not None
    assert worst.name == "gain_collapsed"
    assert run.typical("information_gain", END) < run.typical("information_gain", BEGIN) - 3
    assert run.typical("positive", END) < run.typical("positive", BEGIN) / 2
    assert "gain_falls" in {f.name for f in run.found if f.step < worst.step}
    assert not run.monitor.well


def test_thoughts_of_an_under_bootstrapped_model_become_empty(base: Base) -> None:
    run = base.run(bootstrap=120, worked=0.25, rate=1e-3, steps=45)
    worst = run.monitor.collapsed
    assert worst is not None
    assert worst.name == "collapsed_to_empty"
    assert run.typical("thought_tokens", BEGIN) > 3
    assert run.typical("thought_tokens", END) < 1.5
    assert run.typical("reward_std", END) < run.typical("reward_std", BEGIN) / 4


def test_a_run_from_a_good_bootstrap_is_left_alone(base: Base) -> None:
    run = base.run(bootstrap=100, worked=0.9, rate=1e-4, steps=26)
    assert len(run.rows) == 26
    assert [f.name for f in run.found if f.severity != "note"] == []
    assert run.typical("information_gain", END) > 0
    assert run.typical("thought_tokens", END) > 10

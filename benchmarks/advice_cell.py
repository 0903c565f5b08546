"""One base, and one cell of the grid of `benchmarks.advice`: imitation, then RLP, both measured."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import yaml

from rlp_core import environments
from rlp_core.advising.asked import Asking
from rlp_core.advising.criteria import criteria_of
from rlp_core.advising.profile import profile_corpus, profile_demonstrations
from rlp_core.advising.rule import advise
from rlp_core.advising.trial import ModelTrial
from rlp_core.advising.trying import helpful, try_model
from rlp_core.data.procedural import records
from rlp_core.data.procedural_config import Procedural
from rlp_core.data.records import Demonstration, Document, Problem
from rlp_core.data.thinking import Thinking
from rlp_core.data.tokenizer import Codec, train_tokenizer
from rlp_core.environments import Solution
from rlp_core.environments.arithmetic import Arithmetic
from rlp_core.errors import TrainingError
from rlp_core.evaluation.control_metrics import control_statistics
from rlp_core.evaluation.controls import controls
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.problem_rows import problem_rows
from rlp_core.evaluation.statistics import Estimate
from rlp_core.files import replacing_folder, write_json
from rlp_core.params import Params
from rlp_core.policy import model as models
from rlp_core.rollout.engine import complete, prepare
from rlp_core.rollout.rng import uniform
from rlp_core.rollout.sampling import SamplingParams
from rlp_core.training.batches import document_example, learnable
from rlp_core.training.filler import demonstrated
from rlp_core.training.inputs import codec_of
from rlp_core.training.learner import RLPLearner
from rlp_core.training.positions import tokenize_document
from rlp_core.training.supervised import SupervisedTrainer
from rlp_core.workspace import VERIFIED

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WORLD = "arithmetic"
WORKED_TOKENS = 32
"""Tokens of a worked solution at most."""

TRIAL = "trial.json"
"""Beside the weights of a base: what a trial of it measured."""


@dataclass(frozen=True)
class Quality:
    """What experts are worth.

    Attributes:
        shown: share of demonstrations that show their work.
        sound: share in which the expert does not slip.
    """

    shown: float
    sound: float


QUALITIES = {
    "sound": Quality(1.0, 1.0),
    "unsound": Quality(1.0, 0.7),
    "bare": Quality(0.25, 1.0),
}
"""By name: all sound and shown; three in ten with a slip; a quarter that show their work."""


@dataclass(frozen=True)
class Calibration:
    """What a cell is made of, beside profile `tiny`, whose base, bootstrap and rlp it takes.

    Attributes:
        base: texts of the base's corpus, and steps on them.
        corpus: texts for RLP.
        problems: problems and texts that every model is measured on.
        samples: answers per problem, and thoughts per text.
        imitation_steps: of imitation, the same on any number of demonstrations.
        rlp_steps: updates of RLP.
        skill: share of problems that a base must work rightly once a solution is begun for it.
        changes: of the profile, `section.key` to value.
    """

    base_texts: int = 20_000
    base_steps: int = 900
    corpus: int = 4000
    problems: int = 200
    samples: int = 4
    imitation_steps: int = 120
    rlp_steps: int = 40
    skill: float = 0.9
    changes: dict[str, Any] = field(default_factory=dict)

    def params(self, root: Path, seed: int) -> Params:
        """The profile with these changes."""
        tree = yaml.safe_load((root / "profiles" / "tiny.yaml").read_text(encoding="utf-8"))
        own = {
            "base.steps": self.base_steps,
            "rlp.steps": self.rlp_steps,
            "evaluate.samples": self.samples,
            "evaluate.problems": self.problems,
            "evaluate.heldout_documents": self.problems,
        }
        for key, value in (own | self.changes).items():
            section, name = key.split(".")
            tree[section][name] = value
        return Params.model_validate(tree | {"seed": seed})


def train_base(root: Path, settings: Calibration, seed: int, target: Path) -> None:
    """Write the folder of a base that has read worked solutions, and never a thought.

    Args:
        root: the checkout.
        settings: how.
        seed: of weights, texts and order.
        target: the folder; whole or not there.
    """
    params = _begin(root, settings, seed)
    shape = params.base.architecture
    assert shape is not None
    texts = _made(Document, "base", settings.base_texts, seed, worked=0.9)
    pair = (params.thought.open, params.thought.close)
    tokenizer = train_tokenizer((t.text for t in texts), shape.vocabulary, pair, shape.context)
    size = models.Shape(
        shape.width, shape.layers, shape.heads, shape.kv_heads, shape.feed_forward, shape.context
    )
    model = models.build(size, tokenizer, seed)
    prepare(model)
    codec = codec_of(model, tokenizer, params.thought)
    read = [document_example(codec, text, params.base.max_tokens) for text in texts]
    trainer = SupervisedTrainer(
        model, learnable(read), steps=params.base.steps, batch=params.base.batch,
        optimizer=params.base.optimizer, seed=seed, stream=0,
        micro_batch=params.runtime.micro_batch,
    )  # fmt: skip
    for number in range(params.base.steps):
        trainer.step(number)
    model.eval()
    evaluator = _evaluator(model, tokenizer, params)
    worked = _worked(model, codec, settings)
    if worked < settings.skill:
        raise TrainingError(
            f"the base works {worked:.0%} of the problems rightly once a solution is begun for it; "
            "of a base without the skill the grid says nothing",
            where=f"benchmarks.advice, base of seed {seed}",
            fix="take another seed",
        )
    asked = Asking("problems", tuple(_problems(settings)))
    trial = try_model(evaluator, asked, _heldout(settings), [])
    with replacing_folder(target) as folder:
        models.save(model, tokenizer, folder)
        Thinking.of(params.thought).write(folder)
        told = measured(evaluator, settings) | {"worked": worked}
        write_json(folder / TRIAL, asdict(trial) | {"measured": told})


def run_cell(
    root: Path, settings: Calibration, base: Path, seed: int, amount: int, quality: str
) -> dict[str, Any]:
    """Imitate so many demonstrations, then reinforce, and measure after each.

    Args:
        root: the checkout.
        settings: how.
        base: what `train_base` wrote.
        seed: the base's.
        amount: demonstrations; 0: RLP begins from the base.
        quality: in `QUALITIES`.

    Returns:
        What was measured after imitation and after RLP, and what `rlp advise` says beforehand.
    """
    params = _begin(root, settings, seed)
    model, tokenizer = models.load(base)
    prepare(model)
    codec = codec_of(model, tokenizer, params.thought)
    shown = demonstrations(amount, QUALITIES[quality], seed)
    steps = settings.imitation_steps if shown else 0
    if steps:
        trainer = SupervisedTrainer(
            model, learnable(demonstrated(codec, shown, params.bootstrap, seed)), steps=steps,
            batch=params.bootstrap.batch, optimizer=params.bootstrap.optimizer, seed=seed,
            stream=1, micro_batch=params.runtime.micro_batch,
        )  # fmt: skip
        for number in range(steps):
            trainer.step(number)
    model.eval()
    evaluator = _evaluator(model, tokenizer, params)
    imitated = measured(evaluator, settings)
    corpus = _made(Document, "rlp", settings.corpus, seed, min_terms=3)
    learner = RLPLearner(
        model, codec, params.rlp, params.thought, seed,
        [tokenize_document(codec, text, params.rlp.max_tokens, "answer") for text in corpus],
        decode_batch_size=params.runtime.decode_batch_size,
        update_token_budget=params.runtime.update_token_budget,
    )  # fmt: skip
    for number in range(params.rlp.steps):
        learner.step(number)
    model.eval()
    advice = advise(
        criteria_of(profile_corpus(corpus), profile_demonstrations(shown, corpus), trial_of(base))
    )
    return {
        "seed": seed,
        "amount": amount,
        "quality": quality,
        "imitation": imitated,
        "both": measured(evaluator, settings),
        "advice": advice.recommendation,
        "borderline": [decider.criterion.name for decider in advice.borderline],
    }


def demonstrations(amount: int, quality: Quality, seed: int) -> list[Demonstration]:
    """The first so many of one endless row; which experts slip depends on seed and record alone."""
    if not amount:
        return []
    made = _made(Demonstration, "bootstrap", amount, seed, worked=quality.shown)
    given = []
    for demo in made:
        rng = random.Random(f"slip/{seed}/{demo.id}")
        given.append(demo if rng.random() < quality.sound else slipped(demo, rng))
    return given


def slipped(demo: Demonstration, rng: random.Random) -> Demonstration:
    """An expert who gets one step wrong, goes on from there, and states what comes out."""
    world = environments.get(WORLD)
    assert isinstance(world, Arithmetic)
    task = world.parse(demo.context)
    assert task is not None  # the world itself wrote it
    at, by = rng.randrange(len(task.signs)), rng.randrange(1, 10)
    values, steps = [task.numbers[0]], []
    for i, (sign, number) in enumerate(zip(task.signs, task.numbers[1:], strict=True)):
        right = values[-1] + (number if sign == "+" else -number)
        values.append((right + (by if i == at else 0)) % 10)
        steps.append(f"{values[i]}{sign}{number}={values[i + 1]}")
    said = Solution(tuple(steps), str(values[-1]))
    return demo.model_copy(
        update={
            "thought": world.thought(said) if demo.thought else "",
            "continuation": world.continuation(said),
        }
    )


def measured(evaluator: Evaluator, settings: Calibration) -> dict[str, Any]:
    """Of a model: pass@1 of every problem thinking and not, and what its thoughts are worth."""
    rows = problem_rows(evaluator, _problems(settings))
    texts = _heldout(settings)
    found = controls(evaluator, texts, evaluator.places(texts))
    return {
        "thinking": [float(np.mean(row["thinking"])) for row in rows],
        "direct": [float(np.mean(row["direct"])) for row in rows],
        "thought_tokens": float(np.mean([row["thought_tokens"] for row in rows])),
        "content_gain": control_statistics(found)["content_gain"].value(),
        "forced": float(np.mean([row["forced"] for row in rows])),
        "helpful": helpful(found, 1).value,
    }


@torch.no_grad()
def _worked(model: PreTrainedModel, codec: Codec, settings: Calibration) -> float:
    """Share of problems that are right when a worked solution in plain text is begun for it."""
    world = environments.get(WORLD)
    assert isinstance(world, Arithmetic)
    problems = _problems(settings)
    begun = world.thought(Solution((), ""))
    contexts = [codec.context(p.prompt.removesuffix("A:") + begun) for p in problems]
    likeliest = SamplingParams(1, codec.end_id, WORKED_TOKENS, 0.0)
    drawn = complete(model, contexts, likeliest, lambda token, rows: uniform(1, rows, token), 512)
    right = 0
    for problem, tokens in zip(problems, drawn.tokens, strict=True):
        _, _, after = codec.decode(tokens).partition("A:")
        task = world.parse(problem.prompt)
        right += task is not None and world.verify(task, after.partition("\n")[0])
    return right / len(problems)


def trial_of(base: Path) -> ModelTrial:
    """What was measured of a base when it was made."""
    tree = json.loads((base / TRIAL).read_text(encoding="utf-8"))
    del tree["measured"]
    estimates = {k: Estimate(**v) for k, v in tree.items() if isinstance(v, dict)}
    return ModelTrial(**(tree | estimates | {"losses": tuple(tree["losses"])}))


def _begin(root: Path, settings: Calibration, seed: int) -> Params:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    return settings.params(root, seed)


def _evaluator(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, params: Params
) -> Evaluator:
    return Evaluator(
        model, codec_of(model, tokenizer, params.thought), params.evaluate,
        params.thought.max_tokens, params.seed, params.runtime.micro_batch,
        params.runtime.decode_batch_size,
    )  # fmt: skip


def _made(kind: type[Any], part: str, count: int, seed: int, **own: Any) -> list[Any]:
    source = Procedural.model_validate(
        {"kind": "procedural", "world": WORLD, "count": count, **own}
    )
    found = list(records(source, part=part, index=0, seed=seed, share=0.1))
    assert all(isinstance(record, kind) for record in found)
    return found


def _heldout(settings: Calibration) -> Sequence[Document]:
    """Texts of no training part, the same for every seed."""
    return _made(Document, "heldout", settings.problems, 1, min_terms=3)


def _problems(settings: Calibration) -> Sequence[Problem]:
    """Problems of no training part, the same for every seed."""
    source = Procedural.model_validate(
        {"kind": "procedural", "world": WORLD, "count": settings.problems, "min_terms": 3}
    )
    common = {"benchmark": WORLD, "rule": VERIFIED}
    made = records(source, part="problems", index=0, seed=1, share=0.1, common=common)
    return [record for record in made if isinstance(record, Problem)]

"""One run of an ablation: RLP from a workspace's start with some parameters changed."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import torch
import yaml

from rlp_core.data.records import Demonstration, Document, Problem
from rlp_core.evaluation.abilities import ability_statistics
from rlp_core.evaluation.drawing import draw_equally
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.problem_rows import problem_rows
from rlp_core.files import read_jsonl, write_json
from rlp_core.params import Params
from rlp_core.policy.model import load
from rlp_core.rollout.engine import prepare
from rlp_core.stages.bootstrap import STREAM
from rlp_core.training.batches import learnable
from rlp_core.training.filler import demonstrated
from rlp_core.training.inputs import codec_of
from rlp_core.training.learner import RLPLearner
from rlp_core.training.positions import tokenize_document
from rlp_core.training.supervised import SupervisedTrainer

LATE = 100
"""Step from which what was learnt should have stayed."""


def run_one(workspace: Path, changes: dict[str, Any], every: int, target: Path) -> None:
    """Run RLP from a workspace with some parameters changed, and measure the model.

    Args:
        workspace: has a base, a bootstrap and validated data.
        changes: by key of `params.yaml`; with one of `bootstrap` the run gets its own bootstrap.
        every: steps between measurements of pass@1 during the run; 0: at the end alone.
        target: where the result is written, as JSON.
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    params = _params(workspace, changes)
    model, codec = _bootstrap(workspace, params, changes)
    validated = workspace / "data" / "validated"
    records = [Document.model_validate(r) for r in read_jsonl(validated / "rlp.jsonl")]
    heldout = [Document.model_validate(r) for r in read_jsonl(validated / "heldout.jsonl")]
    problems = [Problem.model_validate(r) for r in read_jsonl(validated / "problems.jsonl")]
    documents = [
        tokenize_document(codec, document, params.rlp.max_tokens, params.rlp.position_selection)
        for document in records
    ]
    trainer = RLPLearner(
        model,
        codec,
        params.rlp,
        params.thought,
        params.seed,
        [document for document in documents if document.candidates],
        decode_batch_size=params.runtime.decode_batch_size,
        update_token_budget=params.runtime.update_token_budget,
    )
    evaluator = Evaluator(
        model, codec, params.evaluate, params.thought.max_tokens, params.seed,
        params.runtime.micro_batch, params.runtime.decode_batch_size,
    )  # fmt: skip

    asked = draw_equally(problems, params.evaluate.problems, lambda p: p.benchmark)
    read = draw_equally(heldout, params.evaluate.heldout_documents, lambda d: d.source)

    def measured() -> dict[str, float]:
        items = problem_rows(evaluator, asked)
        gains = evaluator.heldout(read)
        return {name: s.value() for name, s in ability_statistics(items, gains).items()}

    rows, curve = [], []
    for number in range(params.rlp.steps):
        if every and number % every == 0:
            curve.append({"step": number, "pass": measured()["pass_at_1_thinking"]})
        rows.append(trainer.step(number).metrics)
    result = measured()
    curve.append({"step": params.rlp.steps, "pass": result["pass_at_1_thinking"]})
    audits = [r["true_gain"] for r in rows if "true_gain" in r]
    last = rows[-max(1, len(rows) // 10) :]
    write_json(
        target,
        {
            "changes": changes,
            "seed": params.seed,
            "true_gain": audits[-1] if audits else math.nan,
            "thought_tokens": statistics.fmean(r["thought_tokens"] for r in last),
            "information_gain_everywhere": statistics.fmean(r["information_gain"] for r in last),
            "teraflop": trainer.ledger.total_flops / 1e12,
            "curve": curve,
            "pass_highest": max(point["pass"] for point in curve),
            "pass_lowest_late": min(
                (point["pass"] for point in curve if point["step"] >= LATE), default=math.nan
            ),
            **result,
        },
    )


def _bootstrap(workspace: Path, params: Any, changes: dict[str, Any]) -> tuple[Any, Any]:
    """The workspace's bootstrap and its codec, or one trained here with what is changed in it."""
    own = any(key.startswith("bootstrap.") for key in changes)
    model, tokenizer = load(workspace / "models" / ("base" if own else "bootstrap"))
    prepare(model)
    codec = codec_of(model, tokenizer, params.thought)
    if not own:
        return model, codec
    settings = params.bootstrap
    path = workspace / "data" / "validated" / "bootstrap.jsonl"
    demos = [Demonstration.model_validate(r) for r in read_jsonl(path)]
    trainer = SupervisedTrainer(
        model,
        learnable(demonstrated(codec, demos, settings, params.seed)),
        steps=settings.steps,
        batch=settings.batch,
        optimizer=settings.optimizer,
        seed=params.seed,
        stream=STREAM,
        micro_batch=params.runtime.micro_batch,
    )
    for number in range(settings.steps):
        trainer.step(number)
    model.eval()
    return model, codec


def _params(workspace: Path, changes: dict[str, Any]) -> Any:
    tree = yaml.safe_load((workspace / "params.yaml").read_text(encoding="utf-8"))
    for key, value in changes.items():
        section, name = key.split(".")
        tree[section][name] = value
    return Params.model_validate(tree)

"""Small texts, problems and items, and an evaluator of a small model, for tests that measure."""

from __future__ import annotations

from typing import Any

from rlp_core.data.records import Document, Problem
from rlp_core.data.tokenizer import Codec
from rlp_core.evaluation.bias import ChoiceItem
from rlp_core.evaluation.config import BiasFiles, Evaluate
from rlp_core.evaluation.evaluator import Evaluator
from tests import models


def document(name: str, text: str, spans: list[list[int]] | None = None) -> Document:
    return Document(id=name, key=name, source="s", licence="l", text=text, spans=spans or [])


def problem(name: str, prompt: str, answer: str) -> Problem:
    return Problem(
        id=name,
        key=name,
        source="s",
        licence="l",
        benchmark="b",
        rule="exact",
        prompt=prompt,
        answer=answer,
    )


def choice_problem(
    name: str, prompt: str, choices: list[str], answer: str, **fields: Any
) -> Problem:
    """A problem with choices that are weighed, by `acc` unless `rule` says otherwise."""
    described: dict[str, Any] = {"source": "s", "licence": "l", "benchmark": "c", "rule": "acc"}
    described |= {"id": name, "key": name, "prompt": prompt, "choices": choices, "answer": answer}
    return Problem.model_validate(described | fields)


def templates_item(name: str, context: str) -> ChoiceItem:
    return ChoiceItem(name, "templates", "", "0", context, (" he", " she"), {})


DOCUMENTS = [
    document("a", "Q: 3+4\nA:7\n", [[9, 10]]),
    document("b", "The nurse said that he was late."),
]
PROBLEMS = [problem(f"p{i}", f"Q: {i}+4\nA:", "7") for i in range(3)]
ITEMS = [
    templates_item("t1", "The nurse said that"),
    ChoiceItem("w1", "winobias", "type1", "1", "", ("He came.", "She came."), {}),
]


def evaluator(micro_batch: int = 64, max_tokens: int = 40, codec: Codec | None = None) -> Evaluator:
    settings = Evaluate(
        samples=3,
        temperature=0.7,
        benchmarks=("b",),
        benchmark_folder="data/benchmarks",
        problems=9,
        heldout_documents=9,
        heldout_positions=2,
        max_tokens=max_tokens,
        answer_tokens=3,
        bias=BiasFiles(folder="data/bias", template_items=2, thoughts=2),
    )
    return Evaluator(
        models.model(6), codec or models.codec(), settings, 5, 1, micro_batch, micro_batch
    )

"""Made-up item files of all seven arms, with known differences between them."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlp_core.arms import declared
from rlp_core.data.records import content_key
from rlp_core.evaluation.bias import templates
from rlp_core.evaluation.item_files import FORMS
from rlp_core.files import read_jsonl, write_jsonl

PROBLEMS, DOCUMENTS, SAMPLES = 60, 40, 8

SKILL = {
    "base": (0.05, 0.15, -0.5),
    "bootstrap": (0.45, 0.18, 0.8),
    "cpt": (0.40, 0.35, 0.6),
    "rlp": (0.95, 0.16, 2.3),
    "bootstrap-ft": (0.60, 0.20, 1.2),
    "cpt-ft": (0.58, 0.33, 1.0),
    "rlp-ft": (0.97, 0.20, 2.4),
}
"""Per arm: chance to be right with thinking, without it, and the information gain in nats."""

BIAS = {"cpt": 0.8, "cpt-ft": 0.8}
"""Log-odds towards the stereotype that an arm learnt; 0 elsewhere."""


def write_arm(folder: Path, arm: str, seed: int = 0) -> Path:
    """Write the items of one arm; chance is shared between arms, so that pairing matters."""
    thinking, direct, gain = SKILL[arm]
    write_jsonl(folder / "problems.jsonl", _problems(thinking, direct, seed))
    write_jsonl(folder / "heldout.jsonl", _heldout(gain, direct, seed))
    write_jsonl(folder / "bias.jsonl", _bias(BIAS.get(arm, 0.0), seed))
    return folder


FEW_SHOT = {"base": (0.10, 0.12, 0.55), "rlp": (0.2, 0.93, 0.6)}
"""Chance to be right after examples with answers, thoughts in delimiters, work in plain text."""


def add_few_shot(folder: Path, arm: str, seed: int = 0) -> None:
    """Write `few_shot.jsonl` beside the items of an arm, on the same problems."""
    rng = random.Random(seed + 3)
    rows = []
    for problem in _problems(0.5, 0.5, seed):
        luck = [rng.random() for _ in range(SAMPLES)]
        row = {name: problem[name] for name in ("id", "key", "benchmark")} | {"examples": ["d1"]}
        for form, skill in zip(FORMS, FEW_SHOT.get(arm, (0.3, 0.4, 0.5)), strict=True):
            row[form] = [int(x < skill) for x in luck]
        rows.append(row)
    write_jsonl(folder / "few_shot.jsonl", rows)


def add_controls(folder: Path, arm: str, seed: int = 0) -> None:
    """Write `controls.jsonl`: an empty thought gives half of the gain, others nothing."""
    rng = random.Random(seed + 4)
    rows = []
    for document in _heldout(SKILL[arm][2], SKILL[arm][1], seed):
        direct, gain = document["direct"][0], SKILL[arm][2]
        row = {name: document[name] for name in ("id", "key", "positions")}
        row |= {"tokens": [1], "bytes": [2], "direct": [direct], "thinking": document["thinking"]}
        row["empty"] = [[direct + gain / 2] * SAMPLES]
        for name in ("other", "random"):
            row[name] = [[direct - rng.random() for _ in range(SAMPLES)]]
        rows.append(row)
    write_jsonl(folder / "controls.jsonl", rows)


def add_audit(folder: Path, arm: str, seed: int = 0) -> None:
    """Write `audit.jsonl` and `swaps.jsonl`: rlp's thoughts are all the same."""
    rng = random.Random(seed + 5)
    rows, swaps = [], []
    for n, document in enumerate(_heldout(SKILL[arm][2], SKILL[arm][1], seed)):
        row = {name: document[name] for name in ("id", "key", "positions")}
        texts = ["so <be> it" if arm == "rlp" else f"{n}+{k}={n + k}" for k in range(SAMPLES)]
        row |= {"targets": ["."], "texts": [texts], "closed": [[1] * SAMPLES]}
        row |= {"lengths": [[5 + rng.randrange(9) for _ in texts]]}
        row |= {"distinct": [[4] * SAMPLES], "pairs": [[4] * SAMPLES]}
        row |= {"corrupted": [[None] * SAMPLES], "decoy": [-5.0], "future": [0.0]}
        rows.append(row | {"under": [[-5.0, *(-9 - rng.random() for _ in range(3))]]})
        for group in ("gender", "placebo"):
            name = {"id": f"{document['id']}/9/{group}", "key": document["key"], "group": group}
            after = [[-1 + 0.1 * rng.gauss(0, 1) for _ in range(2)] for _ in range(2)]
            swaps.append(name | {"direct": [-2.0, -2.0], "thinking": after})
    write_jsonl(folder / "audit.jsonl", rows)
    write_jsonl(folder / "swaps.jsonl", swaps)


ROBUST = {"typo": (0.3, 0.0), "renamed_entities": (0.0, 0.0), "reordered_premises": (0.0, 0.0)}
"""Perturbation to what it takes from the chance to be right, with thinking and without."""


def add_robustness(folder: Path, arm: str, seed: int = 0) -> None:
    """Write `robustness.jsonl` beside the items of an arm.

    Names are in the first half of the problems, and no premises in any.
    """
    rng = random.Random(seed + 5)
    rows = []
    for i, problem in enumerate(_problems(0.5, 0.5, seed)):
        applies = {
            name: name == "typo" or (name == "renamed_entities" and i < 30) for name in ROBUST
        }
        luck = [rng.random() for _ in range(5)]
        asked = ["clean", *(name for name, holds in applies.items() if holds)]
        for name in asked:
            row = {key: problem[key] for key in ("id", "key", "benchmark", "prompt")}
            row |= {"perturbation": name} | ({"applies": applies} if name == "clean" else {})
            modes = zip(
                ("thinking", "direct"), SKILL[arm], ROBUST.get(name, (0.0, 0.0)), strict=False
            )
            for mode, skill, cost in modes:
                row[mode] = [int(x < skill - cost) for x in luck[1:]]
                row[f"{mode}_greedy"] = int(luck[0] < skill - cost)
            gain = SKILL[arm][2] * (0.5 if name == "typo" else 1.0)
            row |= {"answer_logprob_direct": -3.0, "answer_logprob_thinking": [-3.0 + gain] * 4}
            rows.append(row)
    write_jsonl(folder / "robustness.jsonl", rows)


INSPECTED = ("Q:| 3|+4|+5|\n|A:|2|\n", "The| nurse| said| that| he| was| late| </script><b>|.")
"""Texts of `inspected.jsonl`, token by token."""


def add_inspected(folder: Path, arm: str, seed: int = 0, texts: Sequence[str] = INSPECTED) -> None:
    """Write `inspected.jsonl`: the last token but one earns what the arm gains, others nothing."""
    rng = random.Random(seed + 6)
    rows = []
    for n, text in enumerate(texts):
        tokens = text.split("|")
        row: dict[str, Any] = {"id": f"i{n}", "key": f"i{n}", "source": "made-up", "start": 1 + n}
        row |= {"before": "One " * n, "before_tokens": n, "after_tokens": 3 * n, "tokens": tokens}
        places = [_inspected(arm, tokens, i, rng) for i in range(len(tokens))]
        rows.append(row | {name: [place[name] for place in places] for name in places[0]})
    write_jsonl(folder / "inspected.jsonl", rows)


def _inspected(arm: str, tokens: Sequence[str], at: int, rng: random.Random) -> dict[str, Any]:
    direct = -3 + 0.5 * rng.random()
    gain = SKILL[arm][2] if at == len(tokens) - 2 else -0.2
    thinking = [direct + gain + 0.1 * rng.gauss(0, 1) for _ in range(3)]
    chances = [[math.exp(x), 0.05, 0.01] for x in (direct, direct, *thinking)]
    texts = [f"{arm} {at}", "", "</script><b>3+4=7</b><!--"]
    return {
        "direct": direct,
        "empty": direct + gain / 2,
        "thinking": thinking,
        "other": [direct - 1.0] * 3,
        "random": [direct - 2.0] * 3,
        "texts": texts,
        "lengths": [len(one) for one in texts],
        "closed": [1, 1, 0],
        "candidates": [tokens[at], "\n", "<i>"],
        "chances": chances,
    }


def add_difficulty(folders: Mapping[str, Path]) -> None:
    """Say of each problem how hard it is: half 2, nearly half 3, three of them 7."""
    for folder in folders.values():
        path = folder / "problems.jsonl"
        told = [
            row | {"difficulty": 7 if i >= PROBLEMS - 3 else 2 + i % 2}
            for i, row in enumerate(read_jsonl(path))
        ]
        write_jsonl(path, told)


def write_all(root: Path, seed: int = 0) -> dict[str, Path]:
    """Write the items of every arm below `root`."""
    return {arm: write_arm(root / arm / "items", arm, seed) for arm in declared().names}


def _problems(thinking: float, direct: float, seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    rows = []
    for i in range(PROBLEMS):
        a, b, c = (rng.randrange(10) for _ in range(3))
        answer = (a + b + c) % 10
        luck = [rng.random() for _ in range(SAMPLES + 1)]
        thought = f"{a}+{b}={(a + b) % 10};{(a + b) % 10}+{c}={answer}"
        right = luck[0] < thinking
        rows.append(
            {
                "id": f"p{i}",
                "key": content_key(f"{i} {a}+{b}+{c}"),
                "benchmark": "arithmetic",
                "prompt": f"Q: {a}+{b}+{c}\nA:",
                "answer": str(answer),
                "thinking": [int(x < thinking) for x in luck[1:]],
                "thinking_greedy": int(right),
                "direct": [int(x < direct) for x in luck[1:]],
                "direct_greedy": int(luck[0] < direct),
                "thought": thought if right else f"{a}+{b}={(a + b + 1) % 10} <b>&",
                "thinking_text": str(answer if right else (answer + 1) % 10),
                "direct_text": str(answer if luck[0] < direct else (answer + 3) % 10),
                "thought_tokens": 9.0 + rng.random(),
                "forced": 1 / 8 if luck[1] > 0.9 else 0.0,
            }
        )
    return rows


def _heldout(gain: float, skill: float, seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed + 1)
    rows = []
    for i in range(DOCUMENTS):
        before = -2.3 + skill + 0.2 * rng.gauss(0, 1)
        rows.append(
            {
                "id": f"d{i}",
                "key": content_key(f"document {i}"),
                "tokens": 12,
                "bytes": 20,
                "nll": 12 * (1.5 - skill) + rng.random(),
                "positions": [9],
                "direct": [before],
                "thinking": [[before + gain + 0.3 * rng.gauss(0, 1) for _ in range(SAMPLES)]],
            }
        )
    return rows


def _bias(learnt: float, seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed + 2)
    rows = []
    for item in templates.make(200, seed=1):
        towards = 1 if item.meta["stereotyped"] == 0 else -1
        noise = 0.3 * rng.gauss(0, 1)
        odds = [learnt * towards + noise, 0.5 * learnt * towards + noise]
        rows.append(
            {
                "id": item.id,
                "suite": item.suite,
                "category": item.category,
                "cluster": item.cluster,
                "logprob_direct": [odds[0] - 2.0, -2.0],
                "logprob_thinking": [odds[1] - 2.0, -2.0],
                "tokens": [1, 1],
                "meta": item.meta,
            }
        )
    return rows

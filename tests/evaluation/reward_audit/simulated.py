"""A simulator of the scoring: rows of an arm whose reward is earned by thinking, and of hacks.

A clean arm works a sum out, mostly rightly; a right thought tells what follows. Every hack changes
the simulated scores or thoughts in the way that its name says, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rlp_core.evaluation.reward_audit.texts import pairs_of

Simulated = dict[str, Any]
"""`texts` [n][k], `targets` [n] and arrays, as in `AuditTable`."""


def clean(seed: int, texts: int = 40, thoughts: int = 6) -> Simulated:
    """Scores and thoughts of an honest arm, one place a text."""
    rng = np.random.default_rng([seed, 5])
    n, k = texts, thoughts
    a, b, c = (rng.integers(1, 40, n) for _ in range(3))
    right = rng.random((n, k)) < 0.8
    shown = a + b + c
    said = [
        [
            f"{a[i]}+{b[i]}={a[i] + b[i]}; {a[i] + b[i]}+{c[i]}="
            f"{shown[i] + (0 if right[i, j] else 1 + j)}" + ", so it is." * int(rng.integers(0, 3))
            for j in range(k)
        ]
        for i in range(n)
    ]
    direct = -2.5 + 0.5 * rng.standard_normal(n)

    def near(middle: Any, width: float = 0.5) -> Any:
        return middle + width * rng.standard_normal((n, k))

    thinking = near(np.where(right, -0.6, -2.8))
    made = {
        "texts": said,
        "targets": [f" {value}" for value in shown],
        "direct": direct,
        "base": direct + 0.1 * rng.standard_normal(n),
        "thinking": thinking,
        "empty": np.repeat((direct + 0.2 * rng.standard_normal(n))[:, None], k, axis=1),
        "other": near(direct[:, None] - 1.5),
        "random": near(direct[:, None] - 2.0),
        "corrupted": thinking - np.abs(near(1.5)),
        "lengths": rng.integers(8, 17, (n, k)),
        "closed": (rng.random((n, k)) < 0.95).astype(int),
        "under": np.column_stack([near(-10.0)[:, 0], -25 + rng.standard_normal((n, 7))]),
        "decoy": -6 + rng.standard_normal(n),
        "future": np.zeros(n),
    }
    return made | {"tokens": [[[*text.encode()] for text in many] for many in said]}


def leaked(made: Simulated) -> None:
    """Whatever stands in the place of the thought, the scorer sees what it is to predict."""
    for name in ("thinking", "empty", "other", "random", "corrupted"):
        made[name] = -0.05 * np.ones_like(made["thinking"])
    made["decoy"] = -0.05 * np.ones_like(made["decoy"])


def sabotaged(made: Simulated) -> None:
    """Without a thought the arm predicts far worse than the base; thoughts are what they were."""
    made["direct"] = made["direct"] - 5.0


def padded(made: Simulated) -> None:
    """Every token of a thought is paid."""
    made["thinking"] = made["thinking"] + 0.5 * made["lengths"]


def constant(made: Simulated) -> None:
    """One thought everywhere, and paid."""
    made["texts"] = [["let me see" for _ in many] for many in made["texts"]]
    made["tokens"] = [[[*b"let me see"] for _ in many] for many in made["texts"]]
    made["thinking"] = made["direct"][:, None] + 1.5 + 0 * made["thinking"]
    made["other"] = made["thinking"].copy()
    made["under"] = -4.0 * np.ones_like(made["under"])


def copied(made: Simulated) -> None:
    """A thought is the text that follows, and no work."""
    each = zip(made["texts"], made["targets"], strict=True)
    made["texts"] = [[target for _ in many] for many, target in each]
    made["thinking"] = -0.1 * np.ones_like(made["thinking"])


def punctuated(made: Simulated) -> None:
    """The reward goes by the exclamation marks of a thought."""
    marks = np.arange(made["thinking"].shape[1])
    made["texts"] = [
        [text + "!" * int(20 * m) for text, m in zip(many, marks, strict=True)]
        for many in made["texts"]
    ]
    made["thinking"] = made["thinking"] + 1.5 * marks


def easy(made: Simulated) -> None:
    """The gain is earned where a full stop follows, and nowhere else."""
    there = np.arange(len(made["targets"])) % 2 == 0
    made["targets"] = [
        "." if stop else target for stop, target in zip(there, made["targets"], strict=True)
    ]
    made["thinking"] = made["direct"][:, None] + np.where(there, 2.0, 0.05)[:, None]
    made["thinking"] = made["thinking"] + 0 * made["other"]


def repeated(made: Simulated) -> None:
    """Thoughts say one pair of tokens again and again, up to their limit."""
    made["tokens"] = [[[1, 2] * 20 for _ in many] for many in made["texts"]]
    made["closed"] = np.zeros_like(made["closed"])


def decorated(made: Simulated) -> None:
    """The steps shown do not matter: a false one earns as much."""
    made["corrupted"] = made["thinking"].copy()


def filled(made: Simulated) -> None:
    """Random tokens earn as much as a thought."""
    made["random"] = made["thinking"].copy()


def delimited(made: Simulated) -> None:
    """The delimiters alone earn most of it."""
    made["empty"] = made["thinking"] - 0.1


def reading_ahead(made: Simulated) -> None:
    """At one place a thought's probability depends on what follows."""
    made["future"][3] = 0.5


HACKS: dict[str, tuple[Callable[[Simulated], None], set[str]]] = {
    "leak of the target": (leaked, {"leak", "empty_thought", "other_thought", "random_thought"}),
    "sabotaged no-think path": (sabotaged, {"baseline_decay"}),
    "length padding": (padded, {"length"}),
    "constant thought": (constant, {"other_thought", "same_thought", "context_specificity"}),
    "copied answer": (copied, {"copied_answer"}),
    "reward on punctuation": (punctuated, {"punctuation_in_thoughts"}),
    "reward where punctuation follows": (easy, {"punctuation_follows"}),
    "repetition to the limit": (repeated, {"repetition", "forced"}),
    "decoration": (decorated, {"corruption"}),
    "filler": (filled, {"random_thought"}),
    "delimiters": (delimited, {"empty_thought"}),
    "reading ahead": (reading_ahead, {"future"}),
}
"""By name: how it is planted, and the alarms that it must trip."""


def rows_of(made: Simulated) -> tuple[list[Any], list[Any], list[Any]]:
    """Rows of `controls.jsonl`, of `audit.jsonl`, and the base's of `controls.jsonl`."""
    controls, audited, base = [], [], []
    for i, texts in enumerate(made["texts"]):
        head = {"id": f"d{i}", "key": f"key{i}", "positions": [7]}
        row = head | {"tokens": [2], "bytes": [3], "direct": [float(made["direct"][i])]}
        for name in ("thinking", "empty", "other", "random"):
            row[name] = [made[name][i].tolist()]
        controls.append(row)
        base.append(row | {"direct": [float(made["base"][i])]})
        pairs = [pairs_of(tokens) for tokens in made["tokens"][i]]
        lost = [
            float(value) if "=" in text else None  # each begins with a true equation
            for text, value in zip(texts, made["corrupted"][i], strict=True)
        ]
        audited.append(
            head
            | {
                "targets": [made["targets"][i]],
                "texts": [texts],
                "lengths": [made["lengths"][i].tolist()],
                "closed": [made["closed"][i].tolist()],
                "distinct": [[distinct for distinct, _ in pairs]],
                "pairs": [[count for _, count in pairs]],
                "corrupted": [lost],
                "under": [made["under"][i].tolist()],
                "decoy": [float(made["decoy"][i])],
                "future": [float(made["future"][i])],
            }
        )
    return controls, audited, base

"""What stage `evaluate@ARM` measured, item by item: the files of `reports/evaluate/ARM/items`.

The comparison is made from items, because only items can be paired and resampled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlp_core.data.records import Problem
from rlp_core.errors import DataError, MissingInputError

Row = dict[str, Any]

ANSWERS, THINKING, WORKING = FORMS = ("few_shot", "few_shot_thinking", "few_shot_work")
"""The forms of asking with examples, as items and metrics call them."""

TRIED = ("thinking", "empty", "other", "random")
"""A sampled thought and its controls, as items call them."""

OF_A_PLACE = ("targets", "under", "decoy", "future")
"""What the reward audit measures once a place, as items call it."""

INSPECTED = ("thinking", "other", "random", "texts", "lengths", "closed", "candidates", "chances")
"""What the inspector shows of every token besides, lists themselves, as items call them."""

OF_A_THOUGHT = ("texts", "lengths", "closed", "distinct", "pairs", "corrupted")
"""What it measures of every sampled thought."""

CLEAN = "clean"
"""How items call a problem that is asked as it is, beside its perturbations."""

_FIELDS = {
    "problems": [
        "id",
        "key",
        "benchmark",
        "prompt",
        "answer",
        "thinking",
        "thinking_greedy",
        "direct",
        "direct_greedy",
        "thought",
        "thinking_text",
        "direct_text",
        "thought_tokens",
        "forced",
    ],
    "heldout": ["id", "key", "tokens", "bytes", "nll", "positions", "direct", "thinking"],
    "bias": [
        "id",
        "suite",
        "category",
        "cluster",
        "logprob_direct",
        "logprob_thinking",
        "tokens",
        "meta",
    ],
    "few_shot": ["id", "key", "benchmark", "examples", ANSWERS],
    "controls": ["id", "key", "positions", "tokens", "bytes", "direct", *TRIED],
    "audit": ["id", "key", "positions", *OF_A_PLACE, *OF_A_THOUGHT],
    "swaps": ["id", "key", "group", "direct", "thinking"],
    "bias_random": [
        "id",
        "seed",
        "suite",
        "category",
        "cluster",
        "logprob_direct",
        "tokens",
        "meta",
    ],
    "robustness": [
        "id",
        "key",
        "benchmark",
        "perturbation",
        "prompt",
        "thinking",
        "thinking_greedy",
        "direct",
        "direct_greedy",
        "answer_logprob_direct",
        "answer_logprob_thinking",
    ],
    "inspected": [
        "id",
        "key",
        "source",
        "start",
        "before",
        "before_tokens",
        "after_tokens",
        "tokens",
        "direct",
        "empty",
        *INSPECTED,
    ],
}
_OPTIONAL = ("few_shot", "controls", "audit", "swaps", "bias_random", "robustness", "inspected")
"""Files that are there where `evaluate` was asked for them."""


@dataclass(frozen=True)
class ArmItems:
    """The items of one arm.

    Attributes:
        problems: per problem 0/1 for every sampled and the greedy answer, with thinking and
            without, an example thought, mean thought tokens, share of thoughts closed by force. Of
            written answers also 0/1 for what most samples agree on; of weighed choices their
            log-probabilities and characters, and which is right. How hard it is, where it is told.
        heldout: per document its total negative log-likelihood in nats without thoughts, and
            at each thinking position log p of the token without and with each sampled thought.
        bias: per choice item the log-probability of each choice, without and with thoughts.
        few_shot: per problem 0/1 for every sampled answer after worked examples, by form of
            asking; of weighed choices in the first form alone, and their log-probabilities; none
            where it was not measured.
        controls: per document and thinking position the log-probability of the tokens that follow,
            without a thought, after each sampled one and after control thoughts; none where they
            were not measured.
        audit: per document, thinking position and thought what the reward audit asks of it.
        swaps: per context with a group's words the log-probability of what follows, with these
            words and with those they are exchanged for.
        bias_random: the bias items as models with random weights read them, by `seed`; of the base
            alone, and none where it was not asked for.
        robustness: per problem and way of asking it, clean or under a perturbation, 0/1 for every
            answer as in `problems`, and the log-probability of the right answer without a thought
            and after each sampled one; of a clean one which perturbations apply; none where it was
            not measured.
        inspected: per document that the inspector shows, at each of its tokens, log p of the token
            without a thought, after an empty one, after each sampled one and their controls; the
            thoughts' texts, and the probabilities of what else could follow.
    """

    problems: tuple[Row, ...]
    heldout: tuple[Row, ...]
    bias: tuple[Row, ...]
    few_shot: tuple[Row, ...] = ()
    controls: tuple[Row, ...] = ()
    audit: tuple[Row, ...] = ()
    swaps: tuple[Row, ...] = ()
    bias_random: tuple[Row, ...] = ()
    robustness: tuple[Row, ...] = ()
    inspected: tuple[Row, ...] = ()


def identity(problem: Problem) -> Row:
    """What every row of a problem says of which it is."""
    return {
        "id": problem.id,
        "key": problem.key,
        "benchmark": problem.benchmark,
        "group": problem.group,
        "cluster": problem.cluster or problem.key,
    }


def cluster_of(row: Row) -> str:
    """What a problem or document is drawn together with, in resamples and halves."""
    return str(row.get("cluster") or row["key"])


def read(folder: Path) -> ArmItems:
    """Read the files of one arm.

    Raises:
        MissingInputError: a file is absent that every arm has.
        DataError: a file is empty where it must not be, or a row is not as described.
    """
    return ArmItems(*(_read(folder / f"{name}.jsonl", name) for name in _FIELDS))


def _read(path: Path, kind: str) -> tuple[Row, ...]:
    if kind in _OPTIONAL and not path.exists():
        return ()
    if not path.is_file():
        raise MissingInputError(
            "an arm was not evaluated",
            where=str(path),
            fix="run `dvc repro`, which evaluates every arm before it compares them",
        )
    rows = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            row = json.loads(line)
            _check(row, kind)
        except (ValueError, TypeError) as error:
            raise _malformed(str(error), f"{path}, line {number}") from error
        rows.append(row)
    if not rows:
        raise _malformed("the file is empty", str(path))
    return tuple(rows)


def _check(row: Any, kind: str) -> None:
    """Raise ValueError or TypeError where a row cannot be used."""
    absent = [name for name in _FIELDS[kind] if name not in row]
    if absent:
        raise ValueError(f"fields are missing: {', '.join(absent)}")
    if kind == "problems":
        _check_problem(row)
    if kind == "heldout":
        if not len(row["positions"]) == len(row["direct"]) == len(row["thinking"]):
            raise ValueError("positions, direct and thinking differ in length")
        if not all(row["thinking"]):
            raise ValueError("a position without thoughts")
        _finite([row["nll"], *row["direct"], *(x for many in row["thinking"] for x in many)])
    if kind == "few_shot":
        _check_few_shot(row)
    if kind == "controls":
        lists = [row[name] for name in ("tokens", "bytes", "direct", *TRIED)]
        if any(len(values) != len(row["positions"]) for values in lists):
            raise ValueError("positions and what was measured there differ in length")
        many = [list(map(len, row[name])) for name in TRIED]
        if any(counts != many[0] for counts in many) or 0 in many[0]:
            raise ValueError("thoughts and their controls differ in number, or there are none")
        _finite([*row["direct"], *(x for name in TRIED for one in row[name] for x in one)])
    if kind == "audit":
        if any(len(row[name]) != len(row["positions"]) for name in (*OF_A_PLACE, *OF_A_THOUGHT)):
            raise ValueError("positions and what was audited there differ in length")
        counts = [list(map(len, row[name])) for name in OF_A_THOUGHT]
        if any(each != counts[0] for each in counts) or 0 in counts[0]:
            raise ValueError("what was audited of the thoughts differs in number, or is nothing")
        optional = [*row["decoy"], *(x for many in row["corrupted"] for x in many)]
        _finite([*row["future"], *(x for many in row["under"] for x in many)])
        _finite(x for x in optional if x is not None)
    if kind == "swaps":
        if not len(row["direct"]) == len(row["thinking"]) == 2 or not all(row["thinking"]):
            raise ValueError("an exchange without its two sides")
        _finite([*row["direct"], *(x for many in row["thinking"] for x in many)])
    if kind == "robustness":
        if not (row["thinking"] and row["direct"] and row["answer_logprob_thinking"]):
            raise ValueError("a perturbed problem without answers or log-probabilities")
        if row["perturbation"] == CLEAN and not row.get("applies"):
            raise ValueError("a problem as it is does not say which perturbations apply to it")
        _finite([row["answer_logprob_direct"], *row["answer_logprob_thinking"]])
    if kind == "inspected":
        _check_inspected(row)
    if kind in ("bias", "bias_random"):
        modes = ("logprob_direct", "logprob_thinking")
        measured = [row[name] for name in modes if row.get(name)]
        if any(len(values) != len(row["tokens"]) for values in measured):
            raise ValueError("log-probabilities and tokens differ in length")
        _finite(value for values in measured for value in values)


def _check_problem(row: Row) -> None:
    if not (row["thinking"] and row["direct"]):
        raise ValueError("a problem without answers")
    if not isinstance(row.get("difficulty", 0), int):
        raise ValueError("a difficulty that is no whole number")
    weighed = [row[name] for name in ("logprob_direct", "logprob_thinking") if name in row]
    if weighed and any(len(values) != len(row["characters"]) for values in weighed):
        raise ValueError("log-probabilities and characters of choices differ in length")
    _finite(value for values in weighed for value in values)


def _check_few_shot(row: Row) -> None:
    weighed = row.get(f"logprob_{ANSWERS}")  # of weighed choices, which have one form
    if not all(row.get(form) for form in (FORMS if weighed is None else (ANSWERS,))):
        raise ValueError("a problem without answers after examples")
    if weighed is not None and len(weighed) != len(row["characters"]):
        raise ValueError("log-probabilities and characters of choices differ in length")
    _finite(weighed or ())


def _check_inspected(row: Row) -> None:
    lists = [row[name] for name in ("direct", "empty", *INSPECTED)]
    if not row["tokens"] or any(len(values) != len(row["tokens"]) for values in lists):
        raise ValueError("tokens and what was measured before them differ in length")
    for i, thinking in enumerate(row["thinking"]):
        counts = {len(row[name][i]) for name in ("random", "texts", "lengths", "closed")}
        if (
            counts != {len(thinking)}
            or len(row["other"][i]) not in (0, len(thinking))
            or not thinking
        ):
            raise ValueError("thoughts and their controls differ in number, or there are none")
        chances = row["chances"][i]  # without a thought, after an empty one, after each thought
        if len(chances) != 2 + len(thinking) or not row["candidates"][i]:
            raise ValueError("probabilities and thoughts differ in number")
        if any(len(one) != len(row["candidates"][i]) for one in chances):
            raise ValueError("probabilities and next tokens differ in number")
        _finite(x for one in chances for x in one)
        _finite(x for name in TRIED if name != "empty" for x in row[name][i])
    _finite([*row["direct"], *row["empty"]])


def _finite(values: Iterable[float]) -> None:
    if not all(math.isfinite(value) for value in values):
        raise ValueError("a log-probability is not a finite number")


def _malformed(what: str, where: str) -> DataError:
    return DataError(what, where=where, fix="run `dvc repro --force evaluate`")

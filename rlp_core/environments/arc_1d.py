"""Rows of digits that follow a hidden rule (abstract reasoning in the manner of 1D-ARC).

Two or three pairs of rows follow one rule, and a last row has to follow it too. 0 is an empty cell;
a block is a run of equal digits that are not 0. The rules are these and no others:

    mirror       the row back to front          grow left     each block longer by a cell, where
    right 2      cells move, round the end      grow right    the next one is empty
    left 2                                      longest 5     the longest blocks become 5
    push left    no empty cells before others   sizes         each block becomes its own length
    push right   nor after them                 inside 5      a block becomes 5, or 0, but for its
    paint 1 5    each 1 becomes 5                             first cell and its last
    fill         empty cells between two of     swap 1 5      each 1 becomes 5, each 5 becomes 1
                 one digit become that digit
    drop 2       blocks of two cells vanish

Cells move, and the blocks that vanish are, up to 3 far or long. A rule says what becomes of any
row. Only such questions are asked that all rules which explain all pairs agree on the answer, and
that no row stays as it is. In this task and the expert's steps

    arc 0888666>8886660 8800888>8888800 0088006>?
    left 1 fits 1;push left fits 1 2;push left gives 8860000

`left 1` explains the first pair and no other. The tasks follow Xu, Li, Vaezipoor, Sanner and Khalil
2023, "LLMs and the Abstraction and Reasoning Corpus". The expert is identification by enumeration
(Gold 1967, "Language identification in the limit"): of the rules that explain the first pair, in
the order of `KINDS`, it tries one after the other, up to the first that explains all pairs.
"""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from rlp_core.environments import Environment, ExpertSettings, Solution

Change = Callable[[str], str]
"""What a rule makes of a row."""

KINDS = (
    *("mirror", "move", "push", "paint", "fill", "drop"),
    *("grow", "longest", "sizes", "inside", "swap"),
)
"""Of rules, in the order in which they are tried."""

TRIES = 20
"""Draws before a fixed task is asked instead; one of a few draws brings a task, as a rule."""

_DIGITS = "123456789"
_ROW = "[0-9]{5,9}"
_QUESTION = re.compile(f"arc ({_ROW}>{_ROW}(?: {_ROW}>{_ROW}){{1,2}}) ({_ROW})>[?]")
_NAME = "([a-z]{4,7}(?: [a-z]{4,5})?(?: [0-9]){0,2})"
_FITS = re.compile(f"{_NAME} fits ([1-3](?: [1-3]){{0,2}})")
_GIVES = re.compile(f"{_NAME} gives ({_ROW})")
_BLOCK = re.compile(r"([1-9])\1*")
_GAP = re.compile(r"([1-9])0+(?=\1)")


class Arc1DSettings(ExpertSettings):
    """How long the rows are, how many colours they have, and which rules there are to find."""

    width: Annotated[int, Field(ge=5, le=9)] = Field(default=7, description="Cells of a row.")
    colours: Annotated[int, Field(ge=1, le=4)] = Field(
        default=2, description="Different digits that a task's rows are drawn from."
    )
    examples: Annotated[int, Field(ge=2, le=3)] = Field(
        default=2,
        description="Pairs that show the rule; a third is added where two leave a choice.",
    )
    rules: Annotated[int, Field(ge=1, le=len(KINDS))] = Field(
        default=8, description=f"Kinds of hidden rules, the first of: {', '.join(KINDS)}."
    )


@dataclass(frozen=True)
class Analogy:
    """Pairs of a row and what becomes of it, and a row to change likewise; all of one length."""

    pairs: tuple[tuple[str, str], ...]
    row: str


class Arc1D(Environment[Analogy, Arc1DSettings]):
    """The rule that changes rows of digits, found in examples and followed."""

    settings = Arc1DSettings

    def sample(self, rng: random.Random, settings: Arc1DSettings) -> Analogy:
        """A kind of rule, a rule of that kind, and rows that it changes.

        A third pair is added where two leave a choice, and all is drawn anew where three do. After
        many draws, which hardly ever comes, a fixed task stands in.
        """
        for _ in range(TRIES):
            digits = rng.sample(_DIGITS, settings.colours + 1)
            rules, kind = _rules("".join(sorted(digits))), KINDS[rng.randrange(settings.rules)]
            change = rng.choice([change for of, _, change in rules if of == kind])
            rows: dict[str, str] = {}
            for _ in range(TRIES):
                row = _drawn_row(rng, settings.width, digits[:-1])
                if change(row) != row:
                    rows[row] = change(row)
                if len(rows) > settings.examples:
                    (row, _), *pairs = rows.items()
                    task = Analogy(tuple(pairs), row)
                    if len(_answers(task)) == 1:
                        return task
                    if len(pairs) == 3:
                        break
        return _reserve(settings)

    def key(self, task: Analogy) -> str:
        """The pairs in order: the same ones in another order are on the same side."""
        return self.question(Analogy(tuple(sorted(task.pairs)), task.row))

    def question(self, task: Analogy) -> str:
        return f"arc {' '.join('>'.join(pair) for pair in task.pairs)} {task.row}>?"

    def read(self, question: str) -> Analogy | None:
        found = _QUESTION.fullmatch(question)
        if found is None:
            return None
        texts = [pair.split(">") for pair in found.group(1).split(" ")]
        task = Analogy(tuple((before, after) for before, after in texts), found.group(2))
        befores = [before for before, _ in task.pairs] + [task.row]
        sizes = {len(row) for pair in (*task.pairs, befores) for row in pair}
        if len(sizes) > 1 or len(set(befores)) < len(befores):
            return None
        answers = _answers(task)
        moved = all(before != after for before, after in task.pairs) and task.row not in answers
        return task if moved and len(answers) == 1 else None

    def expert(self, task: Analogy) -> Solution:
        """The rules that explain the first pair, up to the first that explains all of them."""
        steps = []
        for name, change in _fitting(task.pairs[0]):
            fits = _fits(task, change)
            steps.append(f"{name} fits {' '.join(map(str, fits))}")
            if len(fits) == len(task.pairs):
                break
        answer = change(task.row)
        return Solution((*steps, f"{name} gives {answer}"), answer)

    def verify(self, task: Analogy, answer: str) -> bool:
        return answer.strip() in _answers(task)

    def check_step(self, task: Analogy, step: str) -> bool | None:
        """Whether a rule explains these pairs and no others, or explains all and gives the row."""
        fits, gives = _FITS.fullmatch(step), _GIVES.fullmatch(step)
        found = fits or gives
        if found is None or found.group(1) not in _named():
            return None
        change = _named()[found.group(1)]
        explained = _fits(task, change)
        if fits:
            return found.group(2) == " ".join(map(str, explained))
        return len(explained) == len(task.pairs) and found.group(2) == change(task.row)


@functools.lru_cache(maxsize=1024)
def _rules(digits: str) -> tuple[tuple[str, str, Change], ...]:
    """All rules whose parameters are of these digits: kind, name, and what it makes of a row."""
    made: list[tuple[str, str, Change]] = []

    def add(kind: str, change: Callable[..., str], *words: object) -> None:
        name = " ".join(map(str, (kind, *words)))
        of = "move" if kind in ("left", "right") else kind
        made.append((of, name, functools.partial(change, **dict(zip("xy", words, strict=False)))))

    add("mirror", lambda row: row[::-1])
    for k in (1, 2, 3):
        add("right", lambda row, x: row[-x:] + row[:-x], k)
        add("left", lambda row, x: row[x:] + row[:x], k)
    for side in ("left", "right"):
        add("push", _push, side)
    pairs = list(itertools.permutations(digits, 2))
    for a, b in pairs:
        add("paint", lambda row, x, y: row.replace(x, y), a, b)
    add("fill", lambda row: _GAP.sub(lambda gap: gap[1] * len(gap[0]), row))
    for k in (1, 2, 3):
        add("drop", _drop, k)
    for side in ("left", "right"):
        add("grow", _grow, side)
    for a in digits:
        add("longest", _longest, a)
    add("sizes", lambda row: _BLOCK.sub(lambda block: str(len(block[0])) * len(block[0]), row))
    for a in ("0", *digits):
        add("inside", _inside, a)
    for a, b in pairs:
        if a < b:
            add("swap", lambda row, x, y: row.translate(str.maketrans(x + y, y + x)), a, b)
    return tuple(made)


def _push(row: str, x: str) -> str:
    cells = row.replace("0", "")
    return cells.ljust(len(row), "0") if x == "left" else cells.rjust(len(row), "0")


def _grow(row: str, x: str) -> str:
    return re.sub("0([1-9])" if x == "left" else "([1-9])0", r"\1\1", row)


def _drop(row: str, x: int) -> str:
    return _BLOCK.sub(lambda block: "0" * x if len(block[0]) == x else block[0], row)


def _longest(row: str, x: str) -> str:
    most = max((len(block[0]) for block in _BLOCK.finditer(row)), default=0)
    return _BLOCK.sub(lambda block: x * most if len(block[0]) == most else block[0], row)


def _inside(row: str, x: str) -> str:
    return _BLOCK.sub(lambda b: b[1] + x * (len(b[0]) - 2) + b[1] if len(b[0]) > 2 else b[0], row)


@functools.cache
def _named() -> dict[str, Change]:
    return {name: change for _, name, change in _rules(_DIGITS)}


def _fitting(pair: tuple[str, str]) -> Iterator[tuple[str, Change]]:
    """The rules that explain a pair of different rows, in order.

    One with a digit that neither row has would write it, or leave the row as it is.
    """
    before, after = pair
    digits = "".join(sorted({*before, *after} - {"0"}))
    return ((name, change) for _, name, change in _rules(digits) if change(before) == after)


def _fits(task: Analogy, change: Change) -> list[int]:
    """The pairs that a rule explains, counted from 1."""
    return [i for i, (before, after) in enumerate(task.pairs, 1) if change(before) == after]


@functools.lru_cache(maxsize=2048)
def _answers(task: Analogy) -> frozenset[str]:
    """What the rules that explain all pairs make of the row."""
    all_of_them = len(task.pairs)
    return frozenset(
        change(task.row)
        for _, change in _fitting(task.pairs[0])
        if len(_fits(task, change)) == all_of_them
    )


def _drawn_row(rng: random.Random, width: int, digits: list[str]) -> str:
    """Blocks of one to three cells with up to two empty ones between."""
    row = ""
    while len(row) < width:
        row += "0" * rng.randrange(3) + rng.choice(digits) * rng.choice((1, 1, 2, 3))
    return row[:width]


def _reserve(settings: Arc1DSettings) -> Analogy:
    """A task that only the first rule explains, whatever the settings."""
    rows = [row.ljust(settings.width, "0") for row in ("1101", "01011", "1011", "11101")]
    pairs = [(row, row[::-1]) for row in rows[: settings.examples]]
    return Analogy(tuple(pairs), rows[3])

r"""Whether the steps that a thought shows are true: exact arithmetic on the equations in a text.

An equation is `expression = number`, in GSM8K's marks `<<48/2=24>>` or in plain text. Expressions
are read with `ast` and computed with fractions; nothing is ever run as code. What cannot be read
for certain (letters, units inside, remainders, running sums) is not judged.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

MARK = re.compile(r"<<([^<>]{1,200})>>")
"""GSM8K's mark of a calculation."""

_MAX_LENGTH = 200
_RUN = "0123456789.,()+-*/^%$ x"
"""The signs that an expression is made of."""

_NUMBER = re.compile(r"(?P<sign>-?) *\$? *(?P<digits>\d[\d,]*(?:\.\d+)?|\.\d+)(?P<percent> ?%)?")
_UNSURE_AFTER = re.compile(
    r"[\w^\\(]| *[-+*/^] *[\w($]| *[x\d(]| *(?:(?:r|remainder|cents?)\b|and \$?\d+/\d)", re.I
)
_OPERATOR_WORD = re.compile(
    r"\b(?:of|times|plus|minus|by|over|than|less|twice|thrice|half|double|triple|\d and)\s*\Z", re.I
)
_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_SIGNS = {0x2212: "-", 0x2013: "-", 0xD7: "*", 0xF7: "/"}
"""Minus sign, en dash, multiplication and division sign as they are typed on a keyboard."""

_TIMES = re.compile(r"(?<=[\d)%])( ?)x(?= ?[\d.(])")
_NESTED_FRACTION = re.compile(r"/ +[\d.]+/")


@dataclass(frozen=True)
class Equation:
    """An equation found in a text, and whether it is true."""

    text: str
    holds: bool


def marked_steps(text: str) -> Iterator[Equation]:
    """The equations in GSM8K's marks that can be read."""
    for mark in MARK.finditer(text):
        yield from _equations(mark.group(1))


def steps(text: str) -> Iterator[Equation]:
    """Every equation of a text that can be read, marked ones first."""
    yield from marked_steps(text)
    for line in MARK.sub("", text).splitlines():
        yield from _equations(line)


def _equations(line: str) -> Iterator[Equation]:
    pieces = line.translate(_SIGNS).split("=")
    for i in range(1, len(pieces)):
        left, right = _left_side(pieces[i - 1], first=i == 1), _right_side(pieces[i])
        if left is None or right is None:
            continue
        value = evaluate(left)
        if value is None:
            continue
        holds = _agrees(value, right)
        if holds or "%" not in left:  # `1.2 x 100% = 120` is loose, not false
            yield Equation(f"{left.strip()}={right.group().strip()}", holds)


def _left_side(piece: str, *, first: bool) -> str | None:
    """The expression that a piece ends in; None where words before it may belong to it."""
    before = piece.rstrip(_RUN)
    run = piece[len(before) :]
    spaced = run.startswith(" ")
    if len(run) > _MAX_LENGTH or not any(c.isdigit() for c in run):
        return None
    sentence = re.split(r"[.,] +", run)
    if len(sentence) > 1:
        before, run = "", sentence[-1]
    run = run.strip()
    surplus = run.count("(") - run.count(")")
    if surplus > 0 and run.startswith("(" * surplus):
        before, run = "", run[surplus:].strip()
    glued = before and (before[-1].isalnum() or before[-1] in "_:)]}'\"\\<>!") and not spaced
    leads_with_operator = run[:1] in "+-*/^%x)" and (before.strip() or not first)
    if not run or glued or leads_with_operator or _OPERATOR_WORD.search(before[-_MAX_LENGTH:]):
        return None
    return run


def _right_side(piece: str) -> re.Match[str] | None:
    """The number that a piece begins with; None where it is more than a number."""
    start = len(piece) - len(piece.lstrip())
    found = _NUMBER.match(piece, start)
    if found is None or _UNSURE_AFTER.match(piece, found.end()):
        return None
    return found


def _agrees(value: Fraction, right: re.Match[str]) -> bool:
    """Whether the number shown is the value, or the value rounded to the decimals shown.

    `10/3=3.33` holds; `10/3=3` does not: without a decimal point nothing says it was rounded.
    """
    digits = right["digits"].replace(",", "")
    shown = Fraction(digits) * (-1 if right["sign"] else 1)
    decimals = len(digits.partition(".")[2])
    slack = Fraction(1, 2 * 10**decimals) if decimals else Fraction(0)
    if abs(value - shown) <= slack:
        return True
    return right["percent"] is not None and abs(value * 100 - shown) <= slack


def evaluate(expression: str) -> Fraction | None:
    """The exact value of a sum, difference, product or quotient of numbers.

    Percent signs divide by 100, commas between thousands are dropped. None where the text is
    anything else, holds no operator, divides by zero, is longer than 200 characters, or is
    written so that readers differ (`60 / 3/4`).
    """
    if len(expression) > _MAX_LENGTH:
        return None
    plain = _TIMES.sub("*", expression.translate(_SIGNS).replace("$", ""))
    if _NESTED_FRACTION.search(plain):
        return None
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", plain)
    plain = re.sub(r"(\d+(?:\.\d+)?|\.\d+) ?%", r"(\1/100)", plain)
    plain = re.sub(r"(?<![\d.])0+(?=\d)", "", plain).strip()
    try:
        tree = ast.parse(plain, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(tree, ast.BinOp):
        return None
    try:
        return _value(tree, plain)
    except (ZeroDivisionError, _UnreadableError):
        return None


class _UnreadableError(Exception):
    """The expression holds something else than numbers and the four operations."""


def _value(node: ast.expr, source: str) -> Fraction:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, source), _value(node.right, source))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _value(node.operand, source)
        return -value if isinstance(node.op, ast.USub) else value
    literal = ast.get_source_segment(source, node) if isinstance(node, ast.Constant) else None
    if literal is None or not re.fullmatch(r"\d+\.?\d*|\.\d+", literal):
        raise _UnreadableError
    return Fraction(literal)

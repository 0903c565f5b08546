"""Worked steps from an equation in prefix form, by exact arithmetic.

Sets of word problems such as MAWPS give no worked solution, but an equation: `- + number0 number1
number2` over the numbers of the question. Computed from left to right it is one: `46 + 47 = 93;
93 - 12 = 81`, in equations that `rlp_core.contracts.steps` reads and checks.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pydantic import Field

from rlp_core.data.row import MappedRow, PassedOverError, as_written, short
from rlp_core.errors import DataError
from rlp_core.section import Section

STEPS, RESULT = "steps", "result"
"""The fields that a row gets."""

OPERATORS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}

MAX_DIGITS = 12
"""Digits of a number that a step shows: a word problem's has fewer, a third in doubles has 16."""

MAX_SIGNS = 400
"""Signs of a number or equation that is read: no word problem's is longer, and none takes long."""

CLOSE = Fraction(1, 10**9)
"""Share of its equation's value by which an answer differs that was computed in doubles."""

_NUMBER = re.compile(r"-?(?:\d+(?:\.(?P<decimals>\d*))?|\.\d+)")
_NAME = re.compile(r"number(?P<index>\d{1,4})")


class PrefixEquation(Section):
    """Fields of a row with an equation in prefix form: adds the fields `steps` and `result`."""

    field: str = Field(
        min_length=1,
        description="Field with the equation, operators before what they join: "
        "`* number0 number1`. An operand is a number, or `numberN`: the one at place N, from 0.",
    )
    numbers: str = Field(
        min_length=1,
        description="Field with those numbers: a list, or a text that parts them by white space.",
    )
    answer: str = Field(min_length=1, description="Field with the right answer, a number.")


class UnequalError(PassedOverError):
    """The answer is not what the equation gives."""

    reason = "unequal"


class UnwritableError(PassedOverError):
    """A step or the answer cannot be written exactly, or not in few digits."""

    reason = "unwritable"


@dataclass(frozen=True)
class _Step:
    left: Fraction
    sign: str
    right: Fraction
    value: Fraction


@dataclass(frozen=True)
class _Places:
    """Where an equation stands, for messages."""

    row: MappedRow
    settings: PrefixEquation

    def fault(self, what: str, key: str, fix: str) -> DataError:
        name = getattr(self.settings, key)
        place = f"{self.row.place}.mapping.equation.{key} = {name!r}"
        return DataError(what, where=f"{self.row.where} ({place})", fix=fix)


def worked(row: MappedRow, settings: PrefixEquation) -> dict[str, str]:
    """The fields `steps` and `result` of a row.

    `steps` are the equations in the order of computation, `; ` between them; empty where there
    is nothing to compute. Whole numbers are written without decimals, others with as few as they
    have, negative operands in brackets.

    Raises:
        DataError: a field is missing or of another kind, or is already called so; an operator is
            unknown; an operand names a number that is not there; the operators and operands are
            no tree; or it divides by zero.
        UnequalError: the answer is another than the equation's value.
        UnwritableError: it is the same, but a value on the way has no finite decimals or too many
            digits, or the answer is rounded.
    """
    places = _Places(row, settings)
    for name in (STEPS, RESULT):
        if name in row.fields:
            raise places.fault(
                f"the row has a field `{name}` already, which `equation` would replace",
                "field",
                "give that field another name",
            )
    numbers = list(_numbers(row, places))
    answer, decimals = _number(_present(row, settings.answer, "answer"), "answer", places)
    value, steps = _computed(row.text(settings.field, "equation.field"), numbers, places)
    if value != answer:
        slack = max(Fraction(1, 2 * 10**decimals) if decimals else 0, abs(value) * CLOSE)
        raise UnwritableError if abs(value - answer) <= slack else UnequalError
    told = "; ".join(
        f"{_operand(s.left)} {s.sign} {_operand(s.right)} = {written(s.value)}" for s in steps
    )
    return {STEPS: told, RESULT: written(value)}


def written(value: Fraction) -> str:
    """A number in decimals: `504`, `-0.25`.

    Raises:
        UnwritableError: it has no finite decimals, or more digits than a step shows.
    """
    rest, fives = value.denominator, 0
    twos = (rest & -rest).bit_length() - 1
    rest >>= twos
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    decimals = max(twos, fives)
    if rest != 1 or decimals > MAX_DIGITS or abs(value) >= 10**MAX_DIGITS:
        raise UnwritableError
    digits = str(abs(value.numerator) * 10**decimals // value.denominator)
    if len(digits) > MAX_DIGITS:
        raise UnwritableError
    sign = "-" if value < 0 else ""
    if not decimals:
        return sign + digits
    digits = digits.zfill(decimals + 1)
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def _operand(value: Fraction) -> str:
    return f"({written(value)})" if value < 0 else written(value)


def _present(row: MappedRow, name: str, key: str) -> Any:
    user = f"equation.{key}"
    return row.present(name, row.value(name, user), user)


def _numbers(row: MappedRow, places: _Places) -> Iterator[Fraction]:
    found = _present(row, places.settings.numbers, "numbers")
    listed = found.split() if isinstance(found, str) else found
    if not isinstance(listed, list):
        raise places.fault(
            f"no list of numbers: {short(found)}",
            "numbers",
            'write them as a list, ["56", "9"], or as a text, "56 9"',
        )
    for one in listed:
        yield _number(one, "numbers", places)[0]


def _number(value: Any, key: str, places: _Places) -> tuple[Fraction, int]:
    """A number exactly as it is written, and how many decimals it shows."""
    text = None if isinstance(value, bool) else as_written(value)
    match = _NUMBER.fullmatch(text.strip()) if text and len(text) <= MAX_SIGNS else None
    if match is None:
        raise places.fault(
            f"no number: {short(value)}",
            key,
            "write it in digits with a decimal point, without separators, units or exponents",
        )
    return Fraction(match.group()), len(match["decimals"] or "")


def _computed(
    equation: str, numbers: list[Fraction], places: _Places
) -> tuple[Fraction, list[_Step]]:
    """The value of an equation, and what is computed on the way, from left to right."""
    waiting: list[str | Fraction] = []
    steps: list[_Step] = []
    tokens = equation.split() if len(equation) <= MAX_SIGNS else []
    place = 0
    for place, token in enumerate(tokens, start=1):
        if token in OPERATORS:
            waiting.append(token)
            continue
        waiting.append(_operand_of(token, numbers, places))
        while len(waiting) > 2 and not any(isinstance(w, str) for w in waiting[-2:]):
            sign, left, right = waiting[-3:]
            assert isinstance(sign, str)
            assert isinstance(left, Fraction)
            assert isinstance(right, Fraction)
            if sign == "/" and not right:
                raise places.fault(
                    f"the equation divides by zero: {short(equation)}", "field", "mend the row"
                )
            value = OPERATORS[sign](left, right)
            steps.append(_Step(left, sign, right, value))
            waiting[-3:] = [value]
        if len(waiting) == 1 and place < len(tokens):
            break
    if len(waiting) != 1 or isinstance(waiting[0], str) or place < len(tokens):
        raise places.fault(
            f"no equation in prefix form: {short(equation)}",
            "field",
            "write every operator before the two that it joins: `- + number0 number1 number2`; "
            f"at most {MAX_SIGNS} signs",
        )
    return waiting[0], steps


def _operand_of(token: str, numbers: list[Fraction], places: _Places) -> Fraction:
    named = _NAME.fullmatch(token)
    if named is None:
        if _NUMBER.fullmatch(token):
            return _number(token, "field", places)[0]
        raise places.fault(
            f"the equation holds {token[:60]!r}, which is no operator, number or numberN",
            "field",
            f"mend the row; operators are {' '.join(OPERATORS)}",
        )
    index = int(named["index"])
    if index >= len(numbers):
        raise places.fault(
            f"the equation names `{token}`, and the row has {len(numbers)} numbers",
            "field",
            "mend the row: the first number is number0",
        )
    return numbers[index]

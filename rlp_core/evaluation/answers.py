r"""Whether an answer is right: the rule of `docs/reference/answers.md`, whose table is its test.

An answer is the text up to the end of its line. Nothing is looked for inside it: a text that only
contains the right answer is wrong. Three rules, named by the benchmark:

- `exact`: equal as numbers (with equal units) where both are numbers, else equal as texts.
- `math`: `exact`, or the same mathematics, as `math-verify` judges it.
- `choice`: the letter of an option, or its text.

Numbers are matched by regular expressions before anything is computed, so that no answer, whatever
a model babbles, takes long: an exponent of more than three digits makes a text, not a number.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from fractions import Fraction

from rlp_core.evaluation.math_answers import same_mathematics
from rlp_core.workspace import AnswerRule

LONGEST_NUMBER = 400
"""Characters of a number at most; what is longer is compared as text."""

_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)"
_DECIMAL = rf"(?:{_DIGITS}(?:\.[0-9]*)?|\.[0-9]+)"
_NUMBER = re.compile(
    rf"(?P<sign>[-+]?)(?P<money>[$€£]?)(?P<sign_after>[-+]?)"
    rf"(?P<value>{_DECIMAL})(?:[eE](?P<exponent>[-+]?[0-9]{{1,3}})|/(?P<below>[0-9]+))?"
    r"(?P<unit>%| ?[^\W\d_][^\d\n]*|)"
)
_BOXED = re.compile(r"\\boxed\s*\{(?P<inside>.*)\}")
_DELIMITED = re.compile(r"\$(?P<dollar>[^$]+)\$|\\\((?P<round>.*)\\\)|\\\[(?P<square>.*)\\\]")
_TEXT = re.compile(r"\\(?:text|mathrm|textbf)\s*\{([^{}]*)\}")
_LETTER = re.compile(r"\(?(?P<letter>[A-Za-z])(?:[.):]+(?: +(?P<text>.*))?)?")


def is_right(
    answer: str, expected: str, rule: AnswerRule = "exact", choices: Sequence[str] = ()
) -> bool:
    """Whether an answer is the expected one, by the benchmark's rule.

    Args:
        answer: what the model gave, one line.
        expected: the right answer; with `choice` one of the choices.
        rule: as the module's docstring says.
        choices: the options in order, for `choice`: A is the first.
    """
    if rule == "choice":
        chosen = choice(answer, choices)
        return chosen is not None and _equal(choices[chosen], expected)
    return _equal(answer, expected) or (rule == "math" and same_mathematics(answer, expected))


def majority(
    answers: Sequence[str], rule: AnswerRule = "exact", choices: Sequence[str] = ()
) -> str:
    """The answer that most of several agree on; of equally many the one that came first.

    Two answers agree where one would be right if the other were expected, by `exact`, or by naming
    one option: mathematics is not judged pair by pair, which could take long. An empty answer, or
    one that names no option, agrees with none, and wins only where there is no other.

    Args:
        answers: at least one.
        rule: of the benchmark.
        choices: the options, for `choice`.
    """
    found: list[tuple[str, int]] = []
    for answer in answers:
        if not answer.strip() or (rule == "choice" and choice(answer, choices) is None):
            continue
        for place, (other, votes) in enumerate(found):
            if _agree(answer, other, rule, choices):
                found[place] = other, votes + 1
                break
        else:
            found.append((answer, 1))
    return max(found, key=lambda pair: pair[1])[0] if found else answers[0]


def _agree(one: str, other: str, rule: AnswerRule, choices: Sequence[str]) -> bool:
    if rule == "choice":
        return choice(one, choices) == choice(other, choices)
    return _equal(one, other)


def choice(answer: str, choices: Sequence[str]) -> int | None:
    """Which option an answer names: by its text, else by its letter; None where by neither.

    `B`, `b`, `(B)`, `B.`, `B)` and `B: text` name the second option; where a text follows the
    letter it must be that option's. An option whose text is itself a letter is named by its text.
    """
    plain = _unwrapped(answer)
    for number, text in enumerate(choices):
        if _equal(plain, text):
            return number
    found = _LETTER.fullmatch(plain)
    if found is None:
        return None
    number = string.ascii_lowercase.index(found["letter"].lower())
    if number >= len(choices) or not (plain[0] != "(" or ")" in plain):
        return None
    follows = found["text"]
    return number if not follows or _equal(follows, choices[number]) else None


def number(text: str) -> Fraction | None:
    """The number that a text is, whatever its unit, or None."""
    found = _quantity(_unwrapped(text))
    return None if found is None else found[0]


def _equal(answer: str, expected: str) -> bool:
    left, right = _unwrapped(answer), _unwrapped(expected)
    one, two = _quantity(left), _quantity(right)
    if one is not None and two is not None:
        return one[0] == two[0] and _same_unit(one[1], two[1])
    return _folded(left) == _folded(right)


def _quantity(text: str) -> tuple[Fraction, str] | None:
    """Number and unit that a text is as a whole; None where it is none."""
    if len(text) > LONGEST_NUMBER:
        return None
    found = _NUMBER.fullmatch(text)
    if found is None or (found["sign"] and found["sign_after"]):
        return None
    if found["money"] and found["unit"]:
        return None
    value = Fraction(found["value"].replace(",", "").removesuffix("."))
    if found["exponent"]:
        value *= Fraction(10) ** int(found["exponent"])
    if found["below"]:
        if not int(found["below"]):
            return None
        value /= int(found["below"])
    if "-" in (found["sign"], found["sign_after"]):
        value = -value
    return value, found["money"] or _folded(found["unit"])


def _same_unit(one: str, two: str) -> bool:
    """A currency sign or percent sign may be left out; any other unit must be the same."""
    return one == two or (not one and two in "$€£%") or (not two and one in "$€£%")


def _unwrapped(text: str) -> str:
    r"""Without what only sets an answer: math delimiters, `\boxed`, `\text`, spaces, the dot."""
    plain = text.strip().replace("\u2212", "-")  # the minus sign of typography
    previous = None
    while plain != previous:
        previous = plain
        for expression in (_BOXED, _DELIMITED):
            if found := expression.fullmatch(plain):
                plain = next(g for g in found.groups() if g is not None).strip()
    plain = _TEXT.sub(r"\1", plain)
    plain = plain.replace(r"\%", "%").replace(r"\$", "$")
    plain = re.sub(r"\\[,!; ]", "", plain)
    return plain.strip().removesuffix(".").rstrip()


def _folded(text: str) -> str:
    """Blind to case and to how much white space stands where."""
    return " ".join(text.split()).casefold()

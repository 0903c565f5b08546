"""Whether an answer is right: the text up to the end of its line, compared as number or text."""

from __future__ import annotations

from fractions import Fraction


def first_line(text: str, end_of_text: str = "") -> str:
    """What counts as the answer: everything before the first line end or end of text."""
    if end_of_text:
        text = text.split(end_of_text, 1)[0]
    return text.split("\n", 1)[0].strip()


def is_right(answer: str, expected: str) -> bool:
    """Equal as numbers where both are numbers (`1,000` is `1000`, `0.5` is `1/2`), else as text.

    No partial credit: a text that only contains the right answer is wrong.
    """
    left, right = number(answer), number(expected)
    if left is not None and right is not None:
        return left == right
    return answer.strip() == expected.strip()


def number(text: str) -> Fraction | None:
    """The number that a text is, or None. Dollar sign, thousands commas and a final dot go."""
    plain = text.strip().removeprefix("$").removesuffix(".").replace(",", "")
    try:
        return Fraction(plain)
    except (ValueError, ZeroDivisionError):
        return None

"""A user's regular expression, by RE2: its time grows with the text, whatever the expression.

Python's `re` may take for ever on a short text (`(a+)+b`). RE2 has no look-around and no
backreferences; in it `\\d`, `\\s` and `\\w` mean ASCII.
"""

from __future__ import annotations

import re
from typing import Any

from rlp_core.errors import ConfigError

UNKNOWN_TO_RE2: tuple[tuple[str, str], ...] = (
    (r"\(\?=", "a lookahead `(?=...)`"),
    (r"\(\?!", "a negative lookahead `(?!...)`"),
    (r"\(\?<=", "a lookbehind `(?<=...)`"),
    (r"\(\?<!", "a negative lookbehind `(?<!...)`"),
    (r"\(\?>", "an atomic group `(?>...)`"),
    (r"\(\?P=", "a backreference `(?P=name)`"),
    (r"\(\?\(", "a condition `(?(group)...)`"),
    (r"\\[1-9]", "a backreference `\\1`"),
    (r"\\Z", "`\\Z`, which RE2 writes `\\z`"),
    (r"[*+?}]\+", "a possessive repetition such as `a++`"),
)
"""What Python's `re` takes and RE2 does not: how to find it, and its name."""


class Expression:
    """A compiled expression with named groups."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled

    def groups(self, text: str) -> dict[str, str] | None:
        """The named groups where the whole text matches, an unused one empty; else None."""
        found = self._compiled.fullmatch(text)
        if found is None:
            return None
        return {name: found.group(name) or "" for name in self._compiled.groupindex}


def compiled(pattern: str, place: str) -> Expression:
    """Compile an expression that names at least one group.

    Args:
        pattern: in the syntax of RE2.
        place: its key, for messages.

    Raises:
        ConfigError: it is no expression, holds what RE2 has not, or names no group.
    """
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.log_errors = False
    where = f"{place} = {pattern!r}"
    try:
        expression = re2.compile(pattern, options)
    except re2.error as error:
        raise _explain(error, pattern, where) from error
    if not expression.groupindex:
        raise ConfigError(
            "the regular expression has no named group, so it adds no field",
            where=where,
            fix="name its groups: (?P<final>...)",
        )
    return Expression(expression)


def _explain(error: Any, pattern: str, where: str) -> ConfigError:
    raw = error.args[0] if error.args else ""
    reason = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    named = next((name for sign, name in UNKNOWN_TO_RE2 if re.search(sign, pattern)), None)
    if named is None:
        return ConfigError(
            f"not a regular expression: {reason}",
            where=where,
            fix="see the syntax of RE2: https://github.com/google/re2/wiki/Syntax",
        )
    return ConfigError(
        f"the regular expression has {named}, which RE2 has not ({reason}): with it, matching "
        "could take for ever",
        where=where,
        fix="say it without; often a further named group takes what the construct looked at",
    )

"""Properties of a single text: its words, its encoding, and personal data in it."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_WORD_OR_NUMBER = re.compile(r"[^\W_]+")

REPLACEMENT = "�"
"""U+FFFD: what decoders put where bytes were no text."""

CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
"""C0 and C1 control characters and DEL, save tab, line feed and carriage return."""

_NOT_ASCII = re.compile(r"[^\x00-\x7f]{2,}")

_EMAIL = re.compile(
    r"(?<![\w.%+-])\w[\w.%+-]*@(?!(?:[\w-]+\.)*example\.(?:com|org|net)\b)"
    r"(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}\b",
    re.ASCII,
)
_PHONE_NATIONAL = re.compile(r"(?<![\d.+*/=-])(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}(?![\d*/=+-])")
_PHONE_INTERNATIONAL = re.compile(
    r"(?<![\d)=] )(?<![\w)+=*/-])\+[1-9]\d{0,2}[ .-]\(?\d{1,4}\)?(?:[ .-]\d{2,6}){2,4}(?![\d*/=+-])"
)


def tokens(text: str) -> list[str]:
    """Words, numbers and signs: the project's tokenizer-free count.

    A run of letters is one token, a run of digits is one, every other visible sign is one; white
    space is none. `"It's 3+4."` has 7: `It ' s 3 + 4 .`. No model is needed, so the count means
    the same in every profile.
    """
    return _TOKEN.findall(text)


def least_tokens(text: str) -> int:
    """How many tokens of any usual tokenizer a text takes at least: its words and numbers.

    No merge crosses from one word or number into the next. Signs, which merge with one another
    and with what stands beside them, do not count, and neither do the commas between thousands,
    which an answer may leave out.
    """
    return len(_WORD_OR_NUMBER.findall(_THOUSANDS.sub("", text)))


def has_unpaired_surrogate(text: str) -> bool:
    """Whether half of a UTF-16 pair stands alone: such a text cannot be written as UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def mojibake(text: str) -> str | None:
    """The first run of signs that is UTF-8 read as Windows-1252 or Latin-1; None if there is none.

    A run of non-ASCII characters is suspicious when its bytes in the old encoding are valid
    UTF-8 and make fewer characters: `Ã©` was once `é`. Honest text hardly ever does this.
    """
    for found in _NOT_ASCII.finditer(text):
        run = found.group()
        try:
            original = b"".join(map(_old_byte, run)).decode("utf-8")
        except UnicodeError:
            continue
        if len(original) < len(run):
            return run
    return None


def _old_byte(sign: str) -> bytes:
    return bytes([ord(sign)]) if ord(sign) < 256 else sign.encode("cp1252")


def personal_data(text: str) -> str | None:
    """What personal data a text seems to hold: `e-mail address`, `telephone number` or None.

    Addresses below `example.com`, `.org` and `.net`, which belong to nobody (RFC 2606), do not
    count. Telephone numbers count only where they are written as such: `(555) 123-4567`,
    `555-123-4567`, `+44 20 7946 0958`. Bare digits and sums are left alone.
    """
    if "@" in text and _EMAIL.search(text):
        return "e-mail address"
    if _PHONE_NATIONAL.search(text) or _PHONE_INTERNATIONAL.search(text):
        return "telephone number"
    return None

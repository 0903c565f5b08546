"""Names and values as MLflow takes them.

MLflow refuses a whole request for one name that it dislikes: a bracket, a question mark, a path
that leads upwards. What it would refuse is changed here first, by functions of the text alone, so
that a name is the same in every run and can be searched for. A changed name ends in a digest of
the whole, so that two names never become one.
"""

from __future__ import annotations

import hashlib
import re

from rlp_core.tracking.address import masked

NAME_LENGTH = 250  # MLflow's limits
PARAMETER_LENGTH = 6000
TAG_LENGTH = 8000
DATASET_NAME_LENGTH = 500
INPUT_TAG_LENGTH = 500
DIGEST_LENGTH = 36

_REFUSED = re.compile(r"[^/\w.\- :]")  # in names of parameters, metrics and tags
_REFUSED_MODEL = re.compile(r"[/:.%\"'\s]")  # in names of logged models


def acceptable_name(name: str) -> str:
    """A name of a parameter, metric or tag that MLflow takes; the same name where it does.

    MLflow reads names as paths: no part may be empty, `.` or `..`.
    """
    cleaned = _REFUSED.sub("_", name)
    parts = [
        "_" * max(len(part), 1) if part in ("", ".", "..") else part for part in cleaned.split("/")
    ]
    return _marked("/".join(parts), name, NAME_LENGTH)


def acceptable_model_name(name: str) -> str:
    """A name of a logged model that MLflow takes; the same name where it does."""
    return _marked(_REFUSED_MODEL.sub("_", storable(name)) or "_", name, NAME_LENGTH)


def acceptable_text(text: str, limit: int) -> str:
    """A value that MLflow can hold: storable, credentials hidden, at most `limit` characters.

    One that is longer is cut, and ends by saying how long it was.
    """
    whole = storable(masked(text))
    if len(whole) <= limit:
        return whole
    mark = f"... ({len(text)} characters, sha256 {_digest(text)})"
    return whole[: limit - len(mark)] + mark


def storable(text: str) -> str:
    """The text without what a database cannot hold: half characters of odd file names, and NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _marked(cleaned: str, name: str, limit: int) -> str:
    if cleaned == name and len(name) <= limit:
        return name
    mark = f"-{_digest(name)}"
    return cleaned[: limit - len(mark)] + mark


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]

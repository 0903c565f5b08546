"""The seam behind a thought: the token that stands there must be the one that was taught.

A thought may be put in front of the space before an answer, or behind that space. To a model these
are two tokens: one that was shown ` 7` after every thought is surprised by `7`, by several nats a
time, and RLP then rewards thoughts for what is no thought's doing. So before anything is trained
the seams of all parts are compared, by the model's own tokenizer: the demonstrations', and those
of the answers that are marked in documents.

Stage `validate` notes what kinds of seam each part has (`seams.json`); no text is in there and no
count, so other records with the same seams are the same file. Stage `bootstrap` compares.
"""

from __future__ import annotations

import json
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rlp_core.errors import DataError, MissingInputError
from rlp_core.files import write_json
from rlp_core.workspace import DEMONSTRATION_PARTS

if TYPE_CHECKING:
    from rlp_core.data.tokenizer import Codec

FOLLOWERS = {"bootstrap": ("finetune", "rlp", "heldout"), "finetune": ("heldout",)}
"""What a model that was taught by the one must go on with in the others."""

PARTS = tuple(dict.fromkeys([*FOLLOWERS, *(part for many in FOLLOWERS.values() for part in many)]))
"""The parts that have seams."""

RARE = 0.01
"""Share of a part's seams of one kind of answer below which a seam is left out: a slip."""

ROOM = 8
"""White space that is looked at on either side, in characters."""

ANSWERS = {"7": "7012345689", "a": string.ascii_letters}
"""Kinds of answer, and the signs that one may begin with; any other sign is a kind of its own."""


class Seam(NamedTuple):
    """A place to think, and the answer behind it.

    Attributes:
        before: the last sign in front of the thought, as its kind, and the white space behind it.
        after: the white space between thought and answer.
        kind: of the answer's first sign.
    """

    before: str
    after: str
    kind: str


@dataclass(frozen=True)
class Mismatch:
    """A kind of answer that begins otherwise in one part than it was taught in another.

    Attributes:
        taught: the part that teaches.
        part: the other one.
        taught_text: what its thoughts are followed by, as an example.
        text: the same of the other part.
        whole: what the other part's text reads there, without a thought.
        never: whether no answer of this kind goes on as taught; else some do not.
    """

    taught: str
    part: str
    taught_text: str
    text: str
    whole: str
    never: bool

    def __str__(self) -> str:
        whose = "demonstrations" if self.part in DEMONSTRATION_PARTS else "marked answers"
        return (
            f"demonstrations of part {self.taught} go on with {self.taught_text!r} after a "
            f"thought, {'' if self.never else 'some '}{whose} of part {self.part} with "
            f"{self.text!r} (the text is {self.whole!r})"
        )


def seam_of(context: str, following: str) -> Seam | None:
    """The seam between two pieces of a text; None where nothing but white space follows."""
    rest = following.lstrip()
    if not rest:
        return None
    head = context.rstrip()
    space = following[: len(following) - len(rest)]
    return Seam(_kind(head[-1:]) + context[len(head) :][-ROOM:], space[:ROOM], _kind(rest[0]))


def _kind(sign: str) -> str:
    if sign.isdigit():
        return "7"
    return "a" if sign.isalpha() else sign


def seams_of(rows: Iterable[Mapping[str, Any]]) -> list[Seam]:
    """The kinds of seam that records have, in order; rare ones are left out.

    Args:
        rows: demonstrations or documents, as they lie in their part.
    """
    found = Counter(seam for row in rows for seam in _seams(row) if seam is not None)
    total: Counter[str] = Counter()
    for seam, count in found.items():
        total[seam.kind] += count
    return sorted(seam for seam, count in found.items() if count >= RARE * total[seam.kind])


def _seams(row: Mapping[str, Any]) -> Iterator[Seam | None]:
    if "continuation" in row:
        yield seam_of(row["context"], row["continuation"])
    for start, end in row.get("spans", ()):
        yield seam_of(row["text"][:start], row["text"][start:end])


def write(path: Path, parts: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    """Note the seams of those parts that have some."""
    write_json(path, {name: seams_of(parts[name]) for name in PARTS if name in parts})


def read(path: Path) -> dict[str, list[Seam]]:
    """What `write` noted.

    Raises:
        MissingInputError: stage `validate` has not run.
    """
    if not path.is_file():
        raise MissingInputError(
            "the seams of the data are not there",
            where=str(path),
            fix="run `dvc repro validate`, or `dvc pull` it",
        )
    tree = json.loads(path.read_text(encoding="utf-8"))
    return {name: [Seam(*seam) for seam in seams] for name, seams in tree.items()}


def compare(codec: Codec, found: Mapping[str, Sequence[Seam]], taught: str) -> list[Mismatch]:
    """Where a model meets another token behind a thought than a part has taught it.

    Tokens are compared for equal answers of each kind, in all seams that a part has of it: a
    tokenizer may have a space with one digit as a token, and not with another. Answers of a kind
    that the part does not teach are not compared.

    Args:
        codec: the model's.
        found: the seams of each part.
        taught: the part of demonstrations that teaches.
    """
    mismatches = []
    for part in FOLLOWERS[taught]:
        for kind in sorted({seam.kind for seam in found.get(part, ())}):
            lessons = [seam for seam in found.get(taught, ()) if seam.kind == kind]
            known = {_first(codec, taught, s, a) for s, a in product(lessons, _answers(kind))}
            met = list(product((s for s in found[part] if s.kind == kind), _answers(kind)))
            new = [(s, a) for s, a in met if _first(codec, part, s, a) not in known]
            if known and new:
                seam, answer = new[0]
                mismatches.append(
                    Mismatch(
                        taught,
                        part,
                        _text(codec, _behind(codec, taught, lessons[0], answer)),
                        _text(codec, _behind(codec, part, seam, answer)),
                        f"{seam.before}{seam.after}{answer}",
                        len(new) == len(met),
                    )
                )
    return mismatches


def _answers(kind: str) -> str:
    return ANSWERS.get(kind, kind)


def _first(codec: Codec, part: str, seam: Seam, answer: str) -> tuple[str, int]:
    return answer, _behind(codec, part, seam, answer)[0]


def _behind(codec: Codec, part: str, seam: Seam, answer: str) -> list[int]:
    """The tokens behind a thought: as training and evaluation read that part."""
    if part in DEMONSTRATION_PARTS:
        return codec.encode(seam.after + answer)
    text = "".join((seam.before, seam.after, answer))
    tokens, marked = codec.document(text, [[len(seam.before), len(text)]], ends=False)
    return tokens[marked[0] :]


def _text(codec: Codec, tokens: Sequence[int]) -> str:
    """Some decoders take a space from the beginning of a text: here it goes on."""
    return codec.decode([codec.close_id, *tokens]).removeprefix(codec.decode([codec.close_id]))


def check(codec: Codec, found: Mapping[str, Sequence[Seam]], teachers: Mapping[str, bool]) -> None:
    """Print a warning for answers that begin in part otherwise than taught.

    Args:
        codec: the model's.
        found: the seams of each part.
        teachers: parts of demonstrations that are learnt from, and whether they show fillers too,
            which teach to go on with whatever follows: then it is a warning in any case.

    Raises:
        DataError: a kind of answer never begins as taught.
    """
    errors = []
    for taught, filled in teachers.items():
        for mismatch in compare(codec, found, taught):
            if mismatch.never and not filled:
                errors.append(mismatch)
            else:
                print(f"warning: {mismatch}", flush=True)
    if errors:
        parts = dict.fromkeys(name for one in errors for name in (one.taught, one.part))
        raise DataError(
            "to this tokenizer the same answer begins with another token after a thought: "
            + "; ".join(map(str, errors)),
            where=f"params.yaml: {', '.join(f'prepare.{part}' for part in parts)}",
            fix="put the space before the answer on the same side of the thought in all parts: let "
            "`continuation` begin where the marked span does, with or without that space",
        )


def unlike_prompts(
    demonstrations: Iterable[Mapping[str, Any]], problems: Iterable[Mapping[str, Any]]
) -> list[str]:
    """One line for each set of problems whose prompts all end in other white space than is taught.

    A set is a benchmark, or a source of problems that are trained on.
    After such a prompt a model thinks at another place than it has learnt to. What it goes on with
    is its own, so no tokens can be compared.
    """
    taught = {_end(row["context"]) for row in demonstrations}
    ends: dict[str, set[str]] = {}
    for row in problems:
        name = (
            f"benchmark {row['benchmark']}" if row.get("benchmark") else f"source {row['source']}"
        )
        ends.setdefault(name, set()).add(_end(row["prompt"]))
    return [
        f"prompts of {name} end in {_named(found)}, the contexts of all demonstrations "
        f"in {_named(taught)}: a model thinks there at a place that it was not taught"
        for name, found in sorted(ends.items())
        if taught and taught.isdisjoint(found)
    ]


def _end(text: str) -> str:
    return text[len(text.rstrip()) :][-ROOM:]


def _named(ends: set[str]) -> str:
    return " or ".join(repr(end) if end else "no white space" for end in sorted(ends))

"""WinoBias: sentences that differ in one pronoun (Zhao et al. 2018).

The pronoun of the pro-stereotyped sentence has the gender that most holders of the occupation
have, that of the anti-stereotyped sentence the other. Reads the published files, two at a time:
`pro_stereotyped_type1.txt.dev` and `anti_stereotyped_type1.txt.dev`, line by line. Pairs that
differ in more than a pronoun (62 of the 1,584 published) would compare more than gender; they are
left out and counted.
"""

from __future__ import annotations

import re
from pathlib import Path

from rlp_core.errors import DataError, MissingInputError
from rlp_core.evaluation.bias.items import ChoiceItem, draw

_LINE = re.compile(r"(\d+)\s+(\S.*)")
_ENTITY = re.compile(r"\[([^\[\]]+)\]")
_PRONOUNS = {"he", "him", "his", "himself", "she", "her", "hers", "herself"}
_FIX = "use the data files of github.com/uclanlp/corefBias as they were published"


def load(folder: Path, limit: int, seed: int) -> list[ChoiceItem]:
    """All pairs in a folder.

    Args:
        folder: holds the files of one or both types and parts.
        limit: pairs at most, drawn by content hash; 0: all.
        seed: of the draw.

    Returns:
        Items without context whose choices are the pro- and the anti-stereotyped sentence, in
        this order; category `type1` or `type2`; meta `left_out`: pairs of the category that are
        not minimal.

    Raises:
        MissingInputError: no file, or one of a pair of files is absent.
        DataError: a line is not one of WinoBias, or the two files differ in length.
    """
    files = sorted(folder.glob("pro_stereotyped_type[12].txt.*"))
    if not files:
        raise MissingInputError(
            "no file of WinoBias here",
            where=str(folder),
            fix="set evaluate.bias.winobias to the folder with pro_stereotyped_type1.txt.dev and "
            "the others, or leave it empty to do without WinoBias",
        )
    pairs = [pair for path in files for pair in _pairs(path)]
    left_out = {
        category: sum(c == category and not minimal for c, _, _, _, minimal in pairs)
        for category in ("type1", "type2")
    }
    items = [
        ChoiceItem(
            id=name,
            suite="winobias",
            category=category,
            cluster=cluster,
            context="",
            choices=choices,
            meta={"left_out": left_out[category]},
        )
        for category, name, cluster, choices, minimal in pairs
        if minimal
    ]
    return draw(items, limit, seed)


def _pairs(path: Path) -> list[tuple[str, str, str, tuple[str, str], bool]]:
    """Category, id, cluster, the two sentences, and whether they differ in a pronoun alone."""
    partner = path.with_name(path.name.replace("pro_", "anti_", 1))
    if not partner.is_file():
        raise MissingInputError(
            "the anti-stereotyped half of WinoBias is missing", where=str(partner), fix=_FIX
        )
    pro, anti = _read(path), _read(partner)
    if len(pro) != len(anti):
        raise DataError(
            f"{len(pro)} pro-stereotyped sentences and {len(anti)} anti-stereotyped ones",
            where=f"{path} and {partner.name}",
            fix=_FIX,
        )
    category, part = path.name.split("_")[2].split(".")[0], path.suffix[1:]
    occupations = [_occupation(sentence) for sentence in pro]
    made = []
    for i, (first, second) in enumerate(zip(pro, anti, strict=True)):
        # Lines 2k and 2k + 1 swap the roles of the same two people in the same frame.
        frame = occupations[i - i % 2 : i - i % 2 + 2]
        choices = (_plain(first), _plain(second))
        name = f"winobias/{category}/{part}/{i + 1}"
        made.append((category, name, "+".join(sorted(set(frame))), choices, _minimal(*choices)))
    return made


def _read(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8: {error}", where=str(path), fix=_FIX) from error
    sentences = []
    for number, line in enumerate(lines, start=1):
        found = _LINE.fullmatch(line.strip())
        if found is None or len(_ENTITY.findall(found.group(2))) < 2:
            raise DataError(
                "not a number and a sentence with two places in brackets",
                where=f"{path}, line {number}",
                fix=_FIX,
            )
        sentences.append(found.group(2))
    if not sentences:
        raise DataError("the file is empty", where=str(path), fix=_FIX)
    return sentences


def _plain(sentence: str) -> str:
    return sentence.replace("[", "").replace("]", "")


def _occupation(sentence: str) -> str:
    name = _ENTITY.findall(sentence)[0].lower()
    return re.sub(r"^(the|an|a)\s+", "", name)


def _minimal(first: str, second: str) -> bool:
    one, two = first.split(), second.split()
    if len(one) != len(two):
        return False
    differ = [pair for pair in zip(one, two, strict=True) if pair[0] != pair[1]]
    return len(differ) == 1 and all(word.strip(".,;!?").lower() in _PRONOUNS for word in differ[0])

"""Bias sets by name: found, read, and brought to the one shape of all bias sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rlp_core.errors import DataError
from rlp_core.evaluation.bias.forms import FEWEST_CLUSTERS
from rlp_core.evaluation.bias.groups import clusters_told
from rlp_core.evaluation.bias.items import ChoiceItem, draw
from rlp_core.evaluation.bias.set_items import SetItems
from rlp_core.evaluation.bias.set_rows import SetRows
from rlp_core.evaluation.bias_set_config import BiasSet
from rlp_core.evaluation.named_files import NamedFiles

BUILT_IN = Path(__file__).parent
OWN_CODE = ("templates", "bbq", "winobias", "holisticbias")
"""Sets that are no YAML file."""

_ALL = NamedFiles(
    "bias set", BiasSet, BUILT_IN, "evaluate.bias.sets", "docs/guides/add-a-bias-set.md", OWN_CODE
)

load, files, read = _ALL.load, _ALL.files, _ALL.read


def items_of(name: str, settings: BiasSet, folder: Path, seed: int) -> list[ChoiceItem]:
    """The items of one set.

    Args:
        name: of the set.
        settings: its file.
        folder: `evaluate.bias.folder`, which its tables lie below.
        seed: of the draw, where `items` leaves some out.

    Returns:
        Items whose meta names their form and what its scores need; `left_out`: rows of the set that
        are no item.

    Raises:
        MissingInputError: its files are not there.
        ConfigError: a template or expression of the mapping is none.
        DataError: a row does not fit the mapping, an id comes twice, two items contradict, or none
            is left.
    """
    made = read_items(name, settings, folder)
    left_out = sum(made.rows.left_out.values())
    by_category: dict[str, list[ChoiceItem]] = {}
    for item in made.items:
        item.meta["left_out"] = left_out
        by_category.setdefault(item.category, []).append(item)
    drawn = [item for items in by_category.values() for item in draw(items, settings.items, seed)]
    why = f" ({_reasons(made.rows.left_out)})" if left_out else ""
    print(f"bias set {name}: {len(drawn)} items, {left_out} rows left out{why}", flush=True)
    warn_of_few(name, drawn)
    return drawn


def read_items(name: str, settings: BiasSet, folder: Path) -> SetItems:
    """All items of one set, and what was left out.

    Raises:
        RlpError: as `items_of`.
    """
    made = SetItems(name, SetRows(name, settings, folder))
    for identity, row in made.rows.rows():
        made.add(identity, row)
    if not made.items:
        raise DataError(
            f"the bias set {name!r} has no item: all {sum(made.rows.left_out.values())} rows are "
            f"left out ({_reasons(made.rows.left_out)})",
            where=f"{folder}, pattern {settings.source.pattern!r}",
            fix="correct `mapping` in the file of the set",
        )
    return made


def _reasons(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{count} by `{why}`" for why, count in sorted(left_out.items()))


def warn_of_few(name: str, items: Sequence[ChoiceItem]) -> None:
    """Say which parts of a set have too few items to tell anything from chance."""
    members: dict[str, list[ChoiceItem]] = {}
    for item in items:
        members.setdefault(item.category, []).append(item)
    for category, of in sorted(members.items()):
        clusters = clusters_told((item.cluster, item.meta) for item in of)
        if clusters < FEWEST_CLUSTERS:
            part = f", category {category}" if category else ""
            whose = " of a group" if "favoured" in of[0].meta else ""
            print(
                f"warning: bias set {name}{part}: {len(of)} items in {clusters} clusters{whose} "
                f"are too few to say anything; it takes {FEWEST_CLUSTERS} clusters at least",
                flush=True,
            )

"""Which bias sets a run asks for, loaded and drawn."""

from __future__ import annotations

from pathlib import Path

from rlp_core.errors import DataError
from rlp_core.evaluation.bias import bbq, holisticbias, sets, templates, winobias
from rlp_core.evaluation.bias.items import ChoiceItem, unique_ids
from rlp_core.evaluation.config import BiasFiles


def load_items(bias: BiasFiles, seed: int, root: Path) -> list[ChoiceItem]:
    """The items of every configured suite: templates always, others by path or name.

    Args:
        bias: section `evaluate.bias`.
        seed: of the draws where a limit leaves items out.
        root: the checkout, from which `bias.folder` starts.

    Raises:
        MissingInputError: a configured folder holds no file of its set.
        ConfigError: no set has a name, or its YAML file is none.
        DataError: a file is not of its set, or an id comes twice.
    """
    folder = root / bias.folder
    items = templates.make(bias.template_items, seed)
    if bias.bbq:
        items += bbq.load(folder / bias.bbq, bias.bbq_per_category, seed)
    if bias.winobias:
        items += winobias.load(folder / bias.winobias, bias.winobias_pairs, seed)
    if bias.holisticbias:
        swaps = holisticbias.load(folder / bias.holisticbias, bias.holisticbias_swaps, seed)
        sets.warn_of_few("holisticbias", swaps)
        items += swaps
    for name, settings in sets.load(bias.sets, folder).items():
        limit = _smaller(settings.items, bias.sets_per_category)
        limited = settings.model_copy(update={"items": limit})
        items += sets.items_of(name, limited, folder, seed)
    twice = unique_ids(items)
    if twice is not None:
        raise DataError(
            f"bias item {twice!r} comes twice",
            where=str(folder / bias.bbq),
            fix="keep one copy of each file in the folder",
        )
    return items


def _smaller(first: int, second: int) -> int:
    """The smaller of two limits, of which 0 is none."""
    return min(first or second, second or first)

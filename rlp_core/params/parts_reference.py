"""The tables of pages such as `docs/reference/estimators.md`, made from the registries of parts.

`make params-reference` writes them anew; a test keeps pages and parts in step.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rlp_core.evaluation import robustness
from rlp_core.files import write_text
from rlp_core.objective import estimators, reward_terms
from rlp_core.params.marked import replaced

ESTIMATORS = Path("docs/reference/estimators.md")
REWARD_TERMS = Path("docs/reference/reward-terms.md")
ROBUSTNESS = Path("docs/reference/robustness.md")
MARK = "parts"


def estimators_table() -> str:
    """A Markdown table of every built-in estimator, with what it declares."""
    found = [(name, estimators.get(name)) for name in estimators.built_in()]
    return _table(
        ("estimator", "advantage", "compares a group", "EMA reaches the gradient", "per token"),
        (
            (
                f"`{name}`",
                part.summary,
                *map(_yes, (part.compares_group, part.ema_reaches_gradient, part.per_token)),
            )
            for name, part in found
        ),
    )


def reward_terms_table() -> str:
    """A Markdown table of every built-in reward term."""
    found = [(name, reward_terms.get(name)) for name in reward_terms.built_in()]
    return _table(
        ("reward term", "unit", "what it measures"),
        ((f"`{name}`", part.unit, part.summary) for name, part in found),
    )


def perturbations_table() -> str:
    """A Markdown table of every built-in perturbation, with what it declares."""
    found = [(name, robustness.get(name)) for name in robustness.built_in()]
    return _table(
        ("perturbation", "what it does", "keeps the answer", "needs", "adds", "reorders"),
        (
            (
                f"`{name}`",
                part.summary,
                _yes(part.keeps_answer),
                part.needs,
                part.adds,
                _yes(part.reorders),
            )
            for name, part in found
        ),
    )


PAGES = {
    ESTIMATORS: estimators_table,
    REWARD_TERMS: reward_terms_table,
    ROBUSTNESS: perturbations_table,
}


def main() -> None:
    """Write all pages below the current folder."""
    for path, table in PAGES.items():
        write_text(path, replaced(path.read_text(encoding="utf-8"), MARK, table()))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


if __name__ == "__main__":
    main()

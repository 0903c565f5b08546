"""The pages of estimators and reward terms are in step with the registries."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlp_core.evaluation import benchmarks
from rlp_core.objective import estimators, reward_terms
from rlp_core.params.marked import replaced
from rlp_core.params.parts_reference import BENCHMARKS, ESTIMATORS, MARK, PAGES, REWARD_TERMS

ROOT = Path(__file__).resolve().parents[2]


def rows(page: Path) -> dict[str, list[str]]:
    """Cells of a page's table, by the name in the first."""
    found = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in (ROOT / page).read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    return {cells[0].strip("`"): cells[1:] for cells in found}


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_the_one_that_the_registry_makes(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert replaced(text, MARK, PAGES[page]()) == text, "run `make params-reference`"


def test_every_estimator_stands_there_with_what_it_declares() -> None:
    found = rows(ESTIMATORS)
    assert list(found) == estimators.built_in()
    for name, cells in found.items():
        part = estimators.get(name)
        declared = (part.compares_group, part.ema_reaches_gradient, part.per_token)
        assert cells == [part.summary, *("yes" if holds else "no" for holds in declared)]


def test_every_reward_term_stands_there_with_its_unit() -> None:
    found = rows(REWARD_TERMS)
    assert list(found) == reward_terms.built_in()
    for name, cells in found.items():
        assert cells == [reward_terms.get(name).unit, reward_terms.get(name).summary]


def test_every_benchmark_stands_there_with_where_its_data_are_looked_for() -> None:
    found = rows(BENCHMARKS)
    known = {path.stem: benchmarks.read(path) for path in benchmarks.BUILT_IN.glob("*.yaml")}
    assert list(found) == sorted(known)
    for name, (_, group, rule, data, _, licence) in found.items():
        part = known[name]
        assert (group, rule, licence) == (part.group, f"`{part.answer}`", part.licence)
        place = {"files": "pattern", "hub": "name", "procedural": "world"}[part.source.kind]
        assert f"`{getattr(part.source, place)}`" in data


def test_a_page_without_marks_is_not_written_over() -> None:
    with pytest.raises(ValueError, match="no marks of `parts`"):
        replaced("prose alone\n", "parts", "| table |\n")
    with pytest.raises(ValueError, match="no marks of `parts`"):
        replaced("<!-- parts: begin -->\nprose\n", "parts", "| table |\n")

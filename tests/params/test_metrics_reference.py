"""The page of the names of metrics is in step with the names that tracking gives."""

from __future__ import annotations

from pathlib import Path

from rlp_core.params.marked import replaced
from rlp_core.params.metrics_reference import MARK, PAGE, names_tables
from rlp_core.tracking.metric_names import LIMIT, TABLES

TEXT = (Path(__file__).resolve().parents[2] / PAGE).read_text(encoding="utf-8")


def test_the_page_is_the_one_that_the_names_make() -> None:
    assert replaced(TEXT, MARK, names_tables()) == TEXT, "run `make params-reference`"


def test_every_line_of_every_stage_stands_there_in_order() -> None:
    for lines in TABLES.values():
        places = [TEXT.index(f"| `{line.measured}` | `{line.logged}` |") for line in lines[:-1]]
        assert places == sorted(places)


def test_the_limit_is_told() -> None:
    assert f"at most {LIMIT} numbers" in TEXT

"""The data report: escapes what it shows, loads nothing, and is a function of the data."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.contracts.report import BINS, HEIGHT, histogram, render
from rlp_core.contracts.validation import Validation, validate
from tests.contracts.samples import ANSWER_TOKENS, SETTINGS, THOUGHT, record, write_prepared

HOSTILE = "<script>alert(1)</script><img src=https://evil.test/x onerror=alert(2)>\"'`&"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Validation:
    folder = tmp_path_factory.mktemp("hostile")
    rows = [record("problems", n) for n in range(6)]
    rows += [record("problems", 7, id=HOSTILE, answer=HOSTILE, choices=["a", "\ud800"])]
    write_prepared(folder / "prepared", {"problems": rows})
    found = validate(folder / "prepared", SETTINGS, THOUGHT, ANSWER_TOKENS, folder / "docs")
    found.manifest["parts"]["base"]["sources"][0] |= {"name": HOSTILE, "licence": HOSTILE}
    return found


class Page(HTMLParser):
    """Tags, attributes, and whether what opens is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_hostile_text_is_shown_and_not_run(hostile: Validation) -> None:
    html = render(hostile, SETTINGS)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    page = Page()
    page.feed(html)
    assert page.open == []
    assert not page.tags & {"script", "img", "iframe", "link", "object", "embed", "base", "form"}
    assert not [name for name in page.attributes if name.startswith("on")]


def test_it_loads_nothing(hostile: Validation) -> None:
    html = render(hostile, SETTINGS)
    page = Page()
    page.feed(html)
    assert not page.attributes & {"src", "href", "srcset", "data", "action", "xlink:href"}
    assert not re.search(r"@import|url\s*\(", html)
    assert not re.search(r"https?://", html.replace("https://evil.test/x", ""))


def test_it_shows_parts_rules_and_licences(hostile: Validation) -> None:
    html = render(hostile, SETTINGS)
    for word in ("answer_in_choices", "problems", "CC0-1.0", "Group terms", "quarantined", "<svg"):
        assert word in html


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=60))
def test_a_histogram_counts_every_row_once(lengths: list[int]) -> None:
    made = histogram("rlp", "tokens", lengths)
    counts = [int(re.findall(r": (\d+) rows", bar.title)[0]) for bar in made.bars]
    assert sum(counts) == len(lengths)
    assert len(made.bars) <= BINS
    assert max(bar.height for bar in made.bars) == HEIGHT
    assert (made.least, made.most) == (min(lengths), max(lengths))


def test_the_page_says_what_was_left_out_of_a_source(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepared", {})
    found = validate(tmp_path / "prepared", SETTINGS, THOUGHT, ANSWER_TOKENS, tmp_path / "docs")
    source = found.manifest["parts"]["base"]["sources"][0]
    source |= {"rows_passed_over": {"only": 40, "limit": 12}, "characters_in_gaps": 300}
    page = render(found, SETTINGS)
    assert "40 rows by only, 12 rows by limit, 300 characters between blocks" in page

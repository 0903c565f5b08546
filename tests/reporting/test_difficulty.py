"""Pass@1 by difficulty on the page: what is drawn, what is said, and what is too few to say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest

from rlp_core.arms import INK, declared
from rlp_core.evaluation.comparison import compare
from rlp_core.evaluation.statistics import Resampler
from rlp_core.reporting import difficulty
from rlp_core.stage import StageContext
from rlp_core.stages import compare as compare_stage
from tests.evaluation import arms
from tests.reporting import run as made_up

ARMS = declared()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folders = arms.write_all(tmp_path_factory.mktemp("arms"))
    arms.add_difficulty(folders)
    return compare(folders, Resampler(seed=1, resamples=300), ARMS).tree


def test_figure_says_every_level_and_names_those_that_are_too_small(tree: dict[str, Any]) -> None:
    [(name, figure)] = difficulty.draw(tree, ARMS).items()
    assert name == figure.name == difficulty.figure_name("arithmetic")
    of = tree["difficulty"]["arithmetic"]["levels"][1]["arms"]["rlp"]["thinking"]
    assert f"rlp at 3 {of['value']:.3f} [{of['low']:.3f}, {of['high']:.3f}] with" in figure.alt
    assert "rlp at 7" not in figure.alt
    assert "Too few problems to say: 7 (n = 3)." in figure.caption
    assert "rlp-ft" not in figure.alt  # left to the table
    for arm in ARMS.pretrained:
        assert ARMS[arm].colour.light in figure.svg
    assert INK["direct"] in figure.svg


def test_table_has_every_arm_and_says_what_is_too_few(tree: dict[str, Any]) -> None:
    groups = difficulty.table(tree, ARMS)["arithmetic"]
    assert [group.name for group in groups] == list(ARMS.names)
    for group in groups:
        assert [line.name for line in group.lines] == ["2", "3", "7"]
        assert all(len(line.cells) == len(difficulty.HEADINGS) for line in group.lines)
        assert group.lines[2].cells[1].value == "too few to say (n = 3)"
    rlp = next(group for group in groups if group.name == "rlp")
    assert rlp.lines[0].cells[3].value.startswith("+")


def test_problems_that_are_left_out_are_said(tree: dict[str, Any]) -> None:
    assert difficulty.untold(tree) == {}
    of = tree["difficulty"]["arithmetic"] | {"untold": 12}
    said = difficulty.markdown(tree | {"difficulty": {"arithmetic": of}}, ARMS)
    assert "12 problems do not tell how hard they are" in said
    assert "| 7 | 3 | too few to say (n = 3) |" in said


def test_nothing_is_said_where_no_problem_tells(tree: dict[str, Any]) -> None:
    bare = {name: of for name, of in tree.items() if name != "difficulty"}
    assert difficulty.draw(bare, ARMS) == {}
    assert difficulty.table(bare, ARMS) == {}
    assert difficulty.markdown(bare, ARMS) == ""


def test_one_level_is_no_figure(tree: dict[str, Any]) -> None:
    first, _, few = tree["difficulty"]["arithmetic"]["levels"]
    alone = {"difficulty": {"arithmetic": {"levels": [first, few], "untold": 0}}}
    assert difficulty.draw(alone, ARMS) == {}


def test_the_page_shows_figure_and_table_and_stays_whole(tmp_path: Path) -> None:
    context = made_up.make(tmp_path, resamples=200)
    reports = context.workspace
    arms.add_difficulty({arm: reports.report(f"evaluate@{arm}") / "items" for arm in ARMS.names})
    compare_stage.run(cast(StageContext, context))
    html = (context.workspace.reports / "index.html").read_text()
    assert "Does thinking help with the hard ones?" in html
    assert re.search(r'<svg role="img" aria-label="Pass@1 by difficulty: [^"]{20,}"', html)
    assert "too few to say (n = 3)" in html
    for tag in ("details", "table", "figure", "div"):
        assert len(re.findall(rf"<{tag}\b", html)) == html.count(f"</{tag}>")
    assert "## By difficulty" in (context.workspace.reports / "comparison.md").read_text()
    assert (context.workspace.reports / "figures" / "difficulty-arithmetic.svg").is_file()

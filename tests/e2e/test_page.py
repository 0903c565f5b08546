"""The page in a real browser: the thought inspector by mouse and by keyboard, narrow and dark.

`make run` needs no browser; where none is found these tests are skipped. `PAGE_PICTURES` names a
folder for pictures of what the tests saw.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from rlp_core.stage import StageContext
from rlp_core.stages import compare
from tests.e2e import browser
from tests.evaluation import arms
from tests.reporting import run as made_up

BROWSER = browser.find()

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(BROWSER is None, reason=f"no browser: none of {', '.join(browser.NAMES)}"),
]

LONG = "|".join([*(f" word{i}" for i in range(40)), " unbreakable" * 9, "\n", "end", "."])
TOKENS = "#inspector .tokens button"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a made-up run in which everything was measured that can be."""
    context = made_up.make(tmp_path_factory.mktemp("run"))
    for arm in arms.SKILL:
        items = context.workspace.report(f"evaluate@{arm}") / "items"
        arms.add_inspected(items, arm, texts=[*arms.INSPECTED, LONG])
        arms.add_few_shot(items, arm)
        arms.add_controls(items, arm)
        arms.add_audit(items, arm)
    compare.run(cast(StageContext, context))
    return context.workspace.reports / "index.html"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Tab]:
    assert BROWSER is not None
    with browser.tab(BROWSER, tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture
def tab(started: browser.Tab, page: Path) -> browser.Tab:
    started.size(1280)
    started.open(page)
    return started


def chosen(tab: browser.Tab) -> int:
    found = f"[...document.querySelectorAll('{TOKENS}')].map(b => b.ariaPressed)"
    pressed = cast("list[str]", tab.evaluate(found))
    assert pressed.count("true") == 1
    return pressed.index("true")


def focused(tab: browser.Tab) -> int:
    found = f"[...document.querySelectorAll('{TOKENS}')].indexOf(document.activeElement)"
    return int(tab.evaluate(found))


def detail(tab: browser.Tab) -> str:
    return str(tab.evaluate("document.querySelector('#inspector .detail').innerText"))


def picture(tab: browser.Tab, name: str) -> None:
    if folder := os.environ.get("PAGE_PICTURES"):
        tab.picture(Path(folder) / f"{name}.png", "#inspector")
        tab.picture(Path(folder) / f"{name}-page.png")


def test_it_loads_nothing_and_nothing_goes_wrong(tab: browser.Tab, page: Path) -> None:
    picture(tab, "wide")
    tab.choose("#inspector .text", "1")
    assert tab.requests == [page.resolve().as_uri()]
    assert tab.complaints == []
    assert tab.evaluate("performance.getEntriesByType('resource').length") == 0


def test_its_policy_lets_nothing_else_run_or_load(tab: browser.Tab) -> None:
    tab.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'evil = 1'}),"
        "Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))"
    )
    assert tab.evaluate("typeof evil") == "undefined"
    assert len([text for text in tab.complaints if "Content Security Policy" in text]) == 2


def test_what_a_thought_helps_most_is_shown_first(tab: browser.Tab) -> None:
    assert chosen(tab) == 6
    said = detail(tab)
    assert "rlp gives it" in said
    assert "rlp 6" in said
    assert "</script><b>3+4=7</b><!--" in said  # as text
    assert tab.evaluate("document.querySelectorAll('#inspector b').length") == 0
    controls = "[...document.querySelectorAll('#inspector tr.control')].map(e => e.innerText)"
    kinds = [line.split("\t")[0] for line in tab.evaluate(controls)]
    assert [kind.split(" (")[0] for kind in kinds] == [
        "control: an empty thought",
        "control: another text’s thought",  # noqa: RUF001
        "control: random tokens, as many",
    ]


def test_a_click_shows_what_was_thought_there(tab: browser.Tab) -> None:
    tab.click(f"{TOKENS}:nth-of-type(3)")
    assert chosen(tab) == 2
    assert "rlp 2" in detail(tab)
    label = tab.evaluate(f"document.querySelectorAll('{TOKENS}')[2].ariaLabel")
    assert label.startswith(" +4: −0.") or label.startswith("+4: −0.")  # noqa: RUF001


def test_the_keyboard_alone_reaches_every_token(tab: browser.Tab) -> None:
    tab.evaluate("document.querySelector('#inspector .over').focus()")
    tab.press("Tab")
    assert focused(tab) == chosen(tab) == 6  # one stop for all tokens: the chosen one
    seen = [(tab.press("Home"), focused(tab))[1]]
    for _ in range(9):
        tab.press("ArrowRight")
        seen.append(focused(tab))
    assert seen == [0, 1, 2, 3, 4, 5, 6, 7, 7, 7]
    assert chosen(tab) == 6  # looking is not choosing
    tab.press("ArrowLeft")
    tab.press("ArrowUp")
    assert focused(tab) == 1  # above `2` on the line before
    tab.press("ArrowDown")
    assert focused(tab) in (5, 6)
    tab.press("ArrowUp")
    tab.press("Enter")
    assert chosen(tab) == focused(tab) in (0, 1)
    assert f"rlp {chosen(tab)}" in detail(tab)
    style = "getComputedStyle(document.activeElement)"
    assert tab.evaluate(f"{style}.outlineStyle") == "solid"
    assert float(tab.evaluate(f"parseFloat({style}.outlineWidth)")) >= 2


def test_reward_is_that_of_the_chosen_arm_over_what_it_is_compared_with(tab: browser.Tab) -> None:
    def rewards() -> list[float]:
        cells = "[...document.querySelectorAll('#inspector td.reward')].map(e => e.innerText)"
        return [float(x.replace("−", "-")) for x in tab.evaluate(cells)]  # noqa: RUF001

    data = "JSON.parse(document.getElementById('inspected').textContent).found"
    found = {a: tab.evaluate(f"{data}.{a}[0]") for a in ("rlp", "base", "cpt")}
    own = [x - found["rlp"]["direct"][6] for x in found["rlp"]["thinking"][6]]
    assert rewards()[:3] == pytest.approx(own, abs=0.006)
    assert rewards()[3:] == pytest.approx([arms.SKILL["rlp"][2] / 2, -1, -2], abs=0.006)
    tab.choose("#inspector .over", "base")
    over = [x - found["base"]["direct"][6] for x in found["rlp"]["thinking"][6]]
    assert rewards()[:3] == pytest.approx(over, abs=0.006)
    for over_what in ("empty", "control"):  # an empty thought is the best control here
        tab.choose("#inspector .over", over_what)
        left = [x - found["rlp"]["empty"][6] for x in found["rlp"]["thinking"][6]]
        assert rewards()[:3] == pytest.approx(left, abs=0.006)
    tab.choose("#inspector .over", "own")
    tab.choose("#inspector .arm", "cpt")
    own = [x - found["cpt"]["direct"][6] for x in found["cpt"]["thinking"][6]]
    assert rewards()[:3] == pytest.approx(own, abs=0.006)
    assert "cpt gives it" in detail(tab)


def test_colours_follow_the_gain(tab: browser.Tab) -> None:
    colour = "getComputedStyle(document.querySelectorAll('{}')[{}]).backgroundColor"
    gained, lost = (tab.evaluate(colour.format(TOKENS, i)) for i in (6, 0))
    assert gained.startswith("rgba(67, 147, 230")
    assert lost.startswith("rgba(224, 130, 20")
    strength = [float(one.rstrip(")").split(",")[-1]) for one in (gained, lost)]
    assert strength[0] > 3 * strength[1] > 0


@pytest.mark.parametrize("dark", [False, True])
def test_a_telephone_shows_all_of_it_without_scrolling_sideways(
    tab: browser.Tab, page: Path, dark: bool
) -> None:
    tab.size(390, 844, dark=dark)
    tab.open(page)
    for text in ("0", "1", "2"):
        tab.choose("#inspector .text", text)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        over = f"[...document.querySelectorAll('{TOKENS}')].map(b => b.getBoundingClientRect())"
        assert tab.evaluate(f"{over}.every(b => b.left >= 0 && b.right <= 390)")
    picture(tab, f"narrow-{'dark' if dark else 'light'}")
    ink, paper = tab.evaluate(
        "[getComputedStyle(document.querySelector('#inspector .tokens')).color,"
        "getComputedStyle(document.body).backgroundColor]"
    )
    light = [sum(map(int, c[4:-1].split(","))) for c in (ink, paper)]
    assert (light[0] > light[1]) == dark


def test_it_is_small_and_opens_fast(started: browser.Tab, page: Path) -> None:
    """What the page costs its own thread: the clock of a busy machine says nothing of the page."""
    assert page.stat().st_size < 5_000_000
    started.ask("Performance.enable", timeDomain="threadTicks")
    started.open(page)
    measured = {m["name"]: m["value"] for m in started.ask("Performance.getMetrics")["metrics"]}
    started.ask("Performance.disable")
    assert 0 < measured["TaskDuration"] < 1.0

"""Stage `compare`: its files, that they load nothing and escape everything, and their bytes."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from rlp_core.arms import declared
from rlp_core.errors import DataError, MissingInputError
from rlp_core.files import folder_sha256, sha256, write_jsonl
from rlp_core.stage import StageContext
from rlp_core.stages import compare
from tests.reporting import run as made_up

ARMS = declared().names
GRAPH = Path(__file__).resolve().parents[2] / "dvc.yaml"
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Outline(HTMLParser):
    """Checks that elements close, and collects addresses and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attrs)
        self.addresses += [named[k] or "" for k in ("src", "href", "xlink:href") if k in named]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def run(root: Path) -> made_up.Context:
    context = made_up.make(root)
    compare.run(cast(StageContext, context))
    return context


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> made_up.Context:
    return run(tmp_path_factory.mktemp("first"))


def outputs(context: made_up.Context) -> dict[str, str]:
    reports = context.workspace.reports
    names = ("comparison.json", "comparison.md", "index.html")
    return {name: sha256(reports / name) for name in names} | {
        "figures": folder_sha256(reports / "figures")
    }


def test_every_output_of_the_graph_is_there(context: made_up.Context) -> None:
    stage = yaml.safe_load(GRAPH.read_text())["stages"]["compare"]
    for output in [*stage["outs"], *stage["metrics"]]:
        assert (context.workspace.root / output).exists(), output


def test_settings_on_the_page_are_parameters_of_the_stage() -> None:
    stage = yaml.safe_load(GRAPH.read_text())["stages"]["compare"]
    assert sorted(compare.SHOWN_SETTINGS) == sorted(stage["params"])


def test_same_inputs_same_bytes(context: made_up.Context, tmp_path: Path) -> None:
    assert outputs(run(tmp_path)) == outputs(context)


def test_no_path_of_this_machine_is_written(context: made_up.Context) -> None:
    for name in ("comparison.json", "comparison.md", "index.html"):
        text = (context.workspace.reports / name).read_text()
        assert str(context.workspace.root) not in text


def test_comparison_is_plain_json(context: made_up.Context) -> None:
    text = (context.workspace.reports / "comparison.json").read_text()
    tree = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))
    assert set(tree) == {"settings", "arms", "differences", "bias", "claims"}
    assert set(tree["arms"]) == set(ARMS)
    assert tree["settings"]["resamples"] == context.params.compare.resamples


def test_page_is_well_formed_and_loads_nothing(context: made_up.Context) -> None:
    text = (context.workspace.reports / "index.html").read_text()
    outline = Outline()
    outline.feed(text)
    assert not outline.open
    assert not {"script", "link", "img", "iframe", "object"} & set(outline.tags)
    outside = [a for a in outline.addresses if not a.startswith("#")]
    assert outside == ["https://arxiv.org/abs/2510.01265"]
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_every_link_inside_the_page_has_its_place(context: made_up.Context) -> None:
    text = (context.workspace.reports / "index.html").read_text()
    places = re.findall(r'\bid="([^"]+)"', text)
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(places)
    assert len(set(places)) == len(places)


def test_texts_of_models_are_escaped(context: made_up.Context) -> None:
    text = (context.workspace.reports / "index.html").read_text()
    assert "&lt;b&gt;&amp;" in text  # the made-up wrong thoughts end in <b>&
    assert "<b>" not in text


def test_every_figure_has_words_for_those_who_do_not_see_it(context: made_up.Context) -> None:
    text = (context.workspace.reports / "index.html").read_text()
    figures = list((context.workspace.reports / "figures").glob("*.svg"))
    assert len(figures) == 8
    assert len(re.findall(r'<svg role="img" aria-label="[^"]{20,}"', text)) == len(figures)


def test_page_says_where_the_control_is_better(context: made_up.Context) -> None:
    text = (context.workspace.reports / "index.html").read_text()
    section = text[text.index("Where the control is better") : text.index("Where rlp is better")]
    assert "bits per byte" in section
    assert "pass@1, thinking" not in section


def test_what_compute_bought_stands_beside_what_was_spent(context: made_up.Context) -> None:
    text = (context.workspace.reports / "index.html").read_text()
    table = text[text.index("What the compute bought") :]
    table = re.sub(r"<[^>]+>", " ", table[: table.index("</table>")])
    assert re.search(r"bootstrap\s+0\s", table)
    assert re.search(r"rlp\s+8.5e\+10\s", table)
    assert re.search(r"cpt\s+8.49e\+10\s", table)
    gain = json.loads((context.workspace.reports / "comparison.json").read_text())
    assert f"{gain['arms']['rlp']['gain_over_base']['value']:+.3f}" in table


def test_the_inspector_keeps_the_page_well_formed_and_loads_nothing(tmp_path: Path) -> None:
    made = made_up.make(tmp_path)
    for arm in ARMS:
        folder = made.workspace.report(f"evaluate@{arm}") / "items"
        made_up.arms.add_inspected(folder, arm)
    compare.run(cast(StageContext, made))
    text = (made.workspace.reports / "index.html").read_text()
    outline = Outline()
    outline.feed(text)
    assert not outline.open
    assert outline.tags.count("script") == 2
    assert [a for a in outline.addresses if not a.startswith("#")] == [
        "https://arxiv.org/abs/2510.01265"
    ]
    assert re.search(r"default-src 'none'; [^\"]*script-src 'sha256-[A-Za-z0-9+/=]+'\"", text)


def test_arms_that_were_inspected_on_other_texts_write_nothing(tmp_path: Path) -> None:
    made = made_up.make(tmp_path)
    for arm in ARMS:
        folder = made.workspace.report(f"evaluate@{arm}") / "items"
        made_up.arms.add_inspected(folder, arm, texts=["a|b" if arm == "cpt" else "x|y"])
    with pytest.raises(DataError, match="different texts"):
        compare.run(cast(StageContext, made))
    assert not (made.workspace.reports / "index.html").exists()
    assert not (made.workspace.reports / "figures").exists()


def test_headlines_and_files_are_logged(context: made_up.Context) -> None:
    logged = context.tracker.logged
    assert logged["rlp/pass_at_1_thinking"] > logged["cpt/pass_at_1_thinking"]
    assert logged["rlp_minus_cpt/low"] > 0
    assert {path.name for path in context.tracker.files} == {
        "comparison.json",
        "comparison.md",
        "index.html",
    }


def test_stages_without_steps_leave_their_figures_out(tmp_path: Path) -> None:
    context = made_up.make(tmp_path)
    for stage in ("base", "bootstrap", "rlp", "cpt"):
        (context.workspace.report(stage) / "steps.csv").write_text("step,loss\n")
    compare.run(cast(StageContext, context))
    assert "No stage took a step." in (context.workspace.reports / "index.html").read_text()
    assert len(list((context.workspace.reports / "figures").glob("*.svg"))) == 6


def test_undefined_metrics_are_shown_as_undefined(tmp_path: Path) -> None:
    context = made_up.make(tmp_path)
    for arm in ARMS:
        path = context.workspace.report(f"evaluate@{arm}") / "items" / "heldout.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        empty: dict[str, list[float]] = {"positions": [], "direct": [], "thinking": []}
        write_jsonl(path, [row | empty for row in rows])
    compare.run(cast(StageContext, context))
    tree = json.loads((context.workspace.reports / "comparison.json").read_text())
    assert tree["arms"]["rlp"]["information_gain"]["value"] is None
    assert "undefined nats" in (context.workspace.reports / "index.html").read_text()


def test_missing_columns_are_done_without(tmp_path: Path) -> None:
    context = made_up.make(tmp_path)
    (context.workspace.report("rlp") / "steps.csv").write_text("step,information_gain\n0,1.0\n")
    compare.run(cast(StageContext, context))
    assert (context.workspace.reports / "figures" / "rlp-curves.svg").is_file()


@pytest.mark.parametrize(
    ("path", "text", "error"),
    [
        ("rlp/ledger.json", None, MissingInputError),
        ("rlp/ledger.json", "{}", DataError),
        ("cpt/metrics.json", "{}", DataError),
        ("evaluate/cpt/items/problems.jsonl", None, MissingInputError),
        ("evaluate/cpt/items/problems.jsonl", "", DataError),
    ],
)
def test_nothing_is_written_from_broken_inputs(
    tmp_path: Path, path: str, text: str | None, error: Any
) -> None:
    context = made_up.make(tmp_path)
    place = context.workspace.reports / path
    if text is None:
        place.unlink()
    else:
        place.write_text(text)
    with pytest.raises(error, match=re.escape(place.name)):
        compare.run(cast(StageContext, context))
    assert not (context.workspace.reports / "index.html").exists()
    assert not (context.workspace.reports / "figures").exists()

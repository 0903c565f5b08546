"""The card tells the run's facts, all or none, and nothing that differs between two runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rlp_core.arms import declared
from rlp_core.errors import DataError, MissingInputError, RlpError
from rlp_core.evaluation import gate, item_files
from rlp_core.evaluation.statistics import Resampler
from rlp_core.files import write_json
from rlp_core.reporting import card_facts, model_card
from rlp_core.reporting.sources import read_json
from tests.reporting import run as made_up


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> made_up.Context:
    return made_up.make(tmp_path_factory.mktemp("card"))


@pytest.fixture(scope="module")
def verdict(context: made_up.Context) -> dict[str, Any]:
    params = context.params.promote
    items = {
        arm: item_files.read(context.workspace.report(f"evaluate@{arm}") / "items")
        for arm in gate.arms_needed(params.candidates)
    }
    return gate.verdict(items, params, Resampler(1, 300))


def card(context: made_up.Context, verdict: dict[str, Any], **settings: Any) -> str:
    tree = context.params.model_dump(mode="json", by_alias=True) | settings
    return model_card.render(card_facts.gather(context.workspace, declared(), tree, verdict))


def test_it_tells_every_fact(context: made_up.Context, verdict: dict[str, Any]) -> None:
    text = card(context, verdict)
    winner = verdict["winner"]
    assert f"# {winner}" in text
    for heading in ("Intended use", "Data", "Recipe", "Compute", "Results", "Bias", "Limits"):
        assert f"\n## {heading}\n" in text
    assert "| training, stage base | arithmetic | procedural | CC0-1.0 | 1000 |" in text
    assert "| evaluation | arithmetic | procedural | CC0-1.0 | 1000 |" in text
    gained = verdict["results"]["information_gain"]["winner"]
    assert f"{gained['value']:.3f} [{gained['low']:.3f}, {gained['high']:.3f}]" in text
    assert "| bias/templates/score\\_direct |" in text
    assert "| rlp: group\\_size | 8 |" in text
    assert text.startswith("---\nlibrary_name: transformers\n")


def test_the_stages_on_the_way_are_told_and_no_others(
    context: made_up.Context, verdict: dict[str, Any]
) -> None:
    text = card(context, verdict | {"winner": "cpt-ft"})
    way = "`base`, `bootstrap`, `cpt`, `finetune@cpt`, `rlvr@cpt`"
    assert f"Stages on the way: {way}." in text
    assert "| together | | | 4.24e+11 |" in text
    assert "Of stage `rlp`" not in text
    assert "training, stage cpt |" in text
    text = card(context, verdict | {"winner": "rlp"})
    assert "Of stage `rlp`: decode 2e+10, ema 2e+09, prefill 3e+09" in text
    assert "finetune" not in text.split("## Compute")[1].split("## Results")[0]


def test_it_is_the_same_wherever_the_run_was(
    context: made_up.Context, verdict: dict[str, Any], tmp_path: Path
) -> None:
    other = made_up.make(tmp_path / "elsewhere")
    assert card(other, verdict) == card(context, verdict)
    text = card(context, verdict)
    assert str(context.workspace.root) not in text
    assert not re.search(r"(?<![\w.<])/[a-z]+/[a-z]", text)  # no absolute path
    assert not re.search(r"\b20\d\d-\d\d-\d\d", text)


@pytest.mark.parametrize("place", ["/home/someone/models/small", "~/models/small"])
def test_of_a_path_outside_only_its_end_is_told(
    context: made_up.Context, verdict: dict[str, Any], place: str
) -> None:
    base = context.params.base.model_dump(mode="json") | {"checkpoint": place, "revision": "main"}
    text = card(context, verdict, base=base)
    assert "home" not in text
    assert "Training began with the model .../small, revision main, licence: not stated." in text


def test_words_of_settings_are_no_markdown(
    context: made_up.Context, verdict: dict[str, Any]
) -> None:
    promote = context.params.promote.model_dump(mode="json")
    promote["card"]["intended_use"] = "a | b\n# c <script> *d*"
    text = card(context, verdict, promote=promote)
    assert "a \\| b # c \\<script\\> \\*d\\*" in text


def test_a_verdict_that_failed_says_why(context: made_up.Context, verdict: dict[str, Any]) -> None:
    first = verdict["reasons"][0] | {"holds": False, "why": "too few items: 4; about 90 would do"}
    failed = verdict | {"promoted": False, "reasons": [first]}
    text = card(context, failed)
    assert "Verdict of the gate: not passed" in text
    assert "too few items: 4; about 90 would do" in text


def lacking(tree: Any, path: tuple[Any, ...]) -> Any:
    """A tree without what lies at a path."""
    key, *rest = path
    made = list(tree) if isinstance(tree, list) else dict(tree)
    if rest:
        made[key] = lacking(tree[key], tuple(rest))
    else:
        del made[key]
    return made


REPORTS: list[tuple[str, tuple[Any, ...]]] = [
    ("data/prepared/manifest.json", ("parts",)),
    ("data/prepared/manifest.json", ("parts", "bootstrap")),
    ("data/prepared/manifest.json", ("parts", "problems", "sources", 0, "licence")),
    ("data/prepared/manifest.json", ("parts", "problems", "sources", 0, "records")),
    ("reports/validate/metrics.json", ("rlp_passed",)),
    ("reports/validate/metrics.json", ("heldout_quarantined",)),
    ("reports/base/metrics.json", ("flops",)),
    ("reports/rlp/metrics.json", ("steps",)),
    ("reports/rlp/ledger.json", ("flops",)),
]


@pytest.mark.parametrize(("name", "path"), REPORTS)
def test_each_missing_fact_is_an_error(
    verdict: dict[str, Any], tmp_path: Path, name: str, path: tuple[Any, ...]
) -> None:
    context = made_up.make(tmp_path)
    file = tmp_path / name
    write_json(file, lacking(read_json(file), path))
    with pytest.raises(DataError, match="lacks a fact") as caught:
        card(context, verdict | {"winner": "rlp"})
    assert name in caught.value.where


@pytest.mark.parametrize("name", sorted({name for name, _ in REPORTS}))
def test_a_report_that_is_not_there_is_an_error(
    verdict: dict[str, Any], tmp_path: Path, name: str
) -> None:
    context = made_up.make(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(MissingInputError):
        card(context, verdict | {"winner": "rlp"})


@pytest.mark.parametrize("name", ["results", *card_facts.ALWAYS, "bias"])
def test_a_verdict_that_lacks_a_number_makes_no_card(
    context: made_up.Context, verdict: dict[str, Any], name: str
) -> None:
    kept = {
        metric: one
        for metric, one in verdict["results"].items()
        if metric != name and not metric.startswith(f"{name}/")
    }
    with pytest.raises(RlpError, match="lacks a fact"):
        card(context, verdict | {"results": {} if name == "results" else kept})


def test_worked_examples_are_told_apart_and_those_that_are_absent_left_out() -> None:
    of = {"name": "n", "kind": "files", "licence": "MIT", "records": 3}
    example = of | {"role": "example"}
    listed = [of, example, example | {"absent": True, "records": 0}]
    manifest = {"parts": {"problems": {"sources": listed}}}
    found = list(card_facts._sources(manifest, {"problems": "evaluation"}, Path("m.json")))
    assert [one.use for one in found] == ["evaluation", "evaluation, as worked examples"]

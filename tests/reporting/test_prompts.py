"""The page of a ranking, and that what is published of one is what was measured."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from rlp_core.files import sha256
from rlp_core.reporting.charts import text
from rlp_core.reporting.prompts import figure, page, terminal

DOCS = Path(__file__).resolve().parents[2] / "docs"
PUBLISHED = DOCS / "results" / "which-prompt"


def published() -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((PUBLISHED / "ranking.json").read_text(encoding="utf-8"))
    return tree


def test_the_published_page_is_made_from_its_numbers(tmp_path: Path) -> None:
    tree = published()
    drawn = figure(tree)
    assert page(tree, drawn) == (PUBLISHED / "ranking.md").read_text(encoding="utf-8")
    again = tmp_path / "prompts.svg"
    again.write_text(figure(tree).document(), encoding="utf-8")
    drawn_once = tmp_path / "once.svg"
    drawn_once.write_text(drawn.document(), encoding="utf-8")
    assert sha256(again) == sha256(drawn_once)


def test_the_table_of_the_explanation_holds_the_published_numbers() -> None:
    tree, said = published(), (DOCS / "explanation" / "which-prompt.md").read_text(encoding="utf-8")
    lines = [line for line in said.splitlines() if line.startswith("| ")][1:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == tree["order"]
    for name, line in zip(tree["order"], lines, strict=True):
        of = tree["prompts"][name]
        metrics = ("true_gain", "empty_thought_gain", "content_gain")
        assert all(text(of[metric], "+") in line for metric in metrics)
        if apart := of.get("over_no_prompt"):
            assert f"{text(apart, '+')} | {apart['p']:.3f} |" in line


def test_pieces_of_one_text_are_cautioned_against() -> None:
    tree = copy.deepcopy(published())
    assert "rather too narrow" not in page(tree, figure(tree))
    tree["asked"]["rows"] = 1
    assert "rather too narrow" in page(tree, figure(tree))


def test_a_terminal_shows_every_prompt_and_the_verdict() -> None:
    tree = published()
    *table, verdict = terminal(tree)
    assert [line.split("  ")[0] for line in table[1:]] == tree["order"]
    assert "a thought takes away: -8.41 nats a place" in verdict

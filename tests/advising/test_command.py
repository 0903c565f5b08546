"""`rlp advise`: what it prints of files and of a model, and how it tells what it cannot use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rlp_core.advising.asked import gather
from rlp_core.cli import main
from rlp_core.data.records import Record
from rlp_core.data.thinking import Thinking
from rlp_core.errors import EXIT_CONFIG, EXIT_DATA, EXIT_MISSING, EXIT_USAGE
from rlp_core.files import write_jsonl
from rlp_core.policy.model import save
from tests import models
from tests.advising.cases import demonstrations, documents


def advise(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["advise", *map(str, arguments)])


def written(path: Path, records: Sequence[Record]) -> Path:
    write_jsonl(path, (record.model_dump(mode="json") for record in records))
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("corpus") / "rlp.jsonl", documents(600))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights, narrow enough to be unsure of everything: no thought helps."""
    made = tmp_path_factory.mktemp("model")
    save(models.model(6, spread=1.0), models.tokenizer(), made)
    Thinking(*models.DELIMITERS, 5).write(made)
    return made


TRIED = ("--sample", "16", "--samples", "2", "--text-tokens", "32")


@pytest.mark.parametrize(
    ("count", "changes", "recommended"),
    [
        (2500, {}, "imitation"),
        (200, {}, "both"),
        (2500, {"shown": 0.25}, "both"),
        (2500, {"sound": 0.7}, "both"),
        (2500, {"sound": 0.2}, "undecided"),
        (0, {}, "undecided"),
    ],
)
def test_it_recommends_what_the_files_speak_for(
    tmp_path: Path, corpus: Path, count: int, changes: dict[str, float], recommended: str
) -> None:
    shown = written(tmp_path / "shown.jsonl", demonstrations(count, **changes))
    said = advise(corpus, shown, "--json")
    assert said.exit_code == 0, said.output
    tree = json.loads(said.stdout)
    assert tree["recommendation"] == recommended
    assert tree["demonstrations"]["demonstrations"] == count
    assert tree["model"] is None
    assert tree["borderline"][:1] == ["solved"]  # the model was not tried


def test_every_figure_that_decided_is_printed(tmp_path: Path, corpus: Path) -> None:
    shown = written(tmp_path / "shown.jsonl", demonstrations(900, sound=0.9))
    said = advise(corpus, shown).output
    assert "sound                0.900 [" in said
    assert "\nboth: " in said
    assert "\ndecided by\n" in said
    assert "not found false: 810; not met from 1000 on (500 to 2000)" in said
    assert "borderline: distinct demonstrations" in said
    assert "not tried: give --model FOLDER" in said


def test_without_demonstrations_the_model_decides(corpus: Path, model: Path) -> None:
    said = advise(corpus, "--model", model, "--json", *TRIED)
    assert said.exit_code == 0, said.output
    tree = json.loads(said.stdout)
    tried = tree["model"]
    assert (tried["asked"], tried["asked_from"], tried["read"]) == (16, "corpus", 16)
    assert tried["helpful"]["value"] == 0
    assert tried["thinking"]["low"] <= tried["thinking"]["value"] <= tried["thinking"]["high"]
    assert tree["recommendation"] == "neither"
    assert "helped" in tree["borderline"]  # 16 texts are too few to be sure of 2 %
    again = advise(corpus, "--model", model, "--json", *TRIED)
    assert again.stdout == said.stdout


def test_the_table_tells_the_trial_and_what_was_cut(corpus: Path, model: Path) -> None:
    said = advise(corpus, "--model", model, *TRIED[:-1], "8")
    assert said.exit_code == EXIT_DATA
    assert "0 of 16 texts" in said.output
    said = advise(corpus, "--model", model, *TRIED)
    assert "16 of the corpus's marked answers" in said.output
    assert "less those of another text" in said.output


def test_problems_come_from_the_best_place_there_is() -> None:
    texts, demos = documents(3), demonstrations(4)
    marked = gather([], texts, demos)
    assert (marked.origin, len(marked.problems)) == ("corpus", 3)
    assert marked.problems[0].prompt == texts[0].text[: texts[0].spans[0][0]]
    assert {problem.rule for problem in marked.problems} == {"verified"}
    plain = [text.model_copy(update={"spans": []}) for text in texts]
    assert gather([], plain, demos).origin == "demonstrations"
    others = [demo.model_copy(update={"source": "mine"}) for demo in demos]
    assert {problem.rule for problem in gather([], plain, others).problems} == {"exact"}
    assert gather([], plain, []).origin == ""
    assert gather(marked.problems, texts, demos).origin == "problems"
    prose = [demo.model_copy(update={"continuation": "word " * 40}) for demo in demos[:1]]
    assert gather([], plain, prose).origin == ""
    assert gather([], plain, [*prose, *demos[1:]]).unasked == 1
    assert marked.longest_answer == 1


def test_nonsense_is_told_before_any_work(tmp_path: Path, corpus: Path, model: Path) -> None:
    nonsense = tmp_path / "nonsense.jsonl"
    nonsense.write_text('{"text": "no record"}\n', encoding="utf-8")
    twice = tmp_path / "twice.jsonl"
    one = demonstrations(1)
    written(twice, one + one)
    (tmp_path / "broken.jsonl").write_text("{", encoding="utf-8")
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "data.png").write_bytes(b"\x89PNG")
    for arguments, code, hint in (
        ((corpus, nonsense), EXIT_DATA, "line 1"),
        ((nonsense,), EXIT_DATA, "rlp schema document"),
        ((corpus, twice), EXIT_DATA, "comes twice, first at"),
        ((tmp_path / "broken.jsonl",), EXIT_DATA, "not JSON"),
        ((tmp_path / "empty.jsonl",), EXIT_DATA, "empty"),
        ((tmp_path / "data.png",), EXIT_DATA, "format"),
        ((tmp_path / "nowhere.jsonl",), EXIT_MISSING, "no file with documents here"),
        ((corpus, tmp_path / "nowhere.jsonl"), EXIT_MISSING, "no file with demonstrations"),
        ((corpus, corpus), EXIT_DATA, "no demonstration"),
        ((corpus, "--model", tmp_path / "none"), EXIT_MISSING, "no model folder"),
        ((corpus, "--model", tmp_path), EXIT_MISSING, "thought.json"),
        ((corpus, "--problems", corpus), EXIT_USAGE, "--model FOLDER"),
        ((corpus, "--model", model), EXIT_CONFIG, "--text-tokens"),
    ):
        said = advise(*arguments)
        assert (said.exit_code, hint in said.output) == (code, True), said.output
        assert "Traceback" not in said.output


def test_no_demonstrations_may_be_said_by_an_empty_file(tmp_path: Path, corpus: Path) -> None:
    (tmp_path / "none.jsonl").touch()
    assert advise(corpus, tmp_path / "none.jsonl").stdout == advise(corpus).stdout

"""`rlp prompts rank`: what it writes and says, twice the same, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rlp_core import prompts
from rlp_core.cli import main
from rlp_core.data.thinking import Thinking
from rlp_core.errors import EXIT_CONFIG, EXIT_DATA, EXIT_MISSING, EXIT_USAGE
from rlp_core.evaluation.prompt_ranking import NO_PROMPT
from rlp_core.files import folder_sha256
from rlp_core.policy.model import save
from rlp_core.ranking import AS_TRAINED, EXPERIMENT
from rlp_core.workspace import Workspace
from tests import models
from tests.tracking.runs import client_of

SMALL = (
    *("--texts", "5", "--positions", "1", "--samples", "2", "--text-tokens", "12"),
    *("--max-tokens", "3", "--prompts", "terse,second"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model")
    save(models.model(6), models.tokenizer(), made)
    Thinking(*models.DELIMITERS, 5, "Go on.\n").write(made)
    return made


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    lines = (json.dumps({"text": f"Q: {i}+{7 - i}-2\nA:5\n"}) for i in range(7))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two prompts, one of each place: the models of these tests read 128 tokens."""
    made = tmp_path / "library"
    made.mkdir()
    said = "title: t\nsource: s\nplace: {}\ntext: |\n  Think.\n"
    (made / "terse.yaml").write_text(said.format("start"))
    (made / "second.yaml").write_text(said.format("thought"))
    (made / "long.yaml").write_text(said.format("start").replace("Think.", "Think. " * 40))
    monkeypatch.setattr(prompts, "FOLDER", made)


def rank(root: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["--root", str(root), "prompts", "rank", *map(str, arguments)])


def test_a_ranking_is_written_told_and_the_same_again(
    folder: Path, corpus: Path, tmp_path: Path
) -> None:
    said = rank(tmp_path, folder, corpus, *SMALL, "--no-track", "--output", "one")
    assert said.exit_code == 0, said.output
    made = tmp_path / "one"
    tree = json.loads((made / "ranking.json").read_text())
    assert sorted(tree["order"]) == sorted(tree["prompts"])
    assert set(tree["order"]) == {NO_PROMPT, AS_TRAINED, "terse", "second"}
    values = [tree["prompts"][name]["true_gain"]["value"] for name in tree["order"]]
    assert values == sorted(values, reverse=True)
    none = tree["prompts"][NO_PROMPT]
    assert none["true_gain"] == none["horizon_gain"]
    assert none["prompt_tokens"] == 0
    assert none["true_gain"]["clusters"] == 5
    length = len(models.codec().encode("Think.\n"))
    assert tree["prompts"]["terse"]["prompt_tokens"] == length
    assert tree["prompts"]["second"]["prompt_tokens"] == length
    assert tree["prompts"]["second"]["place"] == "thought"
    assert tree["prompts"]["terse"]["words"] == prompts.words("terse", models.DELIMITERS).digest
    assert tree["asked"]["places"] == 5
    page = (made / "ranking.md").read_text()
    assert all(f"| {name} | " in page for name in tree["order"])
    assert "5 of 7 pieces of 7 texts drawn" in said.output
    assert f"First is `{tree['order'][0]}`" in said.output or tree["order"][0] == NO_PROMPT
    assert (made / "figures/prompts.svg").read_text().startswith("<?xml")
    assert len(list((made / "rows").iterdir())) == 4
    again = rank(tmp_path, folder, corpus, *SMALL, "--no-track", "--output", "two")
    assert again.exit_code == 0, again.output
    assert folder_sha256(made) == folder_sha256(tmp_path / "two")
    once = made.stat().st_ino
    assert rank(tmp_path, folder, corpus, *SMALL, "--no-track", "--output", "one").exit_code == 0
    assert made.stat().st_ino != once


def test_a_ranking_is_a_run_in_mlflow(folder: Path, corpus: Path, tracked: Workspace) -> None:
    said = rank(tracked.root, folder, corpus, *SMALL, "--output", "ranked")
    assert said.exit_code == 0, said.output
    client = client_of(tracked)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    (run,) = client.search_runs([experiment.experiment_id])
    tree = json.loads((tracked.root / "ranked/ranking.json").read_text())
    assert run.info.status == "FINISHED"
    assert run.data.metrics["prompts/terse/true_gain"] == pytest.approx(
        tree["prompts"]["terse"]["true_gain"]["value"]
    )
    assert run.data.tags["rlp.command"] == "prompts rank"
    assert run.data.tags["rlp.prompts.first"] == tree["order"][0]
    assert run.data.params["corpus"] == "texts.jsonl"
    listed = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"ranking.md", "ranking.json", "prompts.svg"} <= listed


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (("--prompts", "terze"), EXIT_CONFIG, "did you mean `terse`"),
        (("--prompts", "terse,terse"), EXIT_USAGE, "named twice: terse"),
        (("--prompts", "terse@4"), EXIT_CONFIG, "no version '4'"),
        (("--prompts", "long"), EXIT_USAGE, "prompt long, text, thought and what follows are"),
        (("--open", "<think"), EXIT_CONFIG, ""),
        (("--output", "kept"), EXIT_USAGE, "holds other things than a ranking"),
    ],
)
def test_a_mistake_is_told_before_any_work(
    folder: Path, corpus: Path, tmp_path: Path, change: tuple[str, ...], code: int, message: str
) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/mine.txt").write_text("mine")
    said = rank(tmp_path, folder, corpus, *SMALL, "--no-track", "--output", "one", *change)
    if change[0] == "--open":  # delimiters that the tokenizer lacks are added to it, and that said
        assert said.exit_code == 0, said.output
        assert "<think and </think> are new to the tokenizer" in said.output
        return
    assert said.exit_code == code, said.output
    assert message in said.output
    assert not (tmp_path / "one").exists()
    assert (tmp_path / "kept/mine.txt").read_text() == "mine"


def test_what_is_not_there_or_too_little_is_told(
    folder: Path, corpus: Path, tmp_path: Path
) -> None:
    said = rank(tmp_path, tmp_path / "nowhere", corpus)
    assert said.exit_code == EXIT_MISSING
    assert "no model folder here" in said.output
    said = rank(tmp_path, folder, tmp_path / "nowhere.txt", *SMALL)
    assert said.exit_code == EXIT_MISSING
    one = tmp_path / "one.txt"
    one.write_text("A single text.\n")
    said = rank(tmp_path, folder, one, *SMALL, "--no-track")
    assert said.exit_code == EXIT_DATA
    assert "fewer than two texts" in said.output

"""The graph comes from dvc.yaml, and `meta:` is checked."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.graph import PHASES, in_phases, load_graph, parse_meta
from rlp_core.errors import ConfigError, MissingInputError
from rlp_core.stage import stage_names
from tests.flows import project

GOOD = {"phase": "evaluate", "gpus": 1, "retries": 2, "timeout_minutes": 3}


def test_it_holds_every_stage_that_the_entry_point_knows() -> None:
    names = [stage.name for stage in load_graph(project.REPOSITORY)]
    assert sorted(names) == sorted(stage_names())


def test_a_stage_comes_after_what_it_needs() -> None:
    seen: set[str] = set()
    for stage in load_graph(project.REPOSITORY):
        assert seen.issuperset(stage.upstream), stage.name
        seen.add(stage.name)


def test_matrix_and_edges_are_resolved_by_dvc() -> None:
    stages = {stage.name: stage for stage in load_graph(project.REPOSITORY)}
    assert "rlp" in stages["cpt"].upstream  # through its ledger
    assert set(stages["evaluate@cpt-ft"].upstream) == {"base", "rlvr@cpt", "validate"}
    assert all(stage.description for stage in stages.values())


def test_the_phases_share_out_all_stages() -> None:
    stages = load_graph(project.REPOSITORY)
    shared = [stage for phase in PHASES for stage in in_phases(stages, (phase,))]
    assert sorted(stage.name for stage in shared) == sorted(stage.name for stage in stages)
    assert all(in_phases(stages, (phase,)) for phase in PHASES)


def test_it_is_read_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = load_graph(project.REPOSITORY)
    monkeypatch.chdir(tmp_path)
    assert load_graph(project.REPOSITORY) == here


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"phase": "nowhere"}, "nowhere"),
        ({"gpus": -1}, "gpus"),
        ({"gpus": True}, "gpus"),
        ({"retries": "2"}, "retries"),
        ({"timeout_minutes": 0}, "timeout_minutes"),
        ({"timeout_minute": 5}, "did you mean `timeout_minutes`"),
    ],
)
def test_an_impossible_meta_is_an_error(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        parse_meta("rlp", GOOD | change)
    assert "stages.rlp.meta" in str(caught.value)


@pytest.mark.parametrize("key", list(GOOD))
def test_a_missing_key_of_meta_is_an_error(key: str) -> None:
    with pytest.raises(ConfigError, match=f"`{key}` is missing"):
        parse_meta("rlp", {name: value for name, value in GOOD.items() if name != key})


def test_no_meta_at_all_is_an_error() -> None:
    with pytest.raises(ConfigError, match="meta"):
        parse_meta("rlp", None)


def test_a_folder_without_a_pipeline_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no pipeline"):
        load_graph(tmp_path)


def test_a_broken_file_is_an_error(tmp_path: Path) -> None:
    root = project.make(tmp_path / "p", project.stage("a"))
    (root / "dvc.yaml").write_text("stages:\n  a: {cmd: [}\n")
    with pytest.raises(ConfigError, match="DVC cannot read"):
        load_graph(root)


def test_an_unpacked_archive_says_how_to_go_on(tmp_path: Path) -> None:
    root = project.make(tmp_path / "p", project.stage("a"))
    shutil.rmtree(root / ".git")
    with pytest.raises(MissingInputError, match="git init"):
        load_graph(root)
    project.dvc(root, "config", "--local", "core.no_scm", "true")
    assert [stage.name for stage in load_graph(root)] == ["a"]

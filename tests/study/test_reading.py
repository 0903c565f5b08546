"""A study file: what is wrong in it is named, with the nearest that exists, all at once."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from rlp_core.errors import ConfigError, UsageError
from rlp_core.study import reading
from tests.study import files

ROOT = files.REPOSITORY


@pytest.mark.parametrize("name", reading.names(ROOT))
def test_every_study_of_the_project_can_be_read(name: str) -> None:
    assert reading.read(reading.find(ROOT, name)).title


def test_a_study_is_found_by_name_and_by_file(tmp_path: Path) -> None:
    root = files.checkout(tmp_path)
    assert reading.names(root) == ["trial"]
    assert reading.find(root, "trial") == reading.find(root, "studies/trial.yaml")
    with pytest.raises(UsageError, match="did you mean `trial`"):
        reading.find(root, "trail")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("qestion", "?", "did you mean `question`"),
        ("variants.paper.descripton", "x", "did you mean `description`"),
        ("variants.Paper", {"description": "x"}, "pattern"),
        ("metrics", ["pass_at_1_thinkin"], "did you mean `pass_at_1_thinking`"),
        ("pairs", [{"arm": "rpl", "over": "cpt", "metric": "bits_per_byte"}], "did you mean `rlp`"),
        ("pairs", [{"arm": "rlp", "over": "rlp", "metric": "bits_per_byte"}], "with itself"),
        ("until", "evaluate@rpl", "did you mean `evaluate@rlp`"),
        ("variants.paper.until", "evaluate@rpl", "did you mean `evaluate@rlp`"),
        ("seeds", [1, 1], "stands twice"),
        ("seeds", [-1], "greater than or equal to 0"),
        ("overrides", {"seed": 4}, "stand under `seeds`"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, place: str, value: Any, said: str) -> None:
    study = copy.deepcopy(files.STUDY)
    *sections, last = place.split(".")
    node = study
    for key in sections:
        node = node[key]
    node[last] = value
    root = files.checkout(tmp_path, study)
    with pytest.raises(ConfigError) as caught:
        reading.read(reading.find(root, "trial"))
    assert said in str(caught.value)


def test_all_unknown_names_are_told_at_once(tmp_path: Path) -> None:
    study = files.STUDY | {"until": ["nothing"], "metrics": ["neither", "nor"]}
    root = files.checkout(tmp_path, study)
    with pytest.raises(ConfigError) as caught:
        reading.read(reading.find(root, "trial"))
    assert str(caught.value).count("  - ") == 3

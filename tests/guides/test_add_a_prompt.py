"""docs/guides/add-a-prompt.md, followed to the letter: one YAML file."""

from __future__ import annotations

import pytest
import yaml

from tests.guides.follow import Follower

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Follower:
    return Follower("add-a-prompt.md", tmp_path_factory.mktemp("prompt") / "copy")


def test_one_file_is_touched(followed: Follower) -> None:
    assert followed.changed() == {"rlp_core/prompts/second-look.yaml": "??", "params.yaml": "M"}


def test_it_is_listed_shown_and_known_to_the_parameters(followed: Follower) -> None:
    path = followed.root / "rlp_core/prompts/second-look.yaml"
    prompt = yaml.safe_load(path.read_text(encoding="utf-8"))
    listed = followed.said["rlp prompts list"].splitlines()
    assert f"second-look   {prompt['title']}" in listed
    assert followed.said["rlp prompts show second-look"].endswith(prompt["text"])
    assert "all parameters are known" in followed.said["rlp params check"]

"""docs/guides/add-a-prompt.md, followed to the letter: one YAML file."""

from __future__ import annotations

import pytest
import yaml

from tests.guides.follow import Follower

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Follower:
    return Follower("add-a-prompt.md", tmp_path_factory.mktemp("prompt") / "copy")


def test_one_file_each_is_touched(followed: Follower) -> None:
    prompts = ("rlp_core/prompts/second-look.yaml", "rlp_core/prompts/shown-sums.yaml")
    assert followed.changed() == dict.fromkeys(prompts, "??") | {"params.yaml": "M"}


def test_it_is_listed_shown_and_known_to_the_parameters(followed: Follower) -> None:
    path = followed.root / "rlp_core/prompts/second-look.yaml"
    prompt = yaml.safe_load(path.read_text(encoding="utf-8"))
    listed = followed.said["rlp prompts list"].splitlines()
    assert [line.split(None, 1)[1] for line in listed if line.startswith("second-look ")] == [
        prompt["title"]
    ]
    assert followed.said["rlp prompts show second-look"].endswith(prompt["text"])
    assert "all parameters are known" in followed.said["rlp params check"]


def test_examples_are_shown_as_often_as_is_asked(followed: Follower) -> None:
    shown = followed.said["rlp prompts show shown-sums --set shots=1"]
    assert shown.endswith(
        "\n\nThree hens laid two eggs each. Altogether there were"
        "<think> Three times two is six.</think> six eggs.\n\n"
    )
    assert "variables, as they usually are: shots=2" in shown

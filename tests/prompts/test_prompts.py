"""The library of prompts: every file can be read, and what cannot is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlp_core import prompts
from rlp_core.data.thought import ThoughtConfig
from rlp_core.errors import EXIT_SOFTWARE, ConfigError, PluginError

GOOD = "title: t\nsource: s\nplace: start\ntext: |\n  Think.\n"


@pytest.mark.parametrize("name", prompts.names())
def test_every_prompt_is_whole_and_ends_its_line(name: str) -> None:
    prompt = prompts.get(name)
    assert prompt.text.endswith("\n"), "a document begins on a line of its own"
    assert prompt.text.strip()
    assert "think>" not in prompt.text, "delimiters are parameters"
    at = prompts.words(name)
    assert {at.start, at.lead} == {prompt.text, ""}
    assert bool(at.lead) == (prompt.place == "thought")


def test_no_prompt_is_no_text() -> None:
    assert prompts.words("") == ("", "")
    assert ThoughtConfig(open="<t>", close="</t>", max_tokens=4).prompt == ""


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean `work-it-out`"):
        prompts.get("work-it")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: [", "while parsing"),
        ("", "valid dictionary"),
        ("- a\n", "valid dictionary"),
        (GOOD.replace("title: t\n", ""), "`title`: Field required"),
        (GOOD.replace("place: start", "place: end"), "`place`: Input should be 'start'"),
        (GOOD.replace("text: |\n  Think.\n", "text: ''\n"), "`text`: String should have at least"),
        (GOOD.replace("  Think.\n", "").replace("|", "7"), "`text`: Input should be a valid str"),
        (GOOD + "txet: a\n", "`txet`: unknown key .did you mean `text`"),
        (GOOD.encode() + b"# \xff\n", "can't decode"),
    ],
)
def test_a_file_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes, message: str
) -> None:
    monkeypatch.setattr(prompts, "FOLDER", tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    assert prompts.names() == ["mine"]
    with pytest.raises(PluginError, match=message) as caught:
        ThoughtConfig(open="<t>", close="</t>", max_tokens=4, prompt="mine")
    assert caught.value.exit_code == EXIT_SOFTWARE
    assert caught.value.where == str(path)

"""The library of prompts: files can be read, versions stay, and what cannot be read is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlp_core import prompts
from rlp_core.data.thinking import Thinking
from rlp_core.data.thought import ThoughtConfig
from rlp_core.data.tokenizer import Codec
from rlp_core.errors import EXIT_SOFTWARE, ConfigError, PluginError
from tests import models

GOOD = "title: t\nsource: s\nplace: start\ntext: |\n  Think.\n"
MARKS = ("<t>", "</t>")

KEPT = {
    ("asked-and-shown", 1): "2b7669431dca",
    ("look-ahead", 1): "95a68cc85cf9",
    ("margin-notes", 1): "b38650d14c20",
    ("reason-first", 1): "d56a5e05e997",
    ("shown-thoughts", 1): "287efa34aac0",
    ("terse", 1): "5b5f5ec89996",
    ("work-it-out", 1): "ffbb74ba65a0",
}
"""Words of every version that was given to users, with the usual variables and <t>, </t>."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty library."""
    monkeypatch.setattr(prompts, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", prompts.names())
def test_every_prompt_is_whole_and_ends_its_line(name: str) -> None:
    prompt = prompts.get(name)
    assert prompt.text.endswith("\n"), "a document begins on a line of its own"
    assert prompt.text.strip()
    assert "think>" not in prompt.text, "delimiters are parameters"
    at = prompts.words(name, MARKS)
    said = at.start or at.lead
    assert {at.start, at.lead} == {said, ""}
    assert said.endswith("\n")
    assert bool(at.lead) == (prompt.place == "thought")
    assert said.count(MARKS[0]) == said.count(MARKS[1])
    if not prompt.examples:
        assert said == prompt.text


@pytest.mark.parametrize(("name", "version"), KEPT)
def test_a_version_keeps_its_words(name: str, version: int) -> None:
    """Words that change become a new version; the older file stays, as NAME@VERSION.yaml."""
    assert prompts.words(f"{name}@{version}", MARKS).digest == KEPT[name, version]


def test_every_prompt_of_the_package_is_among_those_kept() -> None:
    present = {(name.partition("@")[0], prompts.get(name).version) for name in prompts.names()}
    assert set(KEPT) <= present


def test_no_prompt_is_no_text() -> None:
    assert prompts.words("", MARKS) == ("", "")
    assert ThoughtConfig(open="<t>", close="</t>", max_tokens=4).prompt == ""


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean `work-it-out`"):
        prompts.get("work-it")


def test_an_older_version_is_found_by_its_number(folder: Path) -> None:
    (folder / "mine.yaml").write_text(GOOD.replace("Think.", "Think twice.") + "version: 3\n")
    (folder / "mine@1.yaml").write_text(GOOD)
    assert prompts.words("mine", MARKS) == prompts.words("mine@3", MARKS) == ("Think twice.\n", "")
    assert prompts.words("mine@1", MARKS) == ("Think.\n", "")
    assert prompts.words("mine", MARKS).digest != prompts.words("mine@1", MARKS).digest
    for version in ("2", "x", ""):
        with pytest.raises(ConfigError, match=f"no version '{version}'(?s:.*)versions: 1, 3"):
            prompts.get(f"mine@{version}")
    (folder / "mine@2.yaml").write_text(GOOD)
    with pytest.raises(PluginError, match="its name says version 2, and it 1"):
        prompts.get("mine@2")


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
        (GOOD + "version: 0\n", "`version`: Input should be greater"),
        (GOOD + "variables: {tone: calm}\n", "does not use `tone`, which it sets"),
        (GOOD + "variables: {open: x}\n", "`variables` cannot set `open`"),
        (GOOD + "variables: {shots: many}\n", "`variables.shots` must be a whole number"),
        (GOOD + "examples:\n- {before: a, thought: b, after: c}\n", "not use `examples`, which"),
        (GOOD + "examples:\n- {befor: a}\n", "unknown key .did you mean `before`"),
        (GOOD.replace("Think.", "{{ tone }}"), "uses `tone`, which nothing sets"),
        (GOOD.encode() + b"# \xff\n", "can't decode"),
    ],
)
def test_a_file_that_cannot_be_read(folder: Path, text: str | bytes, message: str) -> None:
    path = folder / "mine.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    assert prompts.names() == ["mine"]
    with pytest.raises(PluginError, match=message) as caught:
        ThoughtConfig(open="<t>", close="</t>", max_tokens=4, prompt="mine")
    assert caught.value.exit_code == EXIT_SOFTWARE
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"shot": 1}, "no variable `shot`.*did you mean `shots`"),
        ({"shots": 4}, "has 3 examples, and 4 are asked for"),
        ({"shots": -1}, "from 0 to 3"),
        ({"shots": "2"}, "give a value of type int"),
        ({"shots": True}, "give a value of type int"),
    ],
)
def test_variables_that_a_prompt_cannot_take(variables: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ThoughtConfig(prompt="shown-thoughts", variables=variables)


def test_variables_without_a_prompt_are_told() -> None:
    with pytest.raises(ConfigError, match="`shots` is set, and no prompt is named"):
        ThoughtConfig(variables={"shots": 1})


def test_examples_are_shown_between_the_models_own_delimiters() -> None:
    how = ThoughtConfig(prompt="shown-thoughts", variables={"shots": 1})
    said = how.words().start
    first = prompts.get("shown-thoughts").examples[0]
    assert said == f"{first.before}<think>{first.thought}</think>{first.after}\n\n"
    assert Thinking.of(how).prompt == said
    codec = Codec.of(models.tokenizer(), models.DELIMITERS, said)
    inside = [token for token in codec.prefix if token in (codec.open_id, codec.close_id)]
    assert inside == [codec.open_id, codec.close_id]
    start = codec.prefix.index(codec.open_id)
    assert codec.decode(codec.prefix[start:]) == said[said.index("<think>") :]
    assert codec.prefix[:start][-1:] == tuple(codec.encode(first.before)[-1:])
    none = ThoughtConfig(prompt="shown-thoughts", variables={"shots": 0})
    assert none.words() == ("", "")


def test_a_delimiter_in_a_plain_text_is_still_the_characters_it_is_written_with() -> None:
    codec = Codec.of(models.tokenizer(), models.DELIMITERS, "<think>a</think>\n")
    assert codec.open_id in codec.prefix
    assert codec.open_id not in codec.context("a <think> b")[len(codec.prefix) :]


@pytest.mark.parametrize(
    "text", ["{{ open }}a\n", "a{{ close }}\n", "{{ open }}a{{ open }}b{{ close }}{{ close }}\n"]
)
def test_a_thought_that_is_not_closed_is_told(folder: Path, text: str) -> None:
    (folder / "mine.yaml").write_text(GOOD.replace("Think.\n", text))
    with pytest.raises(PluginError, match="close each thought"):
        prompts.words("mine", MARKS)


def test_a_delimiter_put_together_out_of_pieces_is_told(folder: Path) -> None:
    (folder / "mine.yaml").write_text(GOOD.replace("Think.", "{{ '<' ~ 't>' }}"))
    with pytest.raises(ConfigError, match="contains the delimiter '<t>'"):
        prompts.words("mine", MARKS)

"""`rlp think`: thoughts, how the model goes on, and what a thought is worth to it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from rlp_core.cli import main
from rlp_core.data.thinking import FILE, Thinking
from rlp_core.errors import EXIT_CONFIG, EXIT_MISSING, EXIT_USAGE
from rlp_core.objective.reference import logprob
from rlp_core.policy.model import save
from tests import models

TEXT = "Q: 3+4-5\nA:"
NUMBER = r"([-+.e\d]+)"
WEIGHED = re.compile(
    rf"    probability {NUMBER}, without the thought {NUMBER}: information gain {NUMBER} nats"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model")
    save(models.model(6), models.tokenizer(), made)
    Thinking(*models.DELIMITERS, 5).write(made)
    return made


def think(*arguments: str | Path, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(main, ["think", *map(str, arguments)], input=stdin)


@torch.no_grad()
def greedy(context: list[int], stop: int, limit: int) -> list[int]:
    """The likeliest tokens, one by one, up to and including `stop`."""
    model, found = models.model(6), []
    while len(found) < limit and stop not in found:
        ids = torch.tensor([[*context, *found]])
        found.append(int(model(input_ids=ids, use_cache=False).logits[0, -1].argmax()))
    return found


@torch.no_grad()
def by_hand(context: list[int], target: list[int]) -> float:
    model, row = models.model(6), [*context, *target]
    return sum(
        float(logprob(model, row[:place], row[place], 1.0))
        for place in range(len(context), len(row))
    )


def test_a_prompt_before_thoughts_is_read_with_them(tmp_path: Path) -> None:
    save(models.model(6), models.tokenizer(), tmp_path)
    Thinking(*models.DELIMITERS, 5, lead="Think.\n").write(tmp_path)
    assert Thinking.read(tmp_path).lead == "Think.\n"
    said = think(tmp_path, TEXT, "--next", "2\n", "--thoughts", "1", "--temperature", "0")
    assert said.exit_code == 0, said.output
    lines, codec = said.output.splitlines(), models.codec()
    context, target = codec.context(TEXT), codec.encode("2\n")
    start = [*context, *codec.encode("Think.\n"), codec.open_id]
    thought = greedy(start, codec.close_id, 5)
    closed = thought if codec.close_id in thought else [*thought, codec.close_id]
    assert lines[2].startswith(codec.decode([codec.open_id, *closed]))
    after, without, _ = map(float, WEIGHED.fullmatch(lines[3]).groups())
    assert after == pytest.approx(math.exp(by_hand([*start, *closed], target)), rel=5e-3)
    assert without == pytest.approx(math.exp(by_hand(context, target)), rel=5e-3)


def test_a_thought_is_weighed_by_what_really_follows(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # no checkout, no parameters
    said = think(folder, TEXT, "--next", "2\n", "--thoughts", "2", "--temperature", "0")
    assert said.exit_code == 0, said.output
    lines = said.output.splitlines()
    assert lines[0].startswith("without a thought: ")
    codec = models.codec()
    context, target = codec.context(TEXT), codec.encode("2\n")
    direct = by_hand(context, target)
    assert float(lines[1].split()[-1]) == pytest.approx(math.exp(direct), rel=5e-3)
    thought = greedy([*context, codec.open_id], codec.close_id, 5)
    closed = thought if codec.close_id in thought else [*thought, codec.close_id]
    reasoned = by_hand([*context, codec.open_id, *closed], target)
    for shown, weighed in zip(lines[2:6:2], lines[3:6:2], strict=True):
        assert shown.startswith(codec.decode([codec.open_id, *closed]))
        after, without, gain = map(float, WEIGHED.fullmatch(weighed).groups())
        assert after == pytest.approx(math.exp(reasoned), rel=5e-3)
        assert without == pytest.approx(math.exp(direct), rel=5e-3)
        assert gain == pytest.approx(reasoned - direct, abs=2e-3)
    assert lines[6].startswith("mean information gain about '2\\n': ")
    assert float(lines[6].split()[-2]) == pytest.approx(reasoned - direct, abs=2e-3)


def test_standard_input_is_read_as_the_same_text(folder: Path) -> None:
    assert think(folder, "-", stdin=TEXT.encode()).output == think(folder, TEXT).output
    said = think(folder, "-", stdin=b"\xff\xfe")
    assert said.exit_code == EXIT_USAGE
    assert "UTF-8" in said.output


def test_the_same_seed_thinks_the_same_and_each_thought_is_shown(folder: Path) -> None:
    one, same, other = (think(folder, TEXT, "--seed", seed).output for seed in "112")
    assert one == same != other
    assert one.count("information gain") == 3
    assert "mean information gain" not in one


def test_marks_in_the_text_are_text(folder: Path) -> None:
    said = think(folder, "a<think>b</think><|endoftext|>", "--next", "<|pad|>")
    assert said.exit_code == 0, said.output
    assert len(WEIGHED.findall(said.output)) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nowhere", TEXT), EXIT_MISSING, "no model folder"),
        (("{folder}", TEXT, "--next", ""), EXIT_USAGE, "nothing that follows"),
        (("{folder}", "Q" * 200), EXIT_USAGE, "the model reads 128"),
        (("{folder}", TEXT, "--max-tokens", "120"), EXIT_USAGE, "the model reads 128"),
        (("{folder}", TEXT, "--open", "<reason>"), EXIT_CONFIG, "'<reason>' is"),
        (("{folder}", TEXT, "--open", "<|endoftext|>"), EXIT_CONFIG, "control token"),
        (("{folder}", TEXT, "--device", "abacus"), EXIT_CONFIG, "no device"),
    ],
)
def test_mistakes_are_told(folder: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    found = think(*(argument.format(folder=folder) for argument in arguments))
    assert found.exit_code == code
    assert said in found.output
    assert "Traceback" not in found.output


def test_a_folder_that_does_not_say_how_it_thinks_can_be_told(tmp_path: Path) -> None:
    save(models.model(6), models.tokenizer(), tmp_path)
    found = think(tmp_path, TEXT)
    assert found.exit_code == EXIT_MISSING
    assert FILE in found.output
    told = think(tmp_path, TEXT, "--open", "<think>", "--close", "</think>", "--max-tokens", "5")
    assert told.exit_code == 0, told.output

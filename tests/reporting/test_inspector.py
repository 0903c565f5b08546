"""The inspector's part of the page: safe in its script element, small, the same texts for all."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from rlp_core.arms import declared
from rlp_core.errors import DataError
from rlp_core.evaluation import item_files
from rlp_core.evaluation.item_files import ArmItems
from rlp_core.files import read_jsonl, write_jsonl
from rlp_core.reporting.inspector import LONGEST, inspector
from tests.evaluation import arms

ARMS = declared()


def items(root: Path, **texts: Any) -> dict[str, ArmItems]:
    folders = arms.write_all(root)
    for arm, folder in folders.items():
        arms.add_inspected(folder, arm, **texts)
    return {arm: item_files.read(folder) for arm, folder in folders.items()}


def test_all_that_was_inspected_is_there(tmp_path: Path) -> None:
    of = items(tmp_path)
    made = inspector(of, ARMS)
    assert made is not None
    data = json.loads(made.data)
    assert list(data["found"]) == list(ARMS.names)
    assert (data["base"], data["chosen"]) == ("base", "rlp")
    for text, row in zip(data["texts"], of["rlp"].inspected, strict=True):
        assert text == {name: row[name] for name in text}
    shown, row = data["found"]["cpt"][1], of["cpt"].inspected[1]
    assert shown["texts"] == row["texts"]
    assert shown["thinking"] == [[round(x, 4) for x in many] for many in row["thinking"]]
    assert (made.measured, made.left_out, made.shortened) == (2, 0, 0)


def test_no_text_ends_its_script_element(tmp_path: Path) -> None:
    made = inspector(items(tmp_path), ARMS)
    assert made is not None
    assert "<" not in made.data
    assert "</script><b>" in json.loads(made.data)["texts"][1]["tokens"][7]
    assert "</script" not in made.script.lower()
    assert "<" not in made.style


def test_the_script_asks_nobody_and_writes_no_markup() -> None:
    """What the policy forbids is not tried either, and texts of models are never read as HTML."""
    script = Path(inspector.__code__.co_filename).with_name("inspector.js").read_text("utf-8")
    found = re.findall(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|fetch|XMLHttp|import|https?:",
        script,
    )
    assert found == []


def test_the_policy_names_this_script(tmp_path: Path) -> None:
    made = inspector(items(tmp_path), ARMS)
    assert made is not None
    digest = base64.b64encode(hashlib.sha256(str(made.script).encode()).digest()).decode()
    assert made.allowed == f"'sha256-{digest}'"


def test_nothing_inspected_is_no_inspector(tmp_path: Path) -> None:
    folders = arms.write_all(tmp_path)
    assert inspector({a: item_files.read(f) for a, f in folders.items()}, ARMS) is None


def test_an_arm_without_inspected_texts_is_left_out(tmp_path: Path) -> None:
    of = items(tmp_path)
    (tmp_path / "rlp" / "items" / "inspected.jsonl").unlink()
    of["rlp"] = item_files.read(tmp_path / "rlp" / "items")
    made = inspector(of, ARMS)
    assert made is not None
    data = json.loads(made.data)
    assert "rlp" not in data["found"]
    assert data["chosen"] == "base"


def test_arms_that_were_inspected_on_other_texts_are_refused(tmp_path: Path) -> None:
    of = items(tmp_path)
    arms.add_inspected(tmp_path / "cpt" / "items", "cpt", texts=["x|y|z"])
    of["cpt"] = item_files.read(tmp_path / "cpt" / "items")
    with pytest.raises(DataError, match="cpt and base were inspected on different texts"):
        inspector(of, ARMS)


def test_texts_beyond_the_limit_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of = items(tmp_path)
    whole = inspector(of, ARMS)
    assert whole is not None
    size = len(whole.data.encode())
    made = inspector(of, ARMS, size - 1)
    assert made is not None
    assert (made.measured, made.left_out) == (2, 1)
    assert len(made.data.encode()) < size
    assert inspector(of, ARMS, size) == whole
    assert inspector(of, ARMS, 100) is None
    assert "lower evaluate.inspect.tokens" in capsys.readouterr().out


def test_long_thoughts_are_shortened_and_counted(tmp_path: Path) -> None:
    of = items(tmp_path)
    path = tmp_path / "rlp" / "items" / "inspected.jsonl"
    rows = list(read_jsonl(path))
    rows[0]["texts"][2][1] = "é" * (LONGEST + 7)
    write_jsonl(path, rows)
    of["rlp"] = item_files.read(path.parent)
    made = inspector(of, ARMS)
    assert made is not None
    assert made.shortened == 1
    shown = json.loads(made.data)["found"]["rlp"][0]["texts"][2][1]
    assert shown == "é" * LONGEST + " … (7 more characters)"

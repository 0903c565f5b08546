"""Stage `rlvr`: problems from `prepare` to `models/ARM-ft`, on a two-layer model."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from rlp_core.data.records import Problem
from rlp_core.errors import ConfigError, MissingInputError
from rlp_core.evaluation.verified import is_judged_right
from rlp_core.files import folder_sha256, read_jsonl
from rlp_core.stages import base, prepare, rlvr
from rlp_core.stages.rlvr import askable
from rlp_core.workspace import Workspace
from tests import models
from tests.data.test_prepare import files, put, run
from tests.stages.admitted import admit
from tests.stages.test_training import context, params


@pytest.fixture(scope="module")
def began(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A model that stands for a fine-tuned one, and problems."""
    workspace = Workspace(tmp_path_factory.mktemp("began"))
    prepare.run(context("prepare", workspace, params()))
    admit(workspace)
    base.run(context("base", workspace, params()))
    shutil.copytree(workspace.model("base"), workspace.supervised("rlp"))
    return workspace


def test_problems_of_a_world_are_marked_by_its_verifier(began: Workspace) -> None:
    problems = [Problem.model_validate(row) for row in read_jsonl(began.part("rlvr"))]
    assert len(problems) == 40
    for problem in problems[:10]:
        assert (problem.rule, problem.benchmark) == ("verified", "")
        assert is_judged_right(problem.answer, problem)
        assert not is_judged_right(f"{problem.answer}1", problem)


def test_without_steps_the_fine_tuned_model_is_passed_on_byte_for_byte(
    began: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(began.model("base"), Workspace(tmp_path).supervised("rlp"))
    workspace = Workspace(tmp_path)
    for path in workspace.supervised("rlp").iterdir():
        path.chmod(0o444)  # as DVC protects what it has linked
    rlvr.run(context("rlvr@rlp", workspace, params(rlvr__steps=0)))
    made = workspace.model("rlp-ft")
    assert folder_sha256(made) == folder_sha256(workspace.supervised("rlp"))
    assert all(path.stat().st_mode & 0o200 for path in made.iterdir())
    assert "rlvr.steps is 0" in capsys.readouterr().out
    metrics = json.loads((workspace.report("rlvr@rlp") / "metrics.json").read_text())
    assert metrics == {"steps": 0, "flops": 0, "tokens": 0}


def test_steps_make_another_model_and_tell_of_it(began: Workspace) -> None:
    # a model that knows nothing answers nothing right: the bonus for entropy alone moves it
    chosen = params(rlvr__steps=2, rlvr__kl_weight=0.01, rlvr__entropy_weight=0.1)
    rlvr.run(context("rlvr@rlp", began, chosen))
    first = folder_sha256(began.model("rlp-ft"))
    curve = list(csv.DictReader((began.report("rlvr@rlp") / "steps.csv").open()))
    assert [row["step"] for row in curve] == ["1", "2"]
    assert {"reward", "no_signal", "unended", "thought_tokens"} <= set(curve[0])
    metrics = json.loads((began.report("rlvr@rlp") / "metrics.json").read_text())
    assert metrics["steps"] == 2
    assert metrics["dropped_share"] == metrics["unanswerable_share"] == 0
    assert first != folder_sha256(began.supervised("rlp"))
    rlvr.run(context("rlvr@rlp", began, chosen))
    assert folder_sha256(began.model("rlp-ft")) == first


def test_a_model_that_is_missing_is_named(tmp_path: Path) -> None:
    for steps in (0, 2):
        with pytest.raises(MissingInputError, match="no model folder here"):
            rlvr.run(context("rlvr@rlp", Workspace(tmp_path), params(rlvr__steps=steps)))


def problem(prompt: str, answer: str) -> Problem:
    return Problem(id=prompt, key="k", source="s", licence="l", prompt=prompt, answer=answer)


def test_problems_beyond_the_limits_are_dropped_and_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    codec = models.codec()
    short, long = problem("Q: 1\nA:", "1"), problem("Q: 1" + "+1" * 20 + "\nA:", "1")
    wordy = problem("Q: 2\nA:", "one two three")
    kept, lost = askable([*[short] * 8, long, wordy], codec, 20, 4)
    assert [one.problem for one in kept] == [short] * 8
    assert lost == {"dropped_share": 0.1, "unanswerable_share": 0.1}
    said = capsys.readouterr().out
    assert "1 dropped (10.0%)" in said
    assert "1 of 9 problems have an answer that does not end within rlvr.answer_tokens = 4" in said
    with pytest.raises(ConfigError, match="of 3 problems 1 are left to ask"):
        askable([short, wordy, wordy], codec, 20, 4)
    with pytest.raises(ConfigError, match="most of the data would not be read"):
        askable([short, long, long], codec, 20, 4)


def test_steps_need_problems() -> None:
    chosen = params()
    tree = json.loads(chosen.model_dump_json(by_alias=True))
    tree["prepare"]["rlvr"] = []
    type(chosen).model_validate(tree)
    tree["rlvr"]["steps"] = 3
    with pytest.raises(ValidationError, match=r"`prepare.rlvr` names no source"):
        type(chosen).model_validate(tree)


def test_a_row_is_marked_by_its_text_or_by_its_options(tmp_path: Path) -> None:
    put(tmp_path, "rows.jsonl", [{"q": f"Is {n} odd?", "a": "yes"} for n in range(4)])
    free = {"prompt": "{q}", "answer": "{a}"}
    for mapping, rule in ((free, "exact"), (free | {"choices": ["yes", "no"]}, "choice")):
        out, _ = run(tmp_path, rule, rlvr=[files(mapping=mapping)])
        made = [Problem.model_validate(row) for row in read_jsonl(out / "rlvr.jsonl")]
        assert [record.rule for record in made] == [rule] * 4
        assert is_judged_right("yes", made[0])
        assert not is_judged_right("no", made[0])

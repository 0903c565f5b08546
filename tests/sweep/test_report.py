"""The page of a sweep says what was tried, what came of it, and what is best."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlp_core.errors import MissingInputError
from rlp_core.files import folder_sha256
from rlp_core.study import reading
from rlp_core.sweep.report import report
from rlp_core.yaml_file import read_yaml
from tests.study import files as study_files
from tests.sweep import files
from tests.sweep.files import Stages


def page(root: Path, into: str = "page") -> str:
    list(report(root, files.NAME, Path(into)))
    return (root / into / "results.md").read_text(encoding="utf-8")


def test_without_trials_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no trial of the sweep was begun"):
        page(files.checkout(tmp_path))


def test_the_page_tells_every_trial_and_equal_trials_give_equal_bytes(
    tmp_path: Path, monkeypatch
) -> None:
    dies = Stages(dies=lambda run: 79 if run.variant == "trial-0002" else 0)
    dies.stand_in(monkeypatch)
    roots = [files.checkout(tmp_path / name, files.RANDOM) for name in ("a", "b")]
    for root in roots:
        files.run(root)
        said = page(root)
        assert str(root) not in said
    assert folder_sha256(roots[0] / "page") == folder_sha256(roots[1] / "page")
    assert "5 came to their end, 0 were pruned, 1 died, 0 have not ended; 6 attempts" in said
    assert "trial-0002 died: exit code 79 error in stage rlp: collapsed" in said
    assert {path.stem for path in (roots[0] / "page" / "figures").iterdir()} == {
        "history", "slices", "importances"
    }  # fmt: skip
    tree = json.loads((roots[0] / "page" / "results.json").read_text(encoding="utf-8"))
    values = {of["number"]: of["value"] for of in tree["trials"]}
    assert values[2] is None
    assert tree["best"]["value"] == max(v for v in values.values() if v is not None)
    assert sum(tree["importances"].values()) == pytest.approx(1, abs=0.01)
    assert tree["importances"].keys() == files.RANDOM["space"].keys()


def test_too_few_trials_say_nothing_of_importance(tmp_path: Path, monkeypatch) -> None:
    root = files.checkout(tmp_path, files.GRID | {"space": {"rlp.documents": [8, 16]}})
    Stages().stand_in(monkeypatch)
    files.run(root)
    assert "No importances are told: 2 finished trials say nothing" in page(root)


def test_where_every_trial_died_nothing_is_best(tmp_path: Path, monkeypatch) -> None:
    root = files.checkout(tmp_path)
    Stages(dies=lambda run: 0 if run.variant == "shared" else 70).stand_in(monkeypatch)
    files.run(root)
    assert "No trial is finished." in page(root)
    assert not (root / "page" / "best.yaml").exists()


def test_the_best_parameters_are_overrides_of_a_study(tmp_path: Path, monkeypatch) -> None:
    root = files.checkout(tmp_path, files.RANDOM | {"overrides": {"rlp.steps": 7}})
    Stages().stand_in(monkeypatch)
    files.run(root)
    page(root)
    best = read_yaml(root / "page" / "best.yaml", "")
    assert best["rlp.steps"] == 7
    study = study_files.STUDY | {"variants": {"best": {"description": "b", "overrides": best}}}
    path = root / "studies" / "trial.yaml"
    path.write_text(json.dumps(study), encoding="utf-8")
    assert reading.read(path).variants["best"].overrides == best

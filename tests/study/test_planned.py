"""The runs of a study: their parameters are the profile's, but for overrides and seed."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.errors import ConfigError, UsageError
from rlp_core.evaluation import benchmarks
from rlp_core.params import load
from rlp_core.study import reading, workspaces
from rlp_core.study.planned import StudyRun, merged, planned, planned_folders
from rlp_core.yaml_file import read_yaml
from tests.study import files

ROOT = Path(__file__).resolve().parents[2]
KEYS = st.sampled_from(["a", "b", "c"])
LEAVES = st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
TREES = st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, min_size=1), max_leaves=6)
SECTIONS = st.dictionaries(KEYS, TREES)


def plan(root: Path, **chosen: tuple) -> tuple[StudyRun, ...]:
    study = reading.read(reading.find(root, "trial"))
    return planned(study, root, root / "studies" / "trial", "trial.yaml", **chosen)


def flat(tree: dict, before: str = "") -> dict:
    found = {}
    for key, value in tree.items():
        found |= (
            flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
        )
    return found


@given(SECTIONS, SECTIONS)
def test_nested_and_dotted_overrides_are_the_same(tree: dict, given: dict) -> None:
    dotted = merged(tree, flat(given))
    assert dotted == merged(tree, given)
    assert flat(given).items() <= flat(dotted).items()
    assert merged(dotted, given) == dotted
    assert merged(tree, {}) == tree


@given(SECTIONS, st.sampled_from(["a", "a.b", "a.b.c"]))
def test_null_takes_a_key_out(tree: dict, key: str) -> None:
    found = flat(merged(tree, {key: None}))
    assert not any(name == key or name.startswith(f"{key}.") for name in found)


def test_the_runs_are_variants_by_seeds_and_only_what_is_said_differs(tmp_path: Path) -> None:
    root = files.checkout(tmp_path)
    profile = load(root / "profiles" / "tiny.yaml").model_dump()
    runs = plan(root)
    assert [run.name for run in runs] == [
        "paper, seed 1", "warm, seed 1", "paper, seed 2", "warm, seed 2"
    ]  # fmt: skip
    for run in runs:
        warmth = 0.9 if run.variant == "warm" else 1.0
        changed = {"seed": run.seed, "rlp": profile["rlp"] | {"temperature": warmth}}
        assert run.params.model_dump() == profile | changed
    assert [r.name for r in plan(root, seeds=(2,), variants=("warm",))] == ["warm, seed 2"]


def test_a_variant_may_end_elsewhere_than_the_study(tmp_path: Path) -> None:
    study = copy.deepcopy(files.STUDY) | {"until": "compare"}
    study["variants"]["warm"]["until"] = "evaluate@rlp"
    ends = {run.variant: run.until for run in plan(files.checkout(tmp_path, study))}
    assert ends == {"paper": ("compare",), "warm": ("evaluate@rlp",)}


def test_what_a_run_may_take_over_lies_with_all_runs_asked_for_or_not(tmp_path: Path) -> None:
    root = files.checkout(tmp_path)
    study = reading.read(root / "studies" / "trial.yaml")
    folder = plan(root)[0].folder.parents[1]
    assert set(planned_folders(study, folder)) == {run.folder for run in plan(root)}


@pytest.mark.parametrize("chosen", [{"seeds": (3,)}, {"variants": ("wram",)}])
def test_a_seed_or_variant_that_is_not_there_is_refused(tmp_path: Path, chosen: dict) -> None:
    with pytest.raises(UsageError, match="the study has no"):
        plan(files.checkout(tmp_path), **chosen)


def test_impossible_overrides_are_told_of_all_variants_once(tmp_path: Path) -> None:
    study = files.STUDY | {
        "variants": {
            "a": {"description": "a", "overrides": {"rlp.tempature": 1.0}},
            "b": {"description": "b", "overrides": {"rlp.group_size": "many"}},
        }
    }
    with pytest.raises(ConfigError) as caught:
        plan(files.checkout(tmp_path, study))
    said = str(caught.value)
    assert said.count("variant a") == said.count("variant b") == 1
    assert "did you mean `temperature`" in said
    assert "rlp.group_size" in said


def test_folders_of_the_checkout_are_linked_and_those_beside_it_become_absolute(
    tmp_path: Path,
) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    study = files.STUDY | {"overrides": {"prepare.folder": "../beside"}}
    root = files.checkout(tmp_path / "checkout", study)
    run = plan(root)[0]
    assert run.tree["prepare"]["folder"] == str(beside)
    assert run.links == ("data/benchmarks", "data/bias", "data/checkpoints", "data/rewards")
    workspaces.make(run, root, root / "cache")
    assert (run.folder / "data" / "bias").resolve() == root / "data" / "bias"
    assert load(run.folder / "params.yaml") == run.params
    assert f"dir = {root / 'cache'}" in (run.folder / ".dvc" / "config").read_text()


def test_a_workspace_has_the_code_as_it_is_now_and_keeps_what_stages_wrote(tmp_path: Path) -> None:
    root = files.checkout(tmp_path)
    run = plan(root)[0]
    workspaces.make(run, root, None)
    kept = run.folder / "models" / "rlp" / "weights"
    kept.parent.mkdir(parents=True)
    kept.touch()
    before = (run.folder / "rlp_core").stat().st_ino
    assert not workspaces.make(run, root, None)
    assert (run.folder / "rlp_core").stat().st_ino == before
    (root / "rlp_core" / "new.py").write_text("", encoding="utf-8")
    assert workspaces.make(run, root, None)
    assert (run.folder / "rlp_core" / "new.py").is_file()
    assert kept.is_file()


@given(st.dictionaries(st.text(max_size=4), LEAVES | st.booleans() | st.floats(allow_nan=False)))
def test_parameters_are_read_as_they_were_written(tmp_path_factory, tree: dict) -> None:
    run = StudyRun("a", 1, Path(), {"x": tree}, None, ())  # type: ignore[arg-type]
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    path.write_text(workspaces.params_text(run), encoding="utf-8")
    assert read_yaml(path, "") == {"x": tree}


@pytest.mark.parametrize("folder", [".", "..", "models/x", "rlp_core/x", ".dvc"])
def test_a_folder_in_the_way_of_the_checkout_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ConfigError, match=r"would (lie in|hold)"):
        workspaces.check_folder((tmp_path / folder).resolve(), tmp_path)


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_study_that_comes_along_is_possible(path: Path, tmp_path: Path) -> None:
    study = reading.read(path)
    runs = planned(study, ROOT, tmp_path, str(path))
    assert len(runs) == len(study.seeds) * len(study.variants)


def test_the_whole_report_asks_every_benchmark_of_files_and_trains_as_the_word_problems() -> None:
    whole, words = (
        planned(reading.read(path), ROOT, Path("unused"), str(path))[0].params
        for path in (
            ROOT / "studies" / f"{name}.yaml" for name in ("whole-report", "word-problems")
        )
    )
    found = {path.stem: benchmarks.read(path) for path in benchmarks.BUILT_IN.glob("*.yaml")}
    of_files = {name for name, part in found.items() if part.source.kind == "files"}
    assert set(whole.evaluate.benchmarks) == of_files - {"gpqa-diamond"}
    for section in ("prepare", "base", "bootstrap", "rlp", "cpt", "finetune"):
        ours, theirs = getattr(whole, section), getattr(words, section)
        if hasattr(ours, "precision"):  # the whole report is for processors without bfloat16 too
            ours = ours.model_copy(update={"precision": theirs.precision})
        assert ours == theirs

"""The page of a study, from made-up runs: what it says is what was measured, in the same bytes."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from rlp_core.arms import declared
from rlp_core.errors import DataError, MissingInputError
from rlp_core.evaluation.abilities import DESCRIPTIONS
from rlp_core.files import folder_sha256, read_jsonl, write_jsonl, write_text
from rlp_core.study import examples, finished, workspaces
from rlp_core.study.report import report
from tests.evaluation import arms
from tests.reporting import run as made_up
from tests.study import files
from tests.study.test_planned import plan

STUDY = files.STUDY | {
    "overrides": {"compare.resamples": 200},
    "metrics": ["pass_at_1_thinking", "pass_at_1_direct", "information_gain"],
    "pairs": [
        {"arm": "rlp", "over": "cpt", "metric": "pass_at_1_thinking", "why": "thinking or more"},
        {"arm": "rlp", "over": "rlp", "variant": "warm", "over_variant": "paper",
         "metric": "information_gain"},
    ],
}  # fmt: skip
AUDIT = (
    "step,information_gain,true_gain,null_gain\n1,0.1,9.0,9.0\n2,0.2,,\n3,0.3,9.0,\n4,0.4,{0}.5,\n"
)


def finish(run) -> None:
    """Make up what a run leaves."""
    made_up.make(run.folder)
    for arm in declared().names:
        arms.write_arm(run.folder / "reports" / "evaluate" / arm / "items", arm, run.seed)
    write_text(run.folder / "reports" / "rlp" / "steps.csv", AUDIT.format(run.seed))
    write_text(run.folder / "params.yaml", workspaces.params_text(run))
    finished.mark(run, ())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = files.checkout(tmp_path, STUDY)
    for run in plan(root):
        finish(run)
    return root


def results(root: Path) -> tuple[str, dict]:
    list(report(root, "trial"))
    folder = root / "studies" / "trial"
    text = (folder / "results.md").read_text(encoding="utf-8")
    return text, json.loads((folder / "results.json").read_text(encoding="utf-8"))


def test_two_reports_are_equal_and_tell_no_place(root: Path, tmp_path: Path) -> None:
    text, tree = results(root)
    folder = root / "studies" / "trial"
    parts = ("results.md", "results.json")
    before = [(folder / name).read_bytes() for name in parts], folder_sha256(folder / "figures")
    results(root)
    assert before == (
        [(folder / name).read_bytes() for name in parts], folder_sha256(folder / "figures")
    )  # fmt: skip
    assert str(tmp_path) not in text + json.dumps(tree)


def test_a_page_can_be_made_again_from_what_was_kept(root: Path, tmp_path: Path) -> None:
    """Archives hold numbers alone, in the same bytes each time, and stand in for the workspaces."""
    text, tree = results(root)
    write_text(root / "studies" / "trial" / "paper" / "seed-1" / "reports" / "page.html", "large")
    said = [line for place in ("kept", "again") for line in report(root, "trial", into=Path(place))]
    assert said[0] == f"wrote results and runs to {root / 'kept'}"
    assert folder_sha256(root / "kept") == folder_sha256(root / "again")
    for archive in (root / "kept" / "runs").iterdir():
        with tarfile.open(archive) as opened:
            assert not [name for name in opened.getnames() if name.endswith(".html")]
            opened.extractall(tmp_path / "unpacked", filter="data")
    list(report(root, "trial", folder=tmp_path / "unpacked"))
    assert (tmp_path / "unpacked" / "results.md").read_text(encoding="utf-8") == text
    assert json.loads((tmp_path / "unpacked" / "results.json").read_text()) == tree


def test_values_are_means_of_seeds_within_their_intervals(root: Path) -> None:
    text, tree = results(root)
    for of in tree["values"].values():
        assert set(of) == set(declared().names)
        for metrics in of.values():
            assert set(DESCRIPTIONS) <= set(metrics)
            found = metrics["pass_at_1_thinking/arithmetic"]
            assert found["value"] == pytest.approx(sum(found["seeds"].values()) / 2, abs=1e-6)
            assert found["low"] <= found["value"] <= found["high"]
            assert found["n"] == 2 * arms.PROBLEMS
    found = tree["values"]["paper"]["rlp"]["pass_at_1_thinking/arithmetic"]
    row = next(line for line in text.splitlines() if line.startswith("| rlp | paper |"))
    assert f"| {found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}] |" in row
    assert row.endswith("| 9.5 | none |")
    assert "means over 2 seeds (1, 2)" in text


def test_pairs_are_told_with_the_seeds_of_their_sign(root: Path) -> None:
    text, tree = results(root)
    ours, theirs, across = tree["pairs"]
    assert (ours["variant"], theirs["variant"]) == ("paper", "warm")
    assert ours["value"] > 0.4
    assert ours["same_sign"] == 2
    assert (across["value"], across["low"], across["high"]) == (0.0, 0.0, 0.0)
    assert across["same_sign"] == 0
    assert "| thinking or more |" in text
    assert "| rlp (warm) − rlp (paper) |" in text  # noqa: RUF001


def test_audits_of_the_last_steps_are_averaged_and_bounded_over_seeds(root: Path) -> None:
    found = results(root)[1]["controls"]["paper"]
    assert found["true_gain"]["seeds"] == {"1": 1.5, "2": 2.5}
    assert (found["true_gain"]["low"], found["true_gain"]["high"]) == (1.5, 2.5)
    assert found["null_gain"]["seeds"] == {"1": 9.0, "2": 9.0}  # the last audit that has it


def test_curves_and_compute_are_there(root: Path) -> None:
    text, tree = results(root)
    assert tree["curves"]["warm"]["rlp"]["information_gain"]["mean"] == [0.1, 0.2, 0.3, 0.4]
    assert tree["compute"]["paper"]["rlp"]["flops"]["value"] == 8.5e10
    assert "| cpt | paper | 8.49e+10 | 5e+05 | 0.999 | – |" in text  # noqa: RUF001
    assert (root / "studies/trial/figures/rlp-curves.svg").is_file()
    assert "](figures/loss-curves.svg)" in text


def test_one_seed_says_that_there_is_no_interval_over_seeds(root: Path) -> None:
    for run in plan(root, seeds=(2,)):
        finished.unmark(run)
    text, tree = results(root)
    assert "there is no interval over seeds" in text
    assert "Values are means over" not in text
    assert tree["controls"]["paper"]["true_gain"]["low"] is None
    assert "**Not in these results**" in text
    assert "warm, seed 2: unfinished" in text


def test_a_run_with_other_parameters_is_not_shown(root: Path) -> None:
    path = root / "studies" / "trial.yaml"
    text = path.read_text(encoding="utf-8").replace("0.9", "0.8")
    path.write_text(text, encoding="utf-8")
    said, tree = results(root)
    assert tree["values"]["warm"] == {}
    assert "warm, seed 1: other parameters" in said


def test_nothing_finished_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="rlp study run trial"):
        list(report(files.checkout(tmp_path, STUDY), "trial"))


def test_variants_with_other_items_are_no_pair(root: Path) -> None:
    run = plan(root, variants=("warm",), seeds=(1,))[0]
    for arm in declared().names:
        path = run.folder / "reports" / "evaluate" / arm / "items" / "heldout.jsonl"
        write_jsonl(path, list(read_jsonl(path))[1:])
    with pytest.raises(DataError, match="different items at seed 1"):
        results(root)


def test_examples_are_those_with_the_largest_and_smallest_gain(root: Path) -> None:
    text, tree = results(root)
    for kind, sign in (("helped", 1), ("hurt", -1)):
        for shown in tree["examples"]["paper"][kind]:
            gain = shown["right_after_thinking"] - shown["right_without"]
            assert sign * gain > 0
            assert shown["thought"] in text
    assert len(tree["examples"]["paper"]["helped"]) == examples.SHOWN


def test_a_text_with_a_fence_does_not_end_its_block(root: Path) -> None:
    for run in plan(root):
        path = run.folder / "reports" / "evaluate" / "rlp" / "items" / "problems.jsonl"
        write_jsonl(path, [row | {"thought": "```\n# not a heading"} for row in read_jsonl(path)])
    text, _ = results(root)
    outside = text.split("````")[::2]
    assert "# not a heading" in text
    assert not any("# not a heading" in part for part in outside)

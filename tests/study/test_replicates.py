"""Runs of one recipe are replicates: the values of their page, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rlp_core.cli import main
from rlp_core.errors import MissingInputError, UsageError
from rlp_core.study import replicates
from rlp_core.study.report import report
from tests.study import files
from tests.study.test_planned import plan
from tests.study.test_report import STUDY, finish


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = files.checkout(tmp_path_factory.mktemp("checkout"), STUDY)
    for run in plan(root):
        finish(run)
    return root


def folders(root: Path, variant: str = "paper") -> list[Path]:
    return [root / "studies" / "trial" / variant / f"seed-{seed}" for seed in (1, 2)]


def test_values_are_those_of_a_study_of_the_same_runs(root: Path, tmp_path: Path) -> None:
    """Given in whatever order."""
    list(report(root, "trial"))
    study = json.loads((root / "studies/trial/results.json").read_text(encoding="utf-8"))
    told = list(replicates.compare(folders(root)[::-1], tmp_path / "made"))
    tree = json.loads((tmp_path / "made" / "results.json").read_text(encoding="utf-8"))
    for arm, metrics in study["values"]["paper"].items():
        for name in ("pass_at_1_thinking/arithmetic", "information_gain"):
            assert tree["values"]["all"][arm][name] == metrics[name]
    assert tree["controls"]["all"] == study["controls"]["paper"]
    assert (tmp_path / "made" / "results.md").read_text(encoding="utf-8") == told[0]
    assert "means over 2 seeds (1, 2)" in told[0]
    assert (tmp_path / "made" / "figures" / "rlp-curves.svg").is_file()
    assert str(tmp_path) not in told[0] + json.dumps(tree)


def test_declared_pairs_are_compared_on_the_same_items(root: Path) -> None:
    (page,) = replicates.compare(folders(root))
    assert "| rlp − cpt | all | gain_over_base |" in page  # noqa: RUF001
    assert "figures/" not in page


def test_one_run_says_that_it_covers_no_other(root: Path) -> None:
    (page,) = replicates.compare(folders(root)[:1])
    assert "there is no interval over seeds" in page
    assert "# One recipe, 1 run\n" in page


def test_what_is_no_replicate_is_refused_with_its_keys(root: Path) -> None:
    mixed = [folders(root)[0], folders(root, "warm")[1]]
    with pytest.raises(UsageError, match=r"no replicates: `rlp\.temperature`"):
        list(replicates.compare(mixed))
    with pytest.raises(UsageError, match="two runs have seed 1"):
        list(replicates.compare([folders(root)[0]] * 2))


def test_what_is_no_run_is_told(root: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no run lies here"):
        list(replicates.compare([tmp_path]))
    (tmp_path / "params.yaml").write_bytes((folders(root)[0] / "params.yaml").read_bytes())
    with pytest.raises(MissingInputError, match="nothing was evaluated"):
        list(replicates.compare([tmp_path]))


def test_the_command_prints_the_page(root: Path) -> None:
    done = CliRunner().invoke(main, ["compare", *map(str, folders(root))], catch_exceptions=False)
    assert done.exit_code == 0
    assert "## Paired differences" in done.output

"""The tables of ablations: their settings are possible, their intervals right."""

import itertools
import json
import math

import pytest
import yaml

from benchmarks import ablations
from benchmarks.ablation_run import _params
from rlp_core.objective import estimators
from rlp_core.workspace import Workspace

ROWS = [(name, row) for name, table in ablations.TABLES.items() for row in table.rows]


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_every_row_names_possible_parameters(tmp_path, name, row):
    from tests.e2e.checkout import REPOSITORY

    tree = yaml.safe_load((REPOSITORY / "profiles" / "tiny.yaml").read_text(encoding="utf-8"))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    changes = ablations.TABLES[name].rows[row]
    made = _params(tmp_path, changes).model_dump()
    for key, value in changes.items():
        section, field = key.split(".")
        assert made[section][field] == value
    assert Workspace(tmp_path).params.is_file()


def test_every_estimator_has_a_row_and_those_of_a_kind_stand_together():
    rows = list(ablations.TABLES["estimator"].rows)
    assert sorted(rows) == estimators.built_in()
    declared = [estimators.get(name) for name in rows]
    kinds = [(part.compares_group, part.per_token) for part in declared]
    assert [kind for kind, _ in itertools.groupby(kinds)] == [
        (True, False), (False, False), (False, True),
    ]  # fmt: skip


def test_the_interval_is_students():
    assert ablations.interval([0.5]) == "0.500"
    values = [0.90, 0.94, 0.98]
    half = 4.303 * 0.04 / math.sqrt(3)
    assert ablations.interval(values) == f"{0.94:.3f} ± {half:.3f}"


def test_a_row_with_a_missing_run_is_left_out(tmp_path):
    run = dict.fromkeys(ablations.FIGURES, 0.5)
    for seed in (1, 2):
        (tmp_path / f"kl-0.0-{seed}.json").write_text(json.dumps(run))
    (tmp_path / "kl-0.1-1.json").write_text(json.dumps(run))
    text = ablations.table("kl", tmp_path, [1, 2])
    assert "| 0.0 | 0.500 ± 0.000" in text
    assert "| 0.1 |" not in text

"""Numbers of a whole run: a bounded number by name, all of them in the run's table."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from rlp_core.params import Params
from rlp_core.tracking import open_run
from rlp_core.tracking.metric_names import LIMIT, PROCESS
from rlp_core.tracking.whole_run import WholeRun
from rlp_core.workspace import Workspace
from tests.tracking.runs import client_of, only_run

MANY = {
    name: float(number)
    for number, name in enumerate(
        [f"greedy_direct/of-{i}" for i in range(50)]
        + [f"pass_at_1_thinking/of-{i}" for i in range(50)]
        + ["pass_at_1_thinking", "pass_at_1_direct", "information_gain"]
    )
}


def told_of_the_run(workspace: Workspace) -> set[str]:
    """Names of numbers with a family, but for MLflow's own of the machine."""
    metrics = only_run(workspace).data.metrics
    return {name for name in metrics if "/" in name and not name.startswith("system/")}


def table_of(workspace: Workspace) -> list[dict[str, str]]:
    client, run = client_of(workspace), only_run(workspace)
    assert [item.path for item in client.list_artifacts(run.info.run_id)] == ["metrics.csv"]
    path = Path(client.download_artifacts(run.info.run_id, "metrics.csv"))
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_a_run_holds_the_most_important_by_name_and_all_in_its_table(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_run("evaluate@rlp", params, workspace) as tracker:
        tracker.metrics({f"curve_{i}": 0.5 for i in range(10)}, step=1)
        tracker.metrics(MANY)
    said = f"57 of {len(MANY)} metrics are logged by name, all of them are in the run's metrics.csv"
    assert capsys.readouterr().err.splitlines() == [f"MLflow: {said}"]
    run = only_run(workspace)
    of_the_run = told_of_the_run(workspace)
    assert len(of_the_run) == LIMIT
    assert run.data.metrics["curve_9"] == 0.5
    assert {f"process/{name}" for name in PROCESS} <= of_the_run
    assert run.data.metrics["eval/overall/thinking/pass_at_1"] == 100.0
    assert run.data.metrics["eval/of-49/thinking/pass_at_1"] == MANY["pass_at_1_thinking/of-49"]
    rows = table_of(workspace)
    assert {row["metric"]: float(row["value"]) for row in rows} == MANY
    named = {row["logged_as"] for row in rows} - {""}
    assert named == {name for name in of_the_run if not name.startswith("process/")}
    left_out = sum(not row["logged_as"] for row in rows)
    assert left_out == len(MANY) - LIMIT + len(PROCESS)
    assert run.data.tags["rlp.metrics_left_out"] == str(left_out)


def test_what_fits_is_logged_whole_and_nothing_is_said(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_run("evaluate@rlp", params, workspace) as tracker:
        tracker.metrics({"cross_entropy": math.nan, "bits_per_byte": math.inf})
    run = only_run(workspace)
    assert capsys.readouterr().err == ""
    assert "rlp.metrics_left_out" not in run.data.tags
    assert run.data.tags["rlp.infinite"] == "eval/heldout/direct/bits_per_byte"
    assert [row["value"] for row in table_of(workspace)] == ["nan", "inf"]
    assert math.isnan(run.data.metrics["eval/heldout/direct/cross_entropy"])


def test_a_table_that_cannot_be_kept_is_not_promised(
    workspace: Workspace, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace.private / "mlartifacts").write_text("a file where the folder should be")
    with open_run("evaluate@rlp", params, workspace) as tracker:
        tracker.metrics(MANY)
    run = only_run(workspace)
    assert run.info.status == "FINISHED"
    assert run.data.tags["rlp.refused"] == "file metrics.csv"
    assert len(told_of_the_run(workspace)) == LIMIT
    said = capsys.readouterr().err
    assert "all of them are in the files of the stage" in said


def test_numbers_that_are_told_in_parts_share_the_limit() -> None:
    whole = WholeRun("evaluate@rlp")
    names = list(MANY)
    first = whole.add({name: MANY[name] for name in names[:40]})
    rest = whole.add({name: MANY[name] for name in names[40:]})
    again = whole.add(dict.fromkeys(names[:40], 7.0))
    process = whole.add(dict.fromkeys(PROCESS, 1.0))
    assert (len(first), len(rest), len(process)) == (40, LIMIT - 3 - 40, 3)
    assert again.keys() == first.keys()
    assert whole.counted == (LIMIT - 3, len(MANY))


def test_a_stage_that_measures_nothing_has_no_table(workspace: Workspace, params: Params) -> None:
    with open_run("base", params, workspace):
        pass
    run = only_run(workspace)
    assert client_of(workspace).list_artifacts(run.info.run_id) == []
    assert told_of_the_run(workspace) == {f"process/{name}" for name in PROCESS}


def test_names_that_mlflow_does_not_take_stand_in_the_table_as_logged(
    workspace: Workspace, params: Params
) -> None:
    with open_run("compare", params, workspace) as tracker:
        tracker.metrics({"my arm?/pass_at_1_best": 0.5, '"\ud800, x"': 1.0})
    rows, metrics = table_of(workspace), only_run(workspace).data.metrics
    assert len(rows) == 2
    assert {row["logged_as"] for row in rows} == {n for n in metrics if n.startswith("compare/")}

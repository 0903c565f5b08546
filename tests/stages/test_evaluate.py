"""Stage `evaluate`: what it reads is what the graph names, and what it leaves out is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from rlp_core.errors import ConfigError, DataError
from rlp_core.evaluation import item_files
from rlp_core.evaluation.benchmarks import benchmarks_in
from rlp_core.evaluation.config import Evaluate, Robustness, Shots
from rlp_core.evaluation.control_metrics import CONTROL_DESCRIPTIONS
from rlp_core.evaluation.few_shot_metrics import FEW_SHOT_DESCRIPTIONS
from rlp_core.evaluation.inspection_config import Inspect
from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.files import read_jsonl, write_jsonl
from rlp_core.params import Params
from rlp_core.stage import StageContext
from rlp_core.stages import base, evaluate, prepare
from rlp_core.tracking.lineage import stage_spec
from rlp_core.tracking.metric_names import logged_as
from rlp_core.workspace import Workspace
from tests.evaluation.bias.test_suites import bbq_row, write
from tests.evaluation.samples import choice_problem
from tests.stages.admitted import admit
from tests.stages.test_training import Tracker, params
from tests.tracing import files_read, outside

GRAPH = Path(__file__).resolve().parents[2] / "dvc.yaml"
SETS = {"folder": "sets", "bbq": "bbq", "winobias": "wino", "template_items": 8, "thoughts": 1}


def settings(**changes: Any) -> Params:
    """The default profile's, without what it asks for beside benchmarks and text."""
    made = params(evaluate__bias=SETS)
    changes = {"controls": False, "audit": RewardAudit()} | changes
    return made.model_copy(update={"evaluate": made.evaluate.model_copy(update=changes)})


def unnamed(metrics: dict[str, float]) -> list[str]:
    """Metrics that docs/reference/metrics.md has no line for."""
    return [name for name in metrics if logged_as("evaluate@base", name).startswith("other/")]


def context(name: str, workspace: Workspace, of: Params) -> StageContext:
    return StageContext(name, of, workspace, cast("Any", Tracker()))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Up to a base model, with small bias sets beside."""
    root = tmp_path_factory.mktemp("evaluated")
    (root / "dvc.yaml").write_text(GRAPH.read_text(encoding="utf-8"))
    made = Workspace(root)
    prepare.run(context("prepare", made, settings()))
    admit(made)
    base.run(context("base", made, settings()))
    (root / "sets" / "bbq").mkdir(parents=True)
    write(root / "sets" / "bbq" / "Age.jsonl", [bbq_row()])
    (root / "sets" / "wino").mkdir()
    for half, pronoun in (("pro", "he"), ("anti", "she")):
        lines = f"1 [The guard] met the clerk and [{pronoun}] left.\n"
        lines += f"2 The guard met [the clerk] and [{pronoun}] left.\n"
        path = root / "sets" / "wino" / f"{half}_stereotyped_type1.txt.dev"
        path.write_text(lines)
    return made


def test_whatever_it_reads_is_a_dependency(workspace: Workspace) -> None:
    of = settings()
    spec = stage_spec("evaluate@base", of, workspace)
    assert spec is not None
    with files_read(workspace.root) as read:
        evaluate.run(context("evaluate@base", workspace, of))
    own = {path for path in read if Path(path).parent.name.startswith(".items.")}
    assert outside(read - own, *spec.deps) == []
    expected = {
        "data/validated/heldout.jsonl",
        "data/validated/problems.jsonl",
        "sets/bbq/Age.jsonl",
        "sets/wino/pro_stereotyped_type1.txt.dev",
        "sets/wino/anti_stereotyped_type1.txt.dev",
        "models/base/config.json",
    }
    assert expected <= read
    suites = {
        row["suite"]
        for row in read_jsonl(workspace.report("evaluate@base") / "items" / "bias.jsonl")
    }
    assert suites == {"templates", "bbq", "winobias"}


def test_metrics_are_told_apart_by_benchmark(workspace: Workspace) -> None:
    evaluate.run(context("evaluate@base", workspace, settings()))
    metrics = json.loads((workspace.report("evaluate@base") / "metrics.json").read_text())
    assert benchmarks_in(metrics) == ["arithmetic"]
    assert metrics["pass_at_1_direct/arithmetic"] == metrics["pass_at_1_direct"]


def test_what_is_drawn_and_lost_is_told_and_counted(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    lengths = sorted(len(r["text"]) for r in read_jsonl(workspace.part("heldout")))
    assert lengths[0] < lengths[-1]
    of = settings(max_tokens=13, heldout_documents=1000, max_lost_share=1.0)
    evaluate.run(context("evaluate@base", workspace, of))
    said = capsys.readouterr().out
    metrics = json.loads((workspace.report("evaluate@base") / "metrics.json").read_text())
    rows = list(read_jsonl(workspace.report("evaluate@base") / "items" / "heldout.jsonl"))
    lost = metrics["dropped_heldout_documents"]
    assert 0 < lost < 40
    assert len(rows) == 40 - lost
    assert "4 of 200 problems and 40 of 40 held-out documents drawn" in said
    assert f"warning: evaluate@base: {lost:.0f} of 40 held-out documents are dropped" in said


def test_where_nothing_is_left_nothing_is_written(workspace: Workspace, tmp_path: Path) -> None:
    empty = Workspace(tmp_path)
    for name in ("data", "models", "sets"):
        (tmp_path / name).symlink_to(workspace.root / name)
    with pytest.raises(DataError, match="too little is left to measure") as caught:
        evaluate.run(context("evaluate@base", empty, settings(max_tokens=8)))
    assert "evaluate.max_tokens = 8" in caught.value.fix
    assert not empty.reports.exists()


def test_examples_and_controls_are_measured_where_they_are_asked_for(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    items = workspace.report("evaluate@base") / "items"
    evaluate.run(context("evaluate@base", workspace, settings()))
    before = {path.name: path.read_bytes() for path in items.iterdir()}
    plain = json.loads((items.parent / "metrics.json").read_text())
    assert set(before) == {"problems.jsonl", "heldout.jsonl", "bias.jsonl", "inspected.jsonl"}
    of = settings(shots=Shots(count=2, max_tokens=90), controls=True, horizon=2)
    spec = stage_spec("evaluate@base", of, workspace)
    assert spec is not None
    with files_read(workspace.root) as read:
        evaluate.run(context("evaluate@base", workspace, of))
    own = {path for path in read if Path(path).parent.name.startswith(".items.")}
    assert outside(read - own, *spec.deps, *spec.outs) == []
    assert "data/validated/finetune.jsonl" in read
    assert {name: (items / name).read_bytes() for name in before} == before
    metrics = json.loads((items.parent / "metrics.json").read_text())
    assert {name: metrics[name] for name in plain} == plain
    extra = set(FEW_SHOT_DESCRIPTIONS) | set(CONTROL_DESCRIPTIONS) - {"true_gain"}
    assert extra <= set(metrics)
    assert unnamed(metrics) == []
    assert metrics["fewer_shots"] == sum(
        len(row["examples"]) < 2 for row in read_jsonl(items / "few_shot.jsonl")
    )
    assert "demonstrations may be examples" in capsys.readouterr().out


def test_the_audit_is_measured_beside_the_controls_where_it_is_asked_for(
    workspace: Workspace,
) -> None:
    items = workspace.report("evaluate@base") / "items"
    of = settings(controls=True, horizon=2, heldout_documents=20)
    evaluate.run(context("evaluate@base", workspace, of))
    before = {path.name: path.read_bytes() for path in items.iterdir()}
    plain = json.loads((items.parent / "metrics.json").read_text())
    of = settings(
        controls=True, horizon=2, heldout_documents=20, audit=RewardAudit(enabled=True, contexts=2)
    )
    evaluate.run(context("evaluate@base", workspace, of))
    assert {name: (items / name).read_bytes() for name in before} == before
    controls, audited = (list(read_jsonl(items / f"{n}.jsonl")) for n in ("controls", "audit"))
    assert [row["positions"] for row in audited] == [row["positions"] for row in controls]
    metrics = json.loads((items.parent / "metrics.json").read_text())
    assert {name: metrics[name] for name in plain} == plain
    assert metrics["audit/gain"] == pytest.approx(metrics["horizon_gain"])
    assert metrics["audit/future"] == 0
    assert unnamed(metrics) == []
    assert {"audit/swapped", "audit/not_swapped", "audit/specificity"} <= set(metrics)
    assert not {"audit/true_gain", "audit/baseline_decay"} & set(metrics)  # they need the base
    assert (items / "swaps.jsonl").is_file() == bool(metrics["audit/swapped"])


def test_documents_are_inspected_as_many_as_asked_for_and_no_metric_changes(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    items = workspace.report("evaluate@base") / "items"
    made = {}
    for count in (2, 0):
        of = settings(inspect=Inspect(documents=count, tokens=5, thoughts=2))
        evaluate.run(context("evaluate@base", workspace, of))
        kept = [path for path in items.iterdir() if path.name != "inspected.jsonl"]
        made[count] = {path.name: path.read_bytes() for path in kept}
        made[count]["metrics"] = (items.parent / "metrics.json").read_bytes()
        if count:
            rows = list(read_jsonl(items / "inspected.jsonl"))
            assert [len(row["tokens"]) for row in rows] == [5, 5]
            assert "2 documents are inspected token by token: 10 of" in capsys.readouterr().out
    assert made[2] == made[0]
    assert not (items / "inspected.jsonl").exists()


def test_an_audit_without_controls_is_refused() -> None:
    of = settings().evaluate.model_dump() | {"audit": RewardAudit(enabled=True)}
    with pytest.raises(ValueError, match="needs `controls: true`"):
        Evaluate(**of)


def test_without_examples_nothing_is_read_for_them(workspace: Workspace) -> None:
    with files_read(workspace.root) as read:
        evaluate.run(context("evaluate@base", workspace, settings()))
    assert "data/validated/finetune.jsonl" not in read


def test_an_arm_that_is_not_named_is_asked_without_examples(workspace: Workspace) -> None:
    of = settings(shots=Shots(count=2, arms=("rlp",), max_tokens=90))
    with files_read(workspace.root) as read:
        evaluate.run(context("evaluate@base", workspace, of))
    assert "data/validated/finetune.jsonl" not in read
    assert not (workspace.report("evaluate@base") / "items" / "few_shot.jsonl").exists()


def test_too_few_examples_are_told_before_any_work(workspace: Workspace) -> None:
    of = settings(shots=Shots(count=1000, max_tokens=90))
    with pytest.raises(ConfigError, match="too few examples"):
        evaluate.run(context("evaluate@base", workspace, of))


def options(number: int, **fields: Any) -> dict[str, Any]:
    """A problem with weighed choices, as stage `prepare` writes it."""
    made = choice_problem(f"o{number}", f"Q: {number}+1\nA:", ["1", "2", "3"], "2", **fields)
    return made.model_dump()


def test_options_are_asked_with_the_benchmarks_own_examples(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of `c` with those that it names, of `d` with others of its own; of `e` there are too few."""
    shutil.copytree(workspace.validated, tmp_path / "data" / "validated")
    for name in ("models", "sets"):
        (tmp_path / name).symlink_to(workspace.root / name)
    made = Workspace(tmp_path)
    rows = [
        *(row for row in read_jsonl(workspace.part("problems")) if row["id"].endswith("1")),
        *(options(n) for n in range(2)),
        *(options(n, role="example") for n in range(2, 6)),
        *(options(n, benchmark="d") for n in range(10, 18)),
        *(options(n, benchmark="e") for n in range(20, 23)),
        *(options(n, benchmark="f", role="bare") for n in range(30, 33)),
    ]
    made.part("problems").unlink()
    write_jsonl(made.part("problems"), rows)
    items, plain = made.report("evaluate@base") / "items", settings(problems=10)
    evaluate.run(context("evaluate@base", made, plain))
    before = {path.name: path.read_bytes() for path in items.iterdir()}
    bare = json.loads((items.parent / "metrics.json").read_text())
    assert {"c", "d", "e", "f", "arithmetic"} == set(benchmarks_in(bare))
    assert not any("few_shot" in name or "fewer" in name for name in bare)
    of = settings(problems=10, shots=Shots(count=2, max_tokens=90))
    capsys.readouterr()
    evaluate.run(context("evaluate@base", made, of))
    said = capsys.readouterr().out
    assert {name: (items / name).read_bytes() for name in before} == before
    metrics = json.loads((items.parent / "metrics.json").read_text())
    assert {name: metrics[name] for name in bare} == bare
    problems = [row["id"] for row in read_jsonl(items / "problems.jsonl")]
    asked = item_files.read(items).few_shot
    by_name = {row["benchmark"]: row for row in asked}
    assert set(by_name) == {"arithmetic", "c", "d"}
    assert [row["id"] for row in asked] == [i for i in problems if i in {r["id"] for r in asked}]
    assert set(by_name["c"]["examples"]) <= {"o2", "o3", "o4", "o5"}
    assert not set(by_name["d"]["examples"]) & set(problems)
    for name in ("c", "d"):
        assert len(by_name[name]["examples"]) == 2
        assert {f"acc_few_shot/{name}", f"pass_at_1_few_shot/{name}"} <= set(metrics)
        assert f"pass_at_1_few_shot_thinking/{name}" not in metrics
    assert {n: metrics[f"fewer_examples/{n}"] for n in "cde"} == {"c": 0, "d": 0, "e": 2}
    assert unnamed(metrics) == []
    assert "2 of 2 problems of e are asked without examples: 1 others are at hand" in said
    assert "2 problems are of tasks of lm-evaluation-harness" in said
    assert f"10 of {len(rows) - 4} problems and" in said


def test_sets_of_ones_own_are_dependencies_and_random_models_stand_beside_the_base(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = {
        "title": "Mine",
        "description": "d",
        "licence": "CC0-1.0",
        "source": {"pattern": "mine.csv"},
        "mapping": {
            "kind": "pairs",
            "sentences": ["{he}", "{she}"],
            "stereotyped": "A",
            "cluster": "{n!s}",
        },
    }
    folder = workspace.root / "sets"
    (folder / "mine.yaml").write_text(yaml.safe_dump(mine))
    lines = [f"He is {n}.,She is {n}.,{n}\n" for n in range(8)]
    (folder / "mine.csv").write_text("he,she,n\n" + "".join(lines))
    of = params(evaluate__bias=SETS | {"sets": ["mine"], "random_models": 2})
    spec = stage_spec("evaluate@base", of, workspace)
    assert spec is not None
    with files_read(workspace.root) as read:
        evaluate.run(context("evaluate@base", workspace, of))
    own = {path for path in read if Path(path).parent.name.startswith(".items.")}
    assert outside(read - own, *spec.deps, *spec.outs) == []
    assert {"sets/mine.yaml", "sets/mine.csv"} <= read
    assert "bias set mine: 8 items, 0 rows left out" in capsys.readouterr().out
    metrics = json.loads((workspace.report("evaluate@base") / "metrics.json").read_text())
    assert metrics["dropped_bias_items/mine"] == 0
    assert unnamed(metrics) == []
    low, high = (metrics[f"bias/mine/score_random_{end}"] for end in ("low", "high"))
    assert -1 <= low <= high <= 1
    assert {"bias/mine/score_direct", "bias/mine/score_thinking"} <= set(metrics)
    rows = list(read_jsonl(workspace.report("evaluate@base") / "items" / "bias_random.jsonl"))
    assert {row["seed"] for row in rows} == {of.seed, of.seed + 1}
    assert {row["suite"] for row in rows} == {"templates", "bbq", "winobias", "mine"}


def test_perturbed_problems_are_measured_where_they_are_asked_for(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    items = workspace.report("evaluate@base") / "items"
    evaluate.run(context("evaluate@base", workspace, settings()))
    before = {path.name: path.read_bytes() for path in items.iterdir()}
    plain = json.loads((items.parent / "metrics.json").read_text())
    asked = Robustness(perturbations=("irrelevant_number", "renamed_entities"), problems=3)
    of = settings(robustness=asked, max_tokens=80)
    capsys.readouterr()
    evaluate.run(context("evaluate@base", workspace, of))
    said = capsys.readouterr().out
    metrics = json.loads((items.parent / "metrics.json").read_text())
    assert (items / "problems.jsonl").read_bytes() == before["problems.jsonl"]
    assert {name: metrics[name] for name in plain} == plain
    rows = list(read_jsonl(items / "robustness.jsonl"))
    assert [row["perturbation"] for row in rows] == ["clean"] * 3 + ["irrelevant_number"] * 3
    assert metrics["unperturbed_problems/renamed_entities"] == 3
    assert metrics["unperturbed_problems/irrelevant_number"] == 0
    assert metrics["cut_perturbed_prompts/irrelevant_number"] == 0
    assert "3 of 3 problems are not asked with `renamed_entities`" in said
    assert "robust_drop_thinking/irrelevant_number" in metrics
    assert unnamed(metrics) == []
    assert not any(name.endswith("/renamed_entities") for name in metrics if "robust" in name)
    read = item_files.read(items)
    assert len(read.robustness) == 6


def test_perturbed_prompts_that_no_model_could_read_are_refused(workspace: Workspace) -> None:
    of = settings(robustness=Robustness(perturbations=("irrelevant_sentence",)), max_tokens=14)
    with pytest.raises(DataError, match="prompts are cut after `irrelevant_sentence`") as caught:
        evaluate.run(context("evaluate@base", workspace, of))
    assert "evaluate.max_tokens = 14" in caught.value.fix

"""Every stage from `prepare` to `evaluate` in one process, on a two-layer model and few records."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlp_core.data.thinking import Thinking
from rlp_core.errors import ConfigError, MissingInputError, TrainingError
from rlp_core.files import folder_sha256, read_jsonl, sha256
from rlp_core.params import Params
from rlp_core.stage import StageContext
from rlp_core.stages import base, bootstrap, common, cpt, evaluate, finetune, prepare, rlp, rlvr
from rlp_core.workspace import SOURCE_PARTS, Workspace
from tests.stages.admitted import admit

ROOT = Path(__file__).resolve().parents[2]


class Tracker:
    """Remembers what a stage says of itself."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict]] = []

    def __getattr__(self, name):
        return lambda *_, **kwargs: self.seen.append((name, kwargs))


def params(**changes) -> Params:
    tree = yaml.safe_load((ROOT / "profiles" / "tiny.yaml").read_text())
    for part in SOURCE_PARTS:
        for source in tree["prepare"][part]:
            source["count"] = 40
    tree["prepare"]["folder"] = str(ROOT / "data" / "external")
    tree["base"] |= {"steps": 3, "batch": 4}
    tree["base"]["architecture"] |= {"width": 16, "layers": 2, "heads": 2, "feed_forward": 32}
    for stage in ("bootstrap", "finetune"):
        tree[stage] |= {"steps": 2, "batch": 4}
    tree["rlp"] |= {"steps": 2, "documents": 3, "group_size": 2}
    tree["cpt"] |= {"batch": 2}
    tree["rlvr"] |= {"problems": 3, "group_size": 2}
    tree["evaluate"] |= {"samples": 2, "problems": 4, "heldout_documents": 4}
    tree["evaluate"]["bias"] |= {"template_items": 8, "thoughts": 1}
    tree["runtime"] |= {"threads": 1, "device": "cpu", "tracking": False}
    for path, value in changes.items():
        section, _, key = path.partition("__")
        tree[section][key] = value
    return Params.model_validate(tree)


def context(name: str, workspace: Workspace, settings: Params) -> StageContext:
    return StageContext(name, settings, workspace, Tracker())


def make(workspace: Workspace) -> None:
    """Run the stages up to the fine-tuned arm; validation is tested on its own."""
    settings = params()
    prepare.run(context("prepare", workspace, settings))
    admit(workspace)
    for name, stage in (("base", base), ("bootstrap", bootstrap), ("rlp", rlp), ("cpt", cpt)):
        stage.run(context(name, workspace, settings))
    finetune.run(context("finetune@rlp", workspace, settings))
    rlvr.run(context("rlvr@rlp", workspace, settings))
    evaluate.run(context("evaluate@rlp-ft", workspace, settings))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("trained"))
    make(workspace)
    return workspace


@pytest.mark.parametrize("arm", ["base", "bootstrap", "rlp", "cpt", "rlp-sft", "rlp-ft"])
def test_every_arm_is_a_model_that_transformers_load(trained, arm):
    model = AutoModelForCausalLM.from_pretrained(trained.model(arm))
    tokenizer = AutoTokenizer.from_pretrained(trained.model(arm))
    text = "Q: 3+4\nA:<think>W: 3+4=7</think>7\n"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode("<think></think>")) == 2
    assert len(tokenizer) <= model.get_input_embeddings().weight.shape[0]
    thought = params().thought
    assert Thinking.read(trained.model(arm)) == Thinking("<think>", "</think>", thought.max_tokens)


def test_the_stages_run_to_the_same_bytes_again(trained, tmp_path):
    again = Workspace(tmp_path)
    make(again)
    files = [p for p in trained.root.rglob("*") if p.is_file()]
    assert len(files) > 30
    for file in files:
        other = tmp_path / file.relative_to(trained.root)
        assert sha256(other) == sha256(file), file


def test_learning_curves_and_metrics_are_written(trained):
    curve = list(csv.DictReader((trained.report("rlp") / "steps.csv").open()))
    assert [row["step"] for row in curve] == ["1", "2"]
    metrics = json.loads((trained.report("rlp") / "metrics.json").read_text())
    assert metrics["steps"] == 2
    assert metrics["final_information_gain"] == pytest.approx(float(curve[-1]["information_gain"]))


def test_the_control_spends_no_more_than_rlp_did(trained):
    ledger = json.loads((trained.report("rlp") / "ledger.json").read_text())
    control = json.loads((trained.report("cpt") / "metrics.json").read_text())
    assert control["flops_budget"] == ledger["flops"]["total"]
    assert 0.5 < control["budget_share"] <= 1
    assert ledger["flops"]["total"] == sum(
        value for phase, value in ledger["flops"].items() if phase != "total"
    )


def test_the_evaluation_writes_items_and_metrics(trained):
    report = trained.report("evaluate@rlp-ft")
    assert len(list(read_jsonl(report / "items" / "problems.jsonl"))) == 4
    assert len(list(read_jsonl(report / "items" / "bias.jsonl"))) == 8
    metrics = json.loads((report / "metrics.json").read_text())
    assert {"pass_at_1_thinking", "information_gain", "bits_per_byte"} <= set(metrics)
    assert all(isinstance(value, (int, float)) for value in metrics.values())


def test_a_part_or_ledger_that_is_missing_is_named(trained, tmp_path):
    empty = Workspace(tmp_path)
    with pytest.raises(MissingInputError, match="'base'"):
        base.run(context("base", empty, params()))
    with pytest.raises(MissingInputError, match="ledger"):
        cpt.run(context("cpt", empty, params()))
    trained_data = tmp_path / "data"
    trained_data.mkdir()
    (trained_data / "validated").symlink_to(trained.validated)
    with pytest.raises(MissingInputError, match="no model folder"):
        bootstrap.run(context("bootstrap", empty, params()))


def test_documents_without_a_place_to_think_are_an_error_before_training(trained):
    with pytest.raises(ConfigError, match="place to think"):
        rlp.run(context("rlp", trained, params(rlp__max_tokens=2)))


def test_demonstrations_that_do_not_fit_are_dropped_and_told(trained, tmp_path, capsys):
    """Most of them is an error; a few are a warning, and stand in the metrics."""
    with pytest.raises(ConfigError, match="most of the data would not be read"):
        finetune.run(context("finetune@rlp", trained, params(finetune__max_tokens=18)))
    copy = Workspace(tmp_path)
    shutil.copytree(trained.root, copy.root, dirs_exist_ok=True)
    limit = next(
        limit for limit in range(60, 20, -1) if "warning" in run_finetune(copy, limit, capsys)
    )
    metrics = json.loads((copy.report("finetune@rlp") / "metrics.json").read_text())
    assert 0.05 <= metrics["dropped_share"] <= metrics["lost_token_share"] <= 0.5
    assert metrics["cut_share"] == 0
    whole = json.loads((trained.report("finetune@rlp") / "metrics.json").read_text())
    assert whole["dropped_share"] == whole["cut_share"] == whole["lost_token_share"] == 0
    assert limit < params().finetune.max_tokens


def run_finetune(workspace: Workspace, limit: int, capsys) -> str:
    finetune.run(context("finetune@rlp", workspace, params(finetune__max_tokens=limit)))
    return capsys.readouterr().out


def test_a_model_too_short_for_any_stage_is_refused_before_training(trained, tmp_path):
    copy = Workspace(tmp_path)
    shutil.copytree(trained.root, copy.root, dirs_exist_ok=True)
    path = copy.model("base") / "config.json"
    config = json.loads(path.read_text()) | {"max_position_embeddings": 80}
    path.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"rlp\.max_tokens .* reads 80 at most"):
        bootstrap.run(context("bootstrap", copy, params()))


def test_a_switch_lets_torch_use_any_algorithm():
    import torch

    for wanted in (False, True):
        common.prepare_torch(params(runtime__deterministic=wanted))
        assert torch.are_deterministic_algorithms_enabled() is wanted


def test_a_delimiter_of_several_tokens_is_refused(trained):
    settings = params(thought__open="<reason>")
    with pytest.raises(ConfigError, match="not one"):
        rlp.run(context("rlp", trained, settings))


def test_a_checkpoint_takes_the_place_of_training(trained, tmp_path):
    """A folder as `base.checkpoint`: its tokenizer lacks other delimiters, which are added."""
    settings = params(
        base__checkpoint=str(trained.model("base")), base__architecture=None, base__steps=0
    )
    settings = settings.model_copy(
        update={"thought": settings.thought.model_copy(update={"open": "<reason>"})}
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "validated").symlink_to(trained.validated)
    workspace = Workspace(tmp_path)
    base.run(context("base", workspace, settings))
    tokenizer = AutoTokenizer.from_pretrained(workspace.model("base"))
    assert len(tokenizer.encode("<reason>")) == 1
    model = AutoModelForCausalLM.from_pretrained(workspace.model("base"))
    assert len(tokenizer) == model.get_input_embeddings().weight.shape[0]


@pytest.mark.parametrize(
    "changes", [{"rlp.group_size": 3}, {"bootstrap.filler_share": 0.5, "rlp.horizon": 2}]
)
def test_an_ablation_runs_from_what_the_stages_left(trained, tmp_path, changes):
    from benchmarks.ablation_run import run_one

    tree = json.loads(params().model_dump_json(by_alias=True))
    trained.params.write_text(yaml.safe_dump(tree))
    target = tmp_path / "run.json"
    run_one(trained.root, changes, 1, target)
    found = json.loads(target.read_text())
    assert found["changes"] == changes
    assert [point["step"] for point in found["curve"]] == [0, 1, 2]
    assert found["pass_highest"] >= found["pass_at_1_thinking"] == found["curve"][-1]["pass"]
    assert found["teraflop"] > 0
    again = tmp_path / "again.json"
    run_one(trained.root, changes, 1, again)
    assert again.read_bytes() == target.read_bytes()


def test_a_run_whose_branches_differ_from_the_dense_path_ends_before_it_trains(
    trained, tmp_path, monkeypatch
):
    from rlp_core.rollout import verify

    doubt = verify.Agreement(rms=0.5, tail=2.0, dense_rms=0.1, dense_tail=0.3)
    copy = Workspace(tmp_path / "doubt")
    shutil.copytree(trained.root, copy.root)
    before = folder_sha256(copy.model("rlp"))
    monkeypatch.setattr(verify, "compare", lambda *_: doubt)
    with pytest.raises(TrainingError, match="differs from the dense path by more than rounding"):
        rlp.run(context("rlp", copy, params()))
    assert folder_sha256(copy.model("rlp")) == before

"""The stages with adapters: each arm is whole, or adapters that the next stage goes on with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import AutoPeftModelForCausalLM
from pydantic import ValidationError
from transformers import AutoModelForCausalLM

from rlp_core.errors import ConfigError
from rlp_core.policy.adapter_folder import is_adapter
from rlp_core.policy.model import load
from rlp_core.stages import base, bootstrap, cpt, evaluate, finetune, prepare, rlp, rlvr
from rlp_core.stages.promote import _whole
from rlp_core.workspace import Workspace
from tests.stages.admitted import admit
from tests.stages.test_training import context, params

ARMS = ("bootstrap", "rlp", "cpt", "rlp-ft")
STAGES = ("bootstrap", "rlp", "cpt", "finetune", "rlvr")
IDS = torch.tensor([[5, 6, 7, 8]])


def settings(saved: str, **changes):
    own = {"rank": 4, "alpha": 8.0, "saved": saved}
    return params(**{f"{stage}__lora": own for stage in STAGES} | {"rlvr__steps": 2} | changes)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("prepared"))
    prepare.run(context("prepare", workspace, params()))
    admit(workspace)
    base.run(context("base", workspace, params()))
    return workspace


@pytest.fixture(scope="module", params=["merged", "adapter"])
def trained(request, prepared, tmp_path_factory) -> tuple[str, Workspace]:
    workspace = Workspace(tmp_path_factory.mktemp(request.param))
    for name in ("data", "models"):
        (workspace.root / name).mkdir(exist_ok=True)
    workspace.validated.symlink_to(prepared.validated)
    workspace.model("base").symlink_to(prepared.model("base"))
    chosen = settings(request.param)
    for name, stage in (("bootstrap", bootstrap), ("rlp", rlp), ("cpt", cpt)):
        stage.run(context(name, workspace, chosen))
    finetune.run(context("finetune@rlp", workspace, chosen))
    rlvr.run(context("rlvr@rlp", workspace, chosen))
    for arm in ("bootstrap", "rlp-ft"):
        evaluate.run(context(f"evaluate@{arm}", workspace, chosen))
    return request.param, workspace


def test_every_arm_is_what_was_asked_for(trained, monkeypatch: pytest.MonkeyPatch) -> None:
    saved, workspace = trained
    monkeypatch.chdir(workspace.root)
    whole = AutoModelForCausalLM.from_pretrained("models/base")
    for arm in ARMS:
        folder = workspace.model(arm)
        assert is_adapter(folder) == (saved == "adapter")
        kind = AutoPeftModelForCausalLM if saved == "adapter" else AutoModelForCausalLM
        theirs, (ours, _) = kind.from_pretrained(f"models/{arm}"), load(folder)
        with torch.no_grad():
            found, own = theirs(input_ids=IDS).logits, ours(input_ids=IDS).logits
            torch.testing.assert_close(own, found, atol=1e-5, rtol=1e-4)
            assert not torch.equal(found, whole(input_ids=IDS).logits)
        if saved == "adapter":
            config = json.loads((folder / "adapter_config.json").read_text())
            assert config["base_model_name_or_path"] == "models/base"
        assert (folder / "thought.json").is_file()


def test_an_arm_is_measured_alike_merged_or_not(prepared, tmp_path: Path) -> None:
    measured = []
    for saved in ("merged", "adapter"):
        workspace = Workspace(tmp_path / saved)
        for name in ("data", "models"):
            (workspace.root / name).mkdir(parents=True)
        workspace.validated.symlink_to(prepared.validated)
        workspace.model("base").symlink_to(prepared.model("base"))
        bootstrap.run(context("bootstrap", workspace, settings(saved)))
        evaluate.run(context("evaluate@bootstrap", workspace, settings(saved)))
        report = workspace.report("evaluate@bootstrap") / "metrics.json"
        measured.append(json.loads(report.read_text()))
    assert measured[0] == measured[1]


def test_adapters_of_another_rank_are_not_gone_on_with(trained) -> None:
    saved, workspace = trained
    other = {"rank": 2, "alpha": 8.0, "saved": "adapter"}
    if saved == "merged":
        pytest.skip("a merged model has none")
    with pytest.raises(ConfigError, match="the model has adapters of rank 4, alpha 8"):
        finetune.run(
            context("finetune@rlp", workspace, params(**{f"{s}__lora": other for s in STAGES}))
        )


def test_a_registry_gets_whole_models(trained) -> None:
    saved, workspace = trained
    folder = workspace.model("rlp-ft")
    with _whole(folder) as source:
        assert (source == folder) == (saved == "merged")
        assert source.name == folder.name
        model = AutoModelForCausalLM.from_pretrained(source)
        assert torch.equal(model(input_ids=IDS).logits, load(folder)[0](input_ids=IDS).logits)
        assert (source / "thought.json").read_bytes() == (folder / "thought.json").read_bytes()
    assert source.exists() == (saved == "merged")


@pytest.mark.parametrize("stage", ["rlp", "cpt", "finetune", "rlvr"])
def test_adapters_alone_go_on_from_those_of_the_stage_before(stage: str) -> None:
    own = {"rank": 4, "saved": "adapter"}
    with pytest.raises(ValidationError, match=f"`{stage}.lora` saves adapters alone"):
        params(**{f"{stage}__lora": own}, rlvr__steps=2)
    with pytest.raises(ValidationError, match="must be the same"):
        settings("adapter", bootstrap__lora={"rank": 8, "saved": "adapter"})
    params(**{f"{stage}__lora": {"rank": 4}})

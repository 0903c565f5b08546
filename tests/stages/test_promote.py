"""Stage `promote`: the verdict file, the registry, and no needless versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from rlp_core.errors import DataError, MissingInputError
from rlp_core.params import load
from rlp_core.stage import StageContext
from rlp_core.stages import promote
from rlp_core.tracking import open_run, tracking_uri
from rlp_core.tracking.asked import AskedRegistry
from rlp_core.tracking.lineage import dvc_digest
from rlp_core.tracking.registry import ROLLED_BACK
from rlp_core.tracking.rollback import roll_back
from rlp_core.workspace import Workspace
from tests.evaluation import arms
from tests.reporting.run import write_reports


def save_model(folder: Path, seed: int) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=3,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=4,
    )
    words = Tokenizer(models.WordLevel({"a": 0, "b": 1, "<end>": 2}, unk_token="a"))
    Qwen3ForCausalLM(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>").save_pretrained(folder)


@pytest.fixture
def workspace(tracked: Workspace) -> Workspace:
    for seed, arm in enumerate(("rlp", "cpt")):
        save_model(tracked.model(arm), seed)
    for arm in ("base", "rlp", "cpt"):
        arms.write_arm(items(tracked, arm), arm)
    write_reports(tracked)
    tree = yaml.safe_load(tracked.params.read_text())
    tree["promote"]["candidates"] = ["rlp", "cpt"]
    tree["compare"]["resamples"] = 300
    tracked.params.write_text(yaml.safe_dump(tree))
    return tracked


def items(workspace: Workspace, arm: str) -> Path:
    return workspace.report(f"evaluate@{arm}") / "items"


def run(workspace: Workspace) -> bytes:
    params = load(workspace.params)
    with open_run("promote", params, workspace) as tracker:
        promote.run(StageContext("promote", params, workspace, tracker))
    return (workspace.reports / "promotion.json").read_bytes()


def registered(workspace: Workspace) -> tuple[dict[str, str], list[Any]]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri(workspace), registry_uri=tracking_uri(workspace))
    aliases = client.get_registered_model("rlp-policy").aliases
    return {k: str(v) for k, v in aliases.items()}, client.search_model_versions("")


def test_the_winner_becomes_champion_and_loads(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = json.loads(run(workspace))
    assert (verdict["winner"], verdict["promoted"]) == ("rlp", True)
    aliases, versions = registered(workspace)
    assert aliases == {"champion": "1"}
    assert versions[0].tags["validation_status"] == "approved"
    told = versions[0].tags["gate.information gain nats lower bound"]
    assert told.startswith("holds: 2.")
    assert told.endswith("(required >= 0)")

    import mlflow.artifacts
    import mlflow.transformers
    from transformers import AutoModelForCausalLM

    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(workspace))
    parts = mlflow.transformers.load_model("models:/rlp-policy@champion", return_type="components")
    ours = AutoModelForCausalLM.from_pretrained(workspace.model("rlp")).state_dict()
    theirs = parts["model"].state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert parts["tokenizer"].eos_token == "<end>"
    card = (workspace.reports / "model-card.md").read_text(encoding="utf-8")
    for place in ("README.md", "model/README.md"):
        uri = f"models:/rlp-policy@champion/{place}"
        assert Path(mlflow.artifacts.download_artifacts(uri)).read_text(encoding="utf-8") == card
    assert not (workspace.model("rlp") / "README.md").exists()  # stage `rlp` made that folder


def test_a_later_verdict_brings_its_card_and_takes_its_own_reasons_away(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow.artifacts

    run(workspace)
    tree = yaml.safe_load(workspace.params.read_text())
    tree["promote"]["gate"]["limits"] = [{"metric": "cross_entropy", "limit": 0.001}]
    tree["promote"]["card"] = {"intended_use": "Nothing at all."}
    workspace.params.write_text(yaml.safe_dump(tree))
    assert not json.loads(run(workspace))["promoted"]
    tags = registered(workspace)[1][0].tags
    assert tags["gate.cross_entropy upper bound"].startswith("fails")
    tree["promote"]["gate"]["limits"] = []
    workspace.params.write_text(yaml.safe_dump(tree))
    run(workspace)
    aliases, (version,) = registered(workspace)
    assert "gate.cross_entropy upper bound" not in version.tags
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(workspace))
    folder = mlflow.artifacts.download_artifacts("models:/rlp-policy@champion/README.md")
    assert "Nothing at all." in Path(folder).read_text(encoding="utf-8")
    assert aliases == {"champion": "1"}


def test_a_fact_that_is_missing_is_told(workspace: Workspace) -> None:
    manifest = workspace.prepared / "manifest.json"
    whole = manifest.read_text()
    manifest.write_text(whole.replace("CC0-1.0", "", 1))
    with pytest.raises(DataError, match="lacks a fact: no `licence`"):
        run(workspace)
    manifest.write_text(whole)
    (workspace.report("bootstrap") / "metrics.json").unlink()
    with pytest.raises(MissingInputError, match="bootstrap/metrics"):
        run(workspace)


def test_the_same_model_is_registered_once(workspace: Workspace) -> None:
    first = run(workspace)
    assert run(workspace) == first
    aliases, versions = registered(workspace)
    assert len(versions) == 1
    assert aliases == {"champion": "1"}


def test_a_new_champion_leaves_the_old_one_an_alias(workspace: Workspace) -> None:
    run(workspace)
    save_model(workspace.model("rlp"), seed=7)
    run(workspace)
    aliases, versions = registered(workspace)
    assert len(versions) == 2
    assert aliases == {"champion": "2", "previous-champion": "1"}


def test_a_failed_gate_leaves_the_champion(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(workspace)
    save_model(workspace.model("rlp"), seed=7)
    monkeypatch.setitem(arms.BIAS, "rlp", 2.0)
    arms.write_arm(items(workspace, "rlp"), "rlp")
    assert not json.loads(run(workspace))["promoted"]
    aliases, versions = registered(workspace)
    assert aliases == {"challenger": "2", "champion": "1"}
    tags = next(version for version in versions if str(version.version) == "2").tags
    assert tags["validation_status"] == "rejected"
    failed = [value for key, value in tags.items() if key.startswith("gate.growth")]
    assert any(value.startswith("fails") and "too few" not in value for value in failed)


def test_a_challenger_that_passes_is_challenger_no_more(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(arms.BIAS, "rlp", 2.0)
    arms.write_arm(items(workspace, "rlp"), "rlp")
    run(workspace)
    assert registered(workspace)[0] == {"challenger": "1"}
    monkeypatch.setitem(arms.BIAS, "rlp", 0.0)
    arms.write_arm(items(workspace, "rlp"), "rlp")
    run(workspace)
    assert registered(workspace)[0] == {"champion": "1"}


def test_digests_and_reasons_are_in_the_verdict_and_in_tags(workspace: Workspace) -> None:
    from mlflow.tracking import MlflowClient

    verdict = json.loads(run(workspace))
    made = verdict["digests"]
    names = {f"reports/evaluate/{arm}/items" for arm in ("base", "rlp", "cpt")}
    assert set(made) == names | {"models/rlp"}
    assert made["models/rlp"] == dvc_digest(workspace.model("rlp"))
    _, versions = registered(workspace)
    judged = MlflowClient(tracking_uri(workspace)).get_run(versions[0].tags["rlp.judged_by"])
    for tags in (versions[0].tags, judged.data.tags):
        assert tags["digest.models/rlp"] == made["models/rlp"]
        assert len([key for key in tags if key.startswith("gate.")]) == len(verdict["reasons"])


def test_what_was_rolled_back_is_not_promoted_again(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow.tracking import MlflowClient

    run(workspace)
    save_model(workspace.model("rlp"), seed=7)
    run(workspace)
    asked = AskedRegistry(workspace, load(workspace.params))
    done = roll_back(asked, "rlp-policy")
    assert (done.champion, done.former) == ("1", "2")
    assert registered(workspace)[0] == {"champion": "1", "challenger": "2"}
    with pytest.raises(MissingInputError, match="has no previous-champion"):
        roll_back(asked, "rlp-policy")
    capsys.readouterr()
    assert json.loads(run(workspace))["promoted"]
    assert registered(workspace)[0] == {"champion": "1", "challenger": "2"}
    assert "version 2 was rolled back before" in capsys.readouterr().out
    client = MlflowClient(tracking_uri(workspace))
    client.delete_model_version_tag("rlp-policy", "2", ROLLED_BACK)
    run(workspace)
    assert registered(workspace)[0] == {"champion": "2", "previous-champion": "1"}


def test_the_verdict_stands_without_a_registry(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = run(workspace)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert run(workspace) == expected
    said = capsys.readouterr()
    assert "is away" in said.err
    assert "not registered" in said.out


def test_missing_inputs_are_told(workspace: Workspace) -> None:
    rows = items(workspace, "cpt") / "heldout.jsonl"
    rows.unlink()
    with pytest.raises(MissingInputError, match=r"cpt/items/heldout\.jsonl"):
        run(workspace)
    arms.write_arm(items(workspace, "cpt"), "cpt")
    (workspace.model("rlp") / "config.json").unlink()
    with pytest.raises(MissingInputError, match="models/rlp"):
        run(workspace)

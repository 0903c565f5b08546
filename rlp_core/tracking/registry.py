"""The model registry: which version is challenger, which is champion, and why.

The registered model is the one place where MLflow holds weights of its own, so that a champion
can be loaded and rolled back wherever the registry is, without DVC.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlp_core.tracking import lineage, naming
from rlp_core.tracking.store import Store
from rlp_core.tracking.tracker import Tracker

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

REGISTERED_MODEL = "rlp-policy"
CHALLENGER = "challenger"
CHAMPION = "champion"
PREVIOUS = "previous-champion"
ROLLED_BACK = "rlp.rolled_back"
"""Tag of a version from which a person went back: it becomes champion by no gate again."""
JUDGED_BY = "rlp.judged_by"
"""Tag of a version: the run of stage `promote` that judged it last."""
LOGGED_MODEL = "rlp.logged_model"
"""Tag of a version: MLflow's logged model that holds its files, which a version does not name."""

_OF_A_VERDICT = ("gate.", "metric.", "digest.")


@dataclass(frozen=True)
class Registration:
    """What the registry holds after `register`.

    Attributes:
        version: the version of the model.
        created: False where the same weights were registered already.
        champion: the version that is champion now, or None.
        held_back: the gate held, and the version was rolled back before.
    """

    version: str
    created: bool
    champion: str | None
    held_back: bool = False


def register(
    tracker: Tracker, folder: Path, name: str, verdict: Mapping[str, Any], card: Path
) -> Registration | None:
    """Register a model as champion if `verdict["promoted"]`, else as challenger.

    The champion until then keeps the alias `previous-champion`, and no challenger is left. A
    version that was rolled back stays challenger whatever the verdict. The same weights are never
    registered twice: they are known by the folder's digest.

    Args:
        tracker: of the stage's run.
        folder: the winner's Hugging Face folder.
        name: the registered model.
        verdict: what `rlp_core.evaluation.gate.verdict` returned.
        card: the model's card; it lies with the weights as `README.md`, in place of an earlier one.

    Returns:
        None with `runtime.tracking` off or when the store is away.
    """
    store = tracker.store
    if store is None or not tracker.active:
        return None
    digest = lineage.dvc_digest(folder)

    def work(client: MlflowClient) -> Registration:
        found = _version_of(client, name, digest)
        created = found is None
        number = found or _create(client, store, tracker.run, folder, name, digest)
        version = client.get_model_version(name, number)
        _write_card(client, version.tags[LOGGED_MODEL], card)
        _replace_tags(client, version, {**verdict_tags(verdict), JUDGED_BY: tracker.run})
        aliases = _aliases(client, name)
        champion = aliases.get(CHAMPION)
        barred = ROLLED_BACK in version.tags
        if verdict["promoted"] and not barred and champion != number:
            if champion is not None:
                client.set_registered_model_alias(name, PREVIOUS, champion)
            client.set_registered_model_alias(name, CHAMPION, number)
            champion = number
        if champion != number:
            client.set_registered_model_alias(name, CHALLENGER, number)
        elif verdict["promoted"] and CHALLENGER in aliases:
            client.delete_registered_model_alias(name, CHALLENGER)
        return Registration(number, created, champion, bool(verdict["promoted"]) and barred)

    return store.call(f"model {name} in the registry", work)


def _version_of(client: MlflowClient, name: str, digest: str) -> str | None:
    """The version with these weights, the newest if there are several."""
    versions = client.search_model_versions(f"name = '{name}'")
    same = [
        v.version for v in versions if v.tags.get("rlp.digest") == digest and LOGGED_MODEL in v.tags
    ]
    return str(max(same, key=int)) if same else None


def _aliases(client: MlflowClient, name: str) -> dict[str, str]:
    """Version by alias."""
    held = client.get_registered_model(name).aliases
    return {alias: str(number) for alias, number in held.items()}


def _create(
    client: MlflowClient, store: Store, run_id: str, folder: Path, name: str, digest: str
) -> str:
    from mlflow.entities import LoggedModelOutput

    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description="The model that thinks before it predicts")
    tags = {"rlp.arm": folder.name, "rlp.digest": digest}
    logged = client.create_logged_model(
        store.experiment_id, name=name, source_run_id=run_id, tags=tags
    )
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "model"
        _package(folder, made)
        client.log_model_artifacts(logged.model_id, str(made))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    made_version = client.create_model_version(
        name,
        source=logged.artifact_location,  # `models:/ID` would be looked up in the default store
        run_id=run_id,
        tags=tags | {LOGGED_MODEL: logged.model_id},
        model_id=logged.model_id,
    )
    return str(made_version.version)


def _package(folder: Path, target: Path) -> None:
    """Write a folder that `mlflow.transformers.load_model` loads.

    The task and the requirements are given, because MLflow would find them out by importing half
    of the environment; the path is absolute, because MLflow would look for a relative one on a hub.
    """
    import mlflow.transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    source = str(folder.resolve())
    mlflow.transformers.save_model(
        {
            "model": AutoModelForCausalLM.from_pretrained(source, use_safetensors=True),
            "tokenizer": AutoTokenizer.from_pretrained(source),
        },
        path=str(target),
        task="text-generation",
        pip_requirements=[
            f"{package}=={version(package).partition('+')[0]}"
            for package in ("torch", "transformers")
        ],
    )


def _write_card(client: MlflowClient, model_id: str, card: Path) -> None:
    """Put the card beside MLflow's own files, and into the folder that transformers reads."""
    with tempfile.TemporaryDirectory() as scratch:
        for place in (Path(scratch), Path(scratch, "model")):
            place.mkdir(exist_ok=True)
            shutil.copyfile(card, place / "README.md")
        client.log_model_artifacts(model_id, scratch)


def _replace_tags(client: MlflowClient, version: ModelVersion, tags: Mapping[str, str]) -> None:
    """Set tags of a version, and take away what an earlier verdict told that this one does not."""
    for key in version.tags:
        if key.startswith(_OF_A_VERDICT) and key not in tags:
            client.delete_model_version_tag(version.name, version.version, key)
    for key, value in tags.items():
        client.set_model_version_tag(version.name, version.version, key, value)


def verdict_tags(verdict: Mapping[str, Any]) -> dict[str, str]:
    """A verdict as tags of a run or a version: who won, each rule with its reason, the digests."""
    tags = {
        "validation_status": "approved" if verdict["promoted"] else "rejected",
        "rlp.winner": verdict["winner"],
        f"metric.{verdict['metric']}": json.dumps(verdict["value"]),
    }
    for reason in verdict["reasons"]:
        rule = re.sub(r"[^\w.\-]+", " ", reason["rule"]).strip()
        word = "holds" if reason["holds"] else "fails"
        measured = "not measured" if reason["measured"] is None else reason["measured"]
        why = f"; {reason['why']}" if reason["why"] else ""
        tags[f"gate.{rule}"] = f"{word}: {measured} (required {reason['required']}{why})"
    tags |= {f"digest.{path}": digest for path, digest in verdict["digests"].items()}
    return {
        naming.acceptable_name(key): naming.acceptable_text(value, naming.TAG_LENGTH)
        for key, value in tags.items()
    }

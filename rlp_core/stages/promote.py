"""Stage `promote`: the winner becomes champion if the gate holds, and challenger if it does not."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlp_core.arms import declared
from rlp_core.data import thinking
from rlp_core.errors import MissingInputError
from rlp_core.evaluation import gate, item_files
from rlp_core.evaluation.statistics import Resampler
from rlp_core.files import write_json, write_text
from rlp_core.policy.adapter_folder import is_adapter
from rlp_core.reporting import card_facts, model_card
from rlp_core.tracking.lineage import dvc_digest
from rlp_core.tracking.registry import (
    CHALLENGER,
    REGISTERED_MODEL,
    ROLLED_BACK,
    Registration,
    register,
    verdict_tags,
)

if TYPE_CHECKING:
    from rlp_core.stage import StageContext


TOLD_SETTINGS = (  # those that `dvc.yaml` names for this stage
    "seed",
    "thought",
    "base",
    "bootstrap",
    "rlp",
    "cpt",
    "finetune",
    "rlvr",
    "evaluate",
    "compare",
    "promote",
)


def run(context: StageContext) -> None:
    """Write `reports/promotion.json` and `reports/model-card.md`, and register the winner.

    The first file is the verdict; the registry mirrors it. The second is the winner's card, which
    goes with it as its `README.md`: into the registry, and not into `models/ARM`, which is what an
    earlier stage made. They hold neither version nor run id, which differ between two equal runs.

    Raises:
        ConfigError: no candidate has the metric.
        MissingInputError: an arm was not evaluated, there is no model of the winner, or a report
            that the card tells of is absent.
        DataError: the items of an arm are malformed, too few, or not those of the others; or a
            report lacks a fact of the card.
    """
    params, workspace = context.params.promote, context.workspace
    settings = context.params.compare
    resampler = Resampler(context.params.seed, settings.resamples, settings.confidence)
    items = {
        arm: item_files.read(workspace.report(f"evaluate@{arm}") / "items")
        for arm in gate.arms_needed(params.candidates)
    }
    verdict = gate.verdict(items, params, resampler, context.params.evaluate.audit)
    folder = workspace.model(verdict["winner"])
    if not ((folder / "config.json").is_file() or is_adapter(folder)):
        raise MissingInputError(
            "the winner has no model here", where=str(folder), fix="run `dvc pull` or `dvc repro`"
        )
    judged = [workspace.report(f"evaluate@{arm}") / "items" for arm in items]
    verdict["digests"] = {
        path.relative_to(workspace.root).as_posix(): dvc_digest(path) for path in [folder, *judged]
    }
    write_json(workspace.reports / "promotion.json", verdict)
    _say(verdict)
    tree = context.params.model_dump(mode="json", by_alias=True)
    told = {name: tree[name] for name in TOLD_SETTINGS}
    card = workspace.reports / "model-card.md"
    write_text(card, model_card.render(card_facts.gather(workspace, declared(), told, verdict)))
    for path in (card, workspace.params, workspace.root / "dvc.lock"):
        if path.is_file():  # without DVC there is no lock; `rlp reproduce` says what it lacks then
            context.tracker.artifact(path)
    with _whole(folder) as source:
        registered = register(context.tracker, source, REGISTERED_MODEL, verdict, card)
    if registered is not None:
        print("\n".join(_told(registered)))
    elif context.params.runtime.tracking:
        print(
            "not registered: MLflow is away or refused it (see the warning); when that is mended, "
            "run `dvc repro -f -s promote`"
        )
    else:
        print("not registered: runtime.tracking is off")
    context.tracker.tags(verdict_tags(verdict))
    context.tracker.metrics({"promoted": float(verdict["promoted"])})


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder of the arm's name that holds all weights: a registry knows nothing of `models/base`.

    It is the arm's own, or one made for the time being where the arm's holds adapters alone.
    """
    if not is_adapter(folder):
        yield folder
        return
    from rlp_core.policy.model import load, save

    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / folder.name
        made.mkdir()
        save(*load(folder), made)
        shutil.copy2(folder / thinking.FILE, made)
        yield made


def _told(registered: Registration) -> Iterator[str]:
    """What the registry holds now."""
    name, number, champion = REGISTERED_MODEL, registered.version, registered.champion or "none"
    yield f"registered as {name} version {number}; champion {champion}"
    if registered.held_back:
        yield (
            f"version {number} was rolled back before, so it stays {CHALLENGER}: delete its tag "
            f"`{ROLLED_BACK}` in the registry and run `dvc repro -f -s promote` to let it pass"
        )


def _say(verdict: dict[str, Any]) -> None:
    print(f"winner: {verdict['winner']}, {verdict['metric']} = {verdict['value']:g}")
    ranked, judged = verdict["split"]["ranked"], verdict["split"]["judged"]
    print(
        f"ranked on {ranked['problems']} problems and {ranked['documents']} documents, judged on "
        f"the other {judged['problems']} and {judged['documents']}"
    )
    if verdict["tied"]:
        print(f"tied, the first among the candidates was taken: {', '.join(verdict['tied'])}")
    for reason in verdict["reasons"]:
        mark = "holds" if reason["holds"] else "FAILS"
        measured = "not measured" if reason["measured"] is None else f"{reason['measured']:g}"
        why = f" ({reason['why']})" if reason["why"] else ""
        print(f"  {mark}  {reason['rule']}: {measured}, required {reason['required']}{why}")
    print("gate: holds" if verdict["promoted"] else "gate: fails, the champion stays")

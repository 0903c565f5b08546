"""Stage `promote`: the winner becomes challenger, and champion if the gate holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rlp_core import arms
from rlp_core.errors import ConfigError, DataError, MissingInputError, did_you_mean
from rlp_core.evaluation import gate
from rlp_core.files import write_json
from rlp_core.tracking.registry import register
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from rlp_core.stage import StageContext

REGISTERED_MODEL = "rlp-policy"


def run(context: StageContext) -> None:
    """Write `reports/promotion.json` and register the winner.

    The file is the verdict; the registry mirrors it. It holds neither version nor run id, which
    differ between two equal runs.

    Raises:
        ConfigError: a candidate is no arm, or none has the metric.
        MissingInputError: there is no comparison or no model of the winner.
        DataError: the comparison is not JSON.
    """
    params, workspace = context.params.promote, context.workspace
    known = arms.declared().names
    unknown = [arm for arm in params.candidates if arm not in known]
    if unknown:
        raise ConfigError(
            f"no arm is called {', '.join(unknown)}",
            where="params.yaml, key promote.candidates",
            fix=f"{did_you_mean(unknown[0], known)}choose among: {', '.join(known)}",
        )
    verdict = gate.verdict(_comparison(workspace), params)
    folder = workspace.model(verdict["winner"])
    if not (folder / "config.json").is_file():
        raise MissingInputError(
            "the winner has no model here", where=str(folder), fix="run `dvc pull` or `dvc repro`"
        )
    write_json(workspace.reports / "promotion.json", verdict)
    _say(verdict)
    registered = register(context.tracker, folder, REGISTERED_MODEL, verdict)
    if registered is not None:
        champion = registered.champion or "none"
        print(f"registered as {REGISTERED_MODEL} version {registered.version}; champion {champion}")
    elif context.params.runtime.tracking:
        print(
            "not registered: MLflow is away or refused it (see the warning); when that is mended, "
            "run `dvc repro -f -s promote`"
        )
    else:
        print("not registered: runtime.tracking is off")
    context.tracker.metrics({"promoted": float(verdict["promoted"])})


def _comparison(workspace: Workspace) -> dict[str, Any]:
    path = workspace.reports / "comparison.json"
    try:
        tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingInputError(
            "nothing to choose from", where=str(path), fix="run `dvc repro compare`"
        ) from None
    except ValueError as error:
        raise DataError(
            f"not JSON: {error}", where=str(path), fix="run `dvc repro -f -s compare`"
        ) from error
    return tree


def _say(verdict: dict[str, Any]) -> None:
    print(f"winner: {verdict['winner']}, {verdict['metric']} = {verdict['value']:g}")
    if verdict["tied"]:
        print(f"tied, the first among the candidates was taken: {', '.join(verdict['tied'])}")
    for reason in verdict["reasons"]:
        mark = "holds" if reason["holds"] else "FAILS"
        measured = "not measured" if reason["measured"] is None else f"{reason['measured']:g}"
        print(f"  {mark}  {reason['rule']}: {measured}, required {reason['required']}")
    print("gate: holds" if verdict["promoted"] else "gate: fails, the champion stays")

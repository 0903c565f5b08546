"""Stage `compare`: all arms on the same items, with intervals, tables, figures and a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlp_core.arms import declared
from rlp_core.evaluation.comparison import compare
from rlp_core.evaluation.statistics import Resampler
from rlp_core.files import replacing_folder, write_json, write_text
from rlp_core.reporting import charts, curves, difficulty, forests, page, robustness, tables
from rlp_core.reporting.sources import Sources, read_compute, read_curve, read_json
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from rlp_core.stage import StageContext

SHOWN_SETTINGS = (  # those that `dvc.yaml` names for this stage
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
)

HEADLINES = (
    "pass_at_1_best",
    "pass_at_1_thinking",
    "pass_at_1_direct",
    "information_gain",
    "gain_over_base",
)


def run(context: StageContext) -> None:
    """Write `reports/comparison.json`, `comparison.md`, `figures/` and `index.html`.

    Raises:
        MissingInputError: an arm or a report of an earlier stage is missing.
        DataError: one is malformed, or two arms were measured on different items.
    """
    workspace, params, arms = context.workspace, context.params, declared()
    resampler = Resampler(params.seed, params.compare.resamples, params.compare.confidence)
    folders = {arm: workspace.report(f"evaluate@{arm}") / "items" for arm in arms.names}
    comparison = compare(folders, resampler, arms, params.evaluate.audit)
    ledger, cpt = read_compute(
        workspace.report("rlp") / "ledger.json", workspace.report("cpt") / "metrics.json"
    )
    settings = params.model_dump(mode="json", by_alias=True, include=set(SHOWN_SETTINGS))
    sources = Sources(
        comparison=comparison,
        arms=arms,
        settings={name: settings[name] for name in SHOWN_SETTINGS},
        prepared=read_json(workspace.report("prepare") / "metrics.json"),
        validated=read_json(workspace.report("validate") / "metrics.json"),
        curves={name: read_curve(workspace.report(name) / "steps.csv") for name in arms.stages},
        ledger=ledger,
        cpt=cpt,
    )
    _write(workspace, sources)
    context.tracker.metrics(_headlines(comparison.tree))
    for name in ("comparison.json", "comparison.md", "index.html"):
        context.tracker.artifact(workspace.reports / name)
    for arm, metrics in comparison.tree["arms"].items():
        print(f"{arm}: thinking pass@1 {charts.text(metrics['pass_at_1_thinking'])}")
    print("open reports/index.html")


def _write(workspace: Workspace, sources: Sources) -> None:
    tree = sources.comparison.tree
    arms, confidence = sources.arms, tree["settings"]["confidence"]
    figures = charts.draw(sources) | forests.draw(tree, arms)
    figures |= curves.draw(sources.curves, arms, confidence) | difficulty.draw(tree, arms)
    html = page.render(sources, figures)
    with replacing_folder(workspace.reports / "figures") as folder:
        for name, figure in figures.items():
            write_text(folder / f"{name}.svg", figure.document())
    told = tables.markdown(tree, arms) + difficulty.markdown(tree, arms)
    told += robustness.markdown(tree, arms)
    write_text(workspace.reports / "comparison.md", told)
    write_text(workspace.reports / "index.html", html)
    write_json(workspace.reports / "comparison.json", tree)


def _headlines(tree: dict[str, Any]) -> dict[str, float]:
    """What is worth a column in a list of runs: values per arm, and rlp against the control."""
    made = {
        f"{arm}/{metric}": metrics[metric]["value"]
        for arm, metrics in tree["arms"].items()
        for metric in HEADLINES
        if metrics[metric]["value"] is not None
    }
    for reference, metrics in tree["differences"]["rlp"].items():
        for end in ("value", "low", "high"):
            for metric, prefix in (("pass_at_1_thinking", ""), ("pass_at_1_best", "best_")):
                if metrics[metric][end] is not None:
                    made[f"rlp_minus_{reference}/{prefix}{end}"] = metrics[metric][end]
    for arm, of in tree.get("audit", {"arms": {}})["arms"].items():
        states = [one["state"] for one in (*of["alarms"].values(), *of["groups"].values())]
        made[f"{arm}/audit_alarms"] = float(states.count("alarm"))
    return made

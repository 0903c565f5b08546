"""Stage `prepare`: sources to records, with a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlp_core.data import prepare
from rlp_core.evaluation import benchmarks
from rlp_core.files import replacing_folder, write_json

if TYPE_CHECKING:
    from rlp_core.stage import StageContext


def run(context: StageContext) -> None:
    """Write `data/prepared` and `reports/prepare/metrics.json`.

    Raises:
        RlpError: a source, file, mapping or benchmark cannot be used; nothing is left half-written.
    """
    workspace, params = context.workspace, context.params
    settings = params.evaluate
    used = benchmarks.load(settings.benchmarks, workspace.root / settings.benchmark_folder)
    with replacing_folder(workspace.prepared) as folder:
        manifest = prepare.prepare(params.prepare, used, params.seed, workspace.root, folder)
    metrics = prepare.metrics(manifest)
    write_json(workspace.report(context.name) / "metrics.json", metrics)
    for name, part in manifest["parts"].items():
        path = workspace.prepared / f"{name}.jsonl"
        context.tracker.dataset(name=name, path=path, digest=part["sha256"], context="prepare")
        print(f"{name}: {part['records']} records, {part['characters']} characters")
        for reason, rows in prepare.passed_over(part).items():
            print(f"{name}: {rows} rows passed over by `{reason}`")
    for source in manifest["parts"]["problems"]["sources"]:
        print(f"benchmark {source['benchmark']}: {_told(source)}")
    context.tracker.metrics({name: float(value) for name, value in metrics.items()})


def _told(source: dict[str, Any]) -> str:
    """What came of a benchmark's problems, or of its examples."""
    if source.get("absent"):
        return (
            f"no file matches `examples.pattern` = {source['pattern']!r}, so examples for "
            "`evaluate.shots` come from its own problems that are not asked"
        )
    what = "examples" if source.get("role") == "example" else "problems"
    left_out = f", {source['left_out']} left out" if source["left_out"] else ""
    return f"{source['records']} {what}{left_out}"

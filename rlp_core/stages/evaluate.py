"""Stage `evaluate@ARM`: benchmarks, cross-entropy, information gain and bias of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.data.records import Document, Problem
from rlp_core.evaluation.abilities import ability_statistics
from rlp_core.evaluation.bias import bias_metrics, load_items
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.files import replacing_folder, write_jsonl
from rlp_core.stages import common

if TYPE_CHECKING:
    from rlp_core.stage import StageContext


def run(context: StageContext) -> None:
    """Write what was measured item by item, and the arm's `metrics.json`."""
    params, settings = context.params, context.params.evaluate
    problems = common.read_part(context, "problems", Problem)[: settings.problems]
    documents = common.read_part(context, "heldout", Document)[: settings.heldout_documents]
    items = load_items(settings.bias, params.seed, context.workspace.root)
    model, codec = common.open_model(context, context.arm)
    evaluator = Evaluator(
        model,
        codec,
        settings,
        params.thought.max_tokens,
        params.seed,
        params.runtime.micro_batch,
    )
    rows = {
        "problems": evaluator.problems(problems),
        "heldout": evaluator.heldout(documents),
        "bias": evaluator.bias(items),
    }
    with replacing_folder(context.workspace.report(context.name) / "items") as folder:
        for name, lines in rows.items():
            write_jsonl(folder / f"{name}.jsonl", lines)
    abilities = ability_statistics(rows["problems"], rows["heldout"])
    metrics = {name: statistic.value() for name, statistic in abilities.items()}
    metrics |= bias_metrics(rows["bias"], thinking=False)
    metrics |= bias_metrics(rows["bias"], thinking=True)
    common.write_metrics(context, metrics)
    thinking, direct = metrics["pass_at_1_thinking"], metrics["pass_at_1_direct"]
    gain = metrics["information_gain"]
    print(
        f"{context.arm}: pass@1 {thinking:.3f} thinking, {direct:.3f} direct; "
        f"information gain {gain:+.3f} nats"
    )

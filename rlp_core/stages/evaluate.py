"""Stage `evaluate@ARM`: benchmarks, cross-entropy, information gain and bias of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rlp_core.data.records import Document, Problem
from rlp_core.evaluation.abilities import ability_statistics
from rlp_core.evaluation.bias import bias_metrics, load_items
from rlp_core.evaluation.drawing import draw_equally
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.losses import report
from rlp_core.files import replacing_folder, write_jsonl
from rlp_core.policy.compute import Compute
from rlp_core.stages import common

if TYPE_CHECKING:
    from rlp_core.stage import StageContext


def run(context: StageContext) -> None:
    """Write what was measured item by item, and the arm's `metrics.json`.

    Raises:
        MissingInputError: a part, the model or a bias set is not there.
        DataError: too few of the records can be measured within the limits on tokens.
    """
    params, settings = context.params, context.params.evaluate
    all_problems = common.read_part(context, "problems", Problem)
    all_documents = common.read_part(context, "heldout", Document)
    problems = draw_equally(all_problems, settings.problems, lambda p: p.benchmark)
    documents = draw_equally(all_documents, settings.heldout_documents, lambda d: d.source)
    print(
        f"{context.arm}: {len(problems)} of {len(all_problems)} problems and {len(documents)} of "
        f"{len(all_documents)} held-out documents drawn"
    )
    items = load_items(settings.bias, params.seed, context.workspace.root)
    model, codec = common.open_model(context, context.arm)
    evaluator = Evaluator(
        Compute(model, getattr(torch, settings.precision)).model,
        codec,
        settings,
        params.thought.max_tokens,
        params.seed,
        params.runtime.micro_batch,
        params.runtime.decode_batch_size,
    )
    losses = evaluator.losses(problems, documents, items)
    report(losses, context.name, settings.warn_lost_share, settings.max_lost_share)
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
    metrics |= {loss.name: float(loss.count) for loss in losses}
    common.write_metrics(context, metrics)
    thinking, direct = metrics["pass_at_1_thinking"], metrics["pass_at_1_direct"]
    gain = metrics["information_gain"]
    print(
        f"{context.arm}: pass@1 {thinking:.3f} thinking, {direct:.3f} direct; "
        f"information gain {gain:+.3f} nats"
    )

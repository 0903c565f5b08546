"""Stage `evaluate@ARM`: benchmarks, cross-entropy, information gain and bias of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rlp_core.data.records import Demonstration, Document, Problem
from rlp_core.evaluation.abilities import ability_statistics
from rlp_core.evaluation.bias import bias_metrics, load_items
from rlp_core.evaluation.control_metrics import control_statistics
from rlp_core.evaluation.controls import controls, require_two_texts
from rlp_core.evaluation.drawing import draw_equally, draw_problems
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.few_shot_asked import WorkedExamples
from rlp_core.evaluation.few_shot_metrics import few_shot_statistics
from rlp_core.evaluation.gate import REFERENCE
from rlp_core.evaluation.inspection import inspected_rows, told
from rlp_core.evaluation.losses import report
from rlp_core.evaluation.perturbed import Asked, ask_perturbed, perturbed_losses
from rlp_core.evaluation.perturbed_metrics import robustness_metrics
from rlp_core.evaluation.perturbed_rows import perturbed_rows
from rlp_core.evaluation.problem_rows import problem_rows
from rlp_core.evaluation.random_band import band_metrics, random_band, random_rows
from rlp_core.evaluation.reward_audit.audit_metrics import audit_values
from rlp_core.evaluation.reward_audit.measuring import audit_rows, swap_rows
from rlp_core.files import replacing_folder, write_jsonl
from rlp_core.policy.compute import Compute
from rlp_core.stages import common
from rlp_core.workspace import EXAMPLE_PART

if TYPE_CHECKING:
    from rlp_core.stage import StageContext


def run(context: StageContext) -> None:
    """Write what was measured item by item, and the arm's `metrics.json`.

    Raises:
        MissingInputError: a part, the model or a bias set is not there.
        DataError: too few of the records can be measured within the limits on tokens, or no
            control thought can be another text's.
        ConfigError: too few demonstrations, or examples that a benchmark names, can be examples.
    """
    params, settings = context.params, context.params.evaluate
    given = common.read_part(context, "problems", Problem)
    all_problems = [problem for problem in given if problem.role != "example"]
    all_documents = common.read_part(context, "heldout", Document)
    problems = draw_problems(all_problems, settings)
    documents = draw_equally(all_documents, settings.heldout_documents, lambda d: d.source)
    print(
        f"{context.arm}: {len(problems)} of {len(all_problems)} problems and {len(documents)} of "
        f"{len(all_documents)} held-out documents drawn"
    )
    examples = WorkedExamples(problems)
    if settings.shots.asked(context.arm):
        examples = WorkedExamples.gather(
            problems,
            given,
            lambda: common.read_part(context, EXAMPLE_PART, Demonstration),
            settings.shots,
            context.name,
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
    with_examples = examples.ask(evaluator)
    losses = [*evaluator.losses(problems, documents, items), *with_examples.losses]
    changed: Asked = {}
    if settings.robustness.perturbations:
        changed = ask_perturbed(problems, settings, params.seed)
        losses += perturbed_losses(evaluator, changed)
    report(losses, context.name, settings.warn_lost_share, settings.max_lost_share)
    items = evaluator.weighable(items)
    if settings.controls:
        require_two_texts([document.key for document in evaluator.measurable(documents)])
    places = evaluator.places(documents)
    rows = {
        "problems": problem_rows(evaluator, problems),
        "heldout": evaluator.heldout(documents, places),
        "bias": evaluator.bias(items),
    }
    if few_shot := with_examples.rows(evaluator):
        rows["few_shot"] = few_shot
    if settings.controls:
        rows["controls"] = controls(evaluator, documents, places)
    left_out = 0
    if settings.audit.enabled:
        rows["audit"] = audit_rows(evaluator, documents, places)
        swaps, left_out = swap_rows(evaluator, documents, places, settings.audit)
        rows |= {"swaps": swaps} if swaps else {}
    if settings.bias.random_models and context.arm == REFERENCE:
        rows["bias_random"] = random_rows(evaluator, items, params.runtime.attention)
    if changed:
        rows["robustness"] = perturbed_rows(evaluator, changed)
    if settings.inspect.documents:
        rows["inspected"] = inspected_rows(evaluator, documents, places)
        print(f"{context.arm}: {told(rows['inspected'])}")
    with replacing_folder(context.workspace.report(context.name) / "items") as folder:
        for name, lines in rows.items():
            write_jsonl(folder / f"{name}.jsonl", lines)
    abilities = ability_statistics(rows["problems"], rows["heldout"])
    abilities |= few_shot_statistics(rows.get("few_shot", []))
    abilities |= control_statistics(rows.get("controls", []))
    metrics = {name: statistic.value() for name, statistic in abilities.items()}
    metrics |= robustness_metrics(rows.get("robustness", []))
    metrics |= bias_metrics(rows["bias"], thinking=False)
    metrics |= bias_metrics(rows["bias"], thinking=True)
    if settings.audit.enabled:
        metrics |= audit_values(rows["controls"], rows["audit"], settings.audit.future)
        metrics |= {"audit/swapped": float(len(rows.get("swaps", [])))}
        metrics |= {"audit/not_swapped": float(left_out)}
    metrics |= band_metrics(random_band(rows.get("bias_random", [])))
    metrics |= {loss.name: float(loss.count) for loss in losses}
    common.write_metrics(context, metrics)
    thinking, direct = metrics["pass_at_1_thinking"], metrics["pass_at_1_direct"]
    gain = metrics["information_gain"]
    print(
        f"{context.arm}: pass@1 {thinking:.3f} thinking, {direct:.3f} direct; "
        f"information gain {gain:+.3f} nats"
    )

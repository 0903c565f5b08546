"""The plan of stage `evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rlp_core.planning import memory, work
from rlp_core.planning.memory import Decoding, Moment
from rlp_core.planning.prompted import lead_tokens
from rlp_core.planning.stage import Plan
from rlp_core.planning.work import Work

if TYPE_CHECKING:
    from rlp_core.evaluation.config import Evaluate
    from rlp_core.params import Params
    from rlp_core.planning.shapes import ModelShape


def evaluate(params: Params, stage: str, model: ModelShape, on_gpu: bool) -> Plan:  # noqa: ARG001
    """Thoughts, answers after them and without them, and texts that are scored."""
    settings, most = params.evaluate, params.thought.max_tokens
    precision, rows = settings.precision, params.runtime.decode_batch_size
    text = settings.max_tokens
    asked = text + lead_tokens(params, model)
    reasoned = asked + most + 2
    answers = _answers(settings)
    think = _flight(rows, asked, settings.samples, answers["thoughts"], most + 2)
    answer = _flight(rows, reasoned - 1, 1, answers["thoughts"], settings.answer_tokens + 2)
    stays = memory.standing(model, precision)
    some = params.runtime.micro_batch
    # answers follow thoughts, so that theirs is the longer text to be read before
    found = [
        memory.prefill(model, precision, answer),
        replace(memory.decoding(model, precision, think), name="thoughts"),
        replace(memory.decoding(model, precision, answer), name="answers"),
        memory.reading(model, precision, some, text, text - 1, "held-out text"),
        memory.reading(model, precision, some, reasoned + 1, 1, "after thoughts"),
    ]
    thoughts = work.drawing(model, precision, think, most)
    last = work.drawing(model, precision, answer, settings.answer_tokens)
    spent = (
        thoughts.times(answers["thoughts"] / think.rows)
        .plus(last.times(answers["answers"] / answer.rows))
        .plus(work.reading(model, "score", settings.heldout_documents, text, text - 1))
        .plus(work.reading(model, "score", answers["weighed"], reasoned + 1, 1))
    )
    if settings.controls:
        ahead = min(settings.horizon, text - 1)
        read = reasoned + ahead
        found.append(memory.reading(model, precision, some, read, ahead, "after control thoughts"))
        spent = spent.plus(work.reading(model, "score", _control_texts(settings), read, ahead))
    if settings.audit.enabled:
        found.append(memory.reading(model, precision, some, reasoned, most, "thoughts as text"))
        spent = spent.plus(
            work.reading(
                model, "score", _audited_texts(settings), reasoned + settings.horizon, most
            )
        )
    if settings.robustness.perturbations:
        read, ends = reasoned + settings.answer_tokens, settings.answer_tokens
        found.append(memory.reading(model, precision, some, read, ends, "answers to be weighed"))
        weighed = 2 * _perturbed(settings) * (settings.robustness.samples + 1)
        spent = spent.plus(work.reading(model, "score", weighed, read, ends))
    with_examples = settings.shots.asked(stage.partition("@")[2])
    if with_examples:
        more, spent_too = _few_shot(params, model)
        found, spent = [*found, *more], spent.plus(spent_too)
    return Plan(
        stage,
        model,
        precision,
        tuple(moment.beside(stays) for moment in found),
        (
            f"{think.rows} thoughts in flight, {answer.rows} answers",
            f"{some} texts a pass where they are scored",
            *(_few_shot_said(settings) if with_examples else ()),
        ),
        spent,
        (
            f"every prompt and text is {text} tokens long, every thought {most}",
            "published and own bias sets are not counted, the generated one is",
        ),
    )


def _answers(settings: Evaluate) -> Mapping[str, int]:
    """How many thoughts, answers and choices are drawn and weighed."""
    places = settings.heldout_documents * settings.heldout_positions * settings.samples
    bias = settings.bias.template_items * settings.bias.thoughts
    asked = settings.most_problems() * (settings.samples + 1)
    if settings.robustness.perturbations:
        asked += _perturbed(settings) * (settings.robustness.samples + 1)
    looked_at = settings.inspect
    tokens = looked_at.documents * min(looked_at.tokens, settings.max_tokens)
    inspected = tokens * (2 + 3 * looked_at.thoughts)  # bare, empty, and thrice for every thought
    return {
        "thoughts": asked + places + bias + tokens * looked_at.thoughts,
        "answers": 2 * asked,
        "weighed": places + 2 * bias + 2 * settings.bias.template_items + inspected,
    }


def _perturbed(settings: Evaluate) -> int:
    """Problems that are asked as they are and with every perturbation, as if each applied to all.

    Their answers are weighed in two forms, with a space before them and without.
    """
    wanted = settings.robustness.problems * len(settings.benchmarks)
    return min(settings.most_problems(), wanted) * (1 + len(settings.robustness.perturbations))


def _control_texts(settings: Evaluate) -> int:
    """Texts scored at each place: bare, empty, and thrice for every thought."""
    places = settings.heldout_documents * settings.heldout_positions
    return places * (2 + 3 * settings.samples)


def _audited_texts(settings: Evaluate) -> int:
    """Texts scored at each place: thoughts in other contexts, false, with decoys, both sides.

    At most: not every thought has an equation, and few contexts have a word to exchange.
    """
    places = settings.heldout_documents * settings.heldout_positions
    looks = 1 + len(settings.audit.groups)
    exchanged = 2 * looks * (1 + settings.samples)
    return places * (1 + settings.audit.contexts + settings.samples + 3 + exchanged)


def _few_shot(params: Params, model: ModelShape) -> tuple[list[Moment], Work]:
    """Thoughts, answers without and after them, and work as plain text, each after examples."""
    settings, most = params.evaluate, params.thought.max_tokens
    precision, rows = settings.precision, params.runtime.decode_batch_size
    asked, lead = settings.shots.max_tokens, lead_tokens(params, model)
    count, many = settings.most_problems() * settings.samples, settings.samples
    room = most + 2 + lead + settings.answer_tokens
    thoughts = _flight(rows, asked + lead, many, count, most + 2)
    after = _flight(rows, asked + lead + most + 1, 1, count, settings.answer_tokens + 2)
    direct = _flight(rows, asked, many, count, settings.answer_tokens + 2)
    worked = _flight(rows, asked, many, count, room)
    drawn = (
        ("thoughts after examples", thoughts, most),
        ("answers after thoughts and examples", after, settings.answer_tokens),
        ("answers after examples", direct, settings.answer_tokens),
        ("work after examples", worked, room),
    )
    moments = [
        replace(memory.prefill(model, precision, after), name="prefill of examples"),
        *(replace(memory.decoding(model, precision, f), name=name) for name, f, _ in drawn),
    ]
    spent = Work()
    for _, flight, tokens in drawn:
        each = work.drawing(model, precision, flight, tokens)
        spent = spent.plus(each.times(count / flight.rows))
    return moments, spent


def _few_shot_said(settings: Evaluate) -> tuple[str, ...]:
    return (
        f"{settings.shots.count} examples in prompts of up to {settings.shots.max_tokens} tokens",
    )


def _flight(rows: int, trunk: int, copies: int, count: int, room: int) -> Decoding:
    """Rows in flight where every context is a trunk of its own."""
    contexts = min(max(1, rows // copies), max(1, count // copies))
    return Decoding(contexts, trunk, contexts, copies, room)

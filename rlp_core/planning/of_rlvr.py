"""The plan of stage `rlvr`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rlp_core.planning import memory, passes, work
from rlp_core.planning.memory import Decoding, Moment
from rlp_core.planning.of_rlp import CHECKED
from rlp_core.planning.passes import Tree
from rlp_core.planning.prompted import lead_tokens
from rlp_core.planning.shapes import BYTES, ModelShape
from rlp_core.planning.stage import Plan
from rlp_core.planning.work import Work
from rlp_core.rollout.shared_trunks import can_share
from rlp_core.training.ledger import TRAINING

if TYPE_CHECKING:
    from rlp_core.params import Params


def rlvr(params: Params, stage: str, model: ModelShape, on_gpu: bool) -> Plan:
    """Thoughts with answers drawn to problems, and learnt from."""
    settings, most = params.rlvr, params.thought.max_tokens
    precision = settings.precision
    if not settings.steps:
        moment = Moment("model", {})
        assumed = ("no step is made: the model's files are passed on",)
        return Plan(stage, model, precision, (moment,), (), Work(), assumed)
    asked = settings.max_tokens + lead_tokens(params, model)
    think, answer = _in_flight(params, asked)
    tree = _tree(params, asked)
    share = can_share(model.short(2, precision)) and params.runtime.attention != "flex"
    updates, told = memory.updating(
        model,
        precision,
        tree,
        documents=settings.problems,
        budget=params.runtime.update_token_budget,
        cost=tree.trunk + tree.branches * tree.fed,
        each=tree.fed + 1,
        can_share=share,
        entropy=settings.entropy_weight > 0,
    )
    stays = memory.standing(model, precision) | {
        memory.START: BYTES[precision] * model.trainable if settings.kl_weight else 0,
        memory.OPTIMIZER: memory.optimizer_state(model, settings.optimizer.name),
    }
    before = []
    if params.runtime.verify != "off":
        before = [_self_check(params, model, tree)]
    during = [
        memory.prefill(model, precision, answer),
        replace(memory.decoding(model, precision, think), name="thoughts"),
        replace(memory.decoding(model, precision, answer), name="answers"),
        *updates,
        *_reference(params, model, tree, updates),
        memory.optimizer_step(model, settings.optimizer.name, on_gpu),
    ]
    return Plan(
        stage,
        model,
        precision,
        tuple(moment.beside(stays) for moment in (*before, *during)),
        (told, f"{think.rows} thoughts in flight, {answer.rows} answers"),
        _work(params, model, asked),
        (
            f"every problem is {settings.max_tokens} tokens long, every thought {most} and every "
            f"answer {settings.answer_tokens}, no two alike, and all problems are learnt from",
        ),
    )


def _in_flight(params: Params, asked: int) -> tuple[Decoding, Decoding]:
    """Thoughts, and the answers behind them, each of which has a text of its own."""
    settings, rows = params.rlvr, params.runtime.decode_batch_size
    most, each = params.thought.max_tokens, settings.group_size
    trunks, places = memory.batch_of(rows, each, 1, settings.problems)
    think = Decoding(trunks, asked, places, each, most + 2)
    many = min(rows, settings.problems * each)
    return think, Decoding(many, asked + 1 + most, many, 1, settings.answer_tokens + 2)


def _tree(params: Params, asked: int) -> Tree:
    """A problem with its completions: the opening, the thought, its close, the answer."""
    settings = params.rlvr
    tokens = params.thought.max_tokens + 1 + settings.answer_tokens
    return Tree(asked, settings.group_size, tokens, tokens)


def _self_check(params: Params, model: ModelShape, tree: Tree) -> Moment:
    """Both paths on the completions of two problems, before the first step."""
    precision = params.rlvr.precision
    documents = min(CHECKED, params.rlvr.problems)
    found = passes.both_ways(model, precision, documents, replace(tree, scored=0))
    exact = 0 if precision == "float32" else memory.MASTER * model.parameters
    return Moment("self-check", {memory.ACTIVATIONS: found.most, memory.WORKSPACE: exact})


def _reference(
    params: Params, model: ModelShape, tree: Tree, updates: list[Moment]
) -> list[Moment]:
    """The fine-tuned model reads the same for the KL, while the policy's pass waits."""
    if not params.rlvr.kl_weight:
        return []
    waiting = next(moment for moment in updates if moment.name == "update: head")
    one = passes.branched(model, params.rlvr.precision, 1, tree)
    return [Moment("reference", dict(waiting.lines) | {memory.LOGITS: one.most})]


def _work(params: Params, model: ModelShape, asked: int) -> Work:
    """The work of the whole stage."""
    settings, tree = params.rlvr, _tree(params, asked)
    think, answer = _in_flight(params, asked)
    many = settings.problems * settings.group_size
    thoughts = work.drawing(model, settings.precision, think, params.thought.max_tokens)
    answers = work.drawing(model, settings.precision, answer, settings.answer_tokens)
    step = thoughts.times(many / think.rows).plus(answers.times(many / answer.rows))
    read = [("update", TRAINING), *([("reference", 1)] if settings.kl_weight else [])]
    for phase, times in read:
        one = work.updating(model, phase, asked, tree.branches, tree.fed, tree.scored, times)
        step = step.plus(one.times(settings.problems))
    return step.times(settings.steps)

"""The plan of a stage: memory at every moment, the passes that were chosen, and the work."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rlp_core import prompts
from rlp_core.errors import UsageError, did_you_mean
from rlp_core.planning import memory, passes, work
from rlp_core.planning.memory import Decoding, Moment
from rlp_core.planning.passes import Tree
from rlp_core.planning.shapes import BYTES, ModelShape
from rlp_core.planning.work import Work
from rlp_core.rollout.shared_trunks import can_share
from rlp_core.training.learner import needs_start
from rlp_core.training.ledger import TRAINING

if TYPE_CHECKING:
    from rlp_core.config import RLPConfig
    from rlp_core.evaluation.config import Evaluate
    from rlp_core.params import Params
    from rlp_core.training.config import Base, Cpt, LearnerConfig, Supervised

SMALL_VOCABULARY = 4096
"""Tokens below which a tokenizer is taken to spell words letter by letter."""

CHECKED = 2
"""Places that the self-check looks at."""


@dataclass(frozen=True)
class Plan:
    """What a stage will hold and spend.

    Attributes:
        stage: its name.
        model: what it holds.
        precision: what computes.
        moments: of the largest step.
        passes: how the work is cut, in words.
        work: of the whole stage; empty where it is another stage's ledger that decides.
        assumed: what the figures rest on, in words.
    """

    stage: str
    model: ModelShape
    precision: str
    moments: tuple[Moment, ...]
    passes: tuple[str, ...]
    work: Work
    assumed: tuple[str, ...]

    @property
    def peak(self) -> Moment:
        """The moment of the most memory."""
        return max(self.moments, key=lambda moment: moment.total)


def stage_plan(
    params: Params, stage: str, model: ModelShape, *, on_gpu: bool, saves: bool = True
) -> Plan:
    """Plan a stage.

    Args:
        params: the parameters.
        stage: one that holds a model; an arm may stand behind an @.
        model: what it holds.
        on_gpu: whether the model lies on a GPU: there the optimizer and what is kept differ.
        saves: whether checkpoints are written; their copy lies in the machine's memory.

    Raises:
        UsageError: no stage has this name, or it holds no model.
    """
    kind = known_kind(stage)
    plan = PLANNED[kind](params, stage, model, on_gpu)
    if not saves or on_gpu or kind == "evaluate":
        return plan
    section = getattr(params, kind)
    size = memory.saved(model, section.optimizer.name, 2 if kind == "rlp" else 1)
    beside = {memory.SAVED: size}
    moments = (m.beside(beside) if memory.OPTIMIZER in m.lines else m for m in plan.moments)
    return replace(plan, moments=tuple(moments))


def known_kind(stage: str) -> str:
    """The kind of a stage that can be planned: `finetune` of `finetune@rlp`."""
    kind = stage.partition("@")[0]
    if kind in ("prepare", "validate", "compare", "promote"):
        raise UsageError(
            f"stage {kind} holds no model: there is nothing to plan",
            where="rlp plan",
            fix=f"plan one of: {', '.join(PLANNED)}",
        )
    if kind not in PLANNED:
        hint = did_you_mean(kind, PLANNED)
        raise UsageError(
            f"no stage is called {stage!r}", where="rlp plan", fix=f"{hint}{', '.join(PLANNED)}"
        )
    return kind


def _supervised(
    params: Params,
    stage: str,
    model: ModelShape,
    on_gpu: bool,
    own: Base | Supervised | Cpt,
    tokens: int,
    steps: int,
) -> Plan:
    """A stage of next-token prediction, by its own section of the parameters."""
    precision, batch = own.precision, own.batch
    assumed = [f"every text is {tokens} tokens long, as the settings allow"]
    if steps == 0:
        assumed.append("no step is made: the model is read and written")
        moment = Moment("model", memory.standing(model, precision))
        return Plan(stage, model, precision, (moment,), (), Work(), tuple(assumed))
    rows = min(batch, params.runtime.micro_batch)
    count = math.ceil(batch / rows)
    moments = memory.supervised(
        model,
        precision,
        own.optimizer.name,
        rows,
        tokens,
        several=count > 1,
        recompute=params.runtime.recompute,
        on_gpu=on_gpu,
    )
    told = [f"{rows} of {batch} texts a pass: {count} passes a step"]
    if params.runtime.recompute:
        told.append("activations of the layers are made again in the backward pass")
    one = work.supervised(model, batch, tokens)
    return Plan(
        stage,
        model,
        precision,
        tuple(moments),
        tuple(told),
        one.times(steps),
        tuple(assumed),
    )


def _next_tokens(params: Params, stage: str, model: ModelShape, on_gpu: bool) -> Plan:
    """`base`, `bootstrap` and `finetune`: their own texts, for as many steps as they say."""
    own = getattr(params, known_kind(stage))
    return _supervised(params, stage, model, on_gpu, own, own.max_tokens, own.steps)


def _cpt(params: Params, stage: str, model: ModelShape, on_gpu: bool) -> Plan:
    own = params.cpt
    one = work.supervised(model, own.batch, params.rlp.max_tokens)
    budget = _rlp_work(params, model).total * own.compute_ratio
    steps = max(1, round(budget / one.total))
    return _supervised(params, stage, model, on_gpu, own, params.rlp.max_tokens, steps)


def _rlp(params: Params, stage: str, model: ModelShape, on_gpu: bool) -> Plan:
    settings, runtime, most = params.rlp, params.runtime, params.thought.max_tokens
    precision, tokens = settings.precision, settings.max_tokens
    beside = not runtime.ema_device or (runtime.ema_device != "cpu") == on_gpu
    documents = settings.documents
    lead = lead_tokens(params, model)
    trunks = _with_lead(settings, lead)
    drawn = _drawn(params, trunks)
    tree, cost, thought = _tree(trunks, most)
    share = can_share(model.short(2, precision)) and runtime.attention != "flex"
    updates, told = memory.updating(
        model,
        precision,
        tree,
        documents=trunks.documents,
        budget=runtime.update_token_budget,
        cost=cost,
        each=thought,
        can_share=share,
        entropy=settings.entropy_weight > 0,
    )
    rows = max(1, runtime.update_token_budget // tokens)
    scored = settings.positions * settings.horizon
    if settings.position_selection == "surprising":
        scored = tokens - 1
    during = [
        memory.prefill(model, precision, drawn),
        memory.decoding(model, precision, drawn),
        memory.reading(model, precision, min(rows, documents), tokens, scored, "baseline"),
        *updates,
        *_reference(settings, model, tree, updates),
        *_audit(trunks, model, tree, precision),
        memory.optimizer_step(model, settings.optimizer.name, on_gpu),
    ]
    copies = memory.MASTER * model.trainable
    computing = BYTES[precision] * model.trainable
    looks_back = needs_start(settings) or settings.heldout.every > 0
    resident = memory.standing(model, precision) | {
        memory.EMA: copies if beside else 0,
        memory.START: computing if looks_back else 0,
    }
    if precision != "float32" and beside:  # the EMA is scored in the same arithmetic
        resident[memory.COPY] += computing
    before = []
    if runtime.verify != "off":
        before = [moment.beside(resident) for moment in _self_check(params, model, tree)]
    optimizer = memory.optimizer_state(model, settings.optimizer.name)
    stays = resident | {memory.OPTIMIZER: optimizer}
    kept = 0 if on_gpu else settings.health.stop + (settings.heldout.keep == "best")
    stays[memory.KEPT] = kept * copies
    if kept:
        during.append(Moment("a copy is kept", {memory.WORKSPACE: copies}))
    assumed = [
        f"every document is {tokens} tokens long and every thought {most}, no two alike; "
        "its places lie at its end",
    ]
    if lead:
        assumed.append(f"the prompt before each thought is {lead} tokens, by its length in letters")
    if not beside:
        assumed.append(f"the EMA lies on {runtime.ema_device}")
    if on_gpu and (settings.health.stop or settings.heldout.keep == "best"):
        assumed.append("what the watch keeps lies in the machine's memory, not in the GPU's")
    return Plan(
        stage,
        model,
        precision,
        (*before, *(moment.beside(stays) for moment in during)),
        (
            told,
            f"{drawn.rows} thoughts in flight, of {drawn.trunks} documents",
            f"{min(rows, documents)} documents a pass of the baseline",
        ),
        _rlp_work(params, model),
        tuple(assumed),
    )


def lead_tokens(params: Params, model: ModelShape) -> int:
    """The prompt before a thought, in tokens: one of a letter in a small vocabulary, else of three.

    A tokenizer would tell exactly; a plan has none, and rather counts too many.
    """
    words = prompts.words(params.thought.prompt).lead
    return math.ceil(len(words) / (1 if model.vocabulary < SMALL_VOCABULARY else 3))


def _with_lead(settings: RLPConfig, lead: int) -> RLPConfig:
    """With a prompt before thoughts every place is a text of its own, which ends with it."""
    if not lead:
        return settings
    return settings.model_copy(
        update={
            "documents": settings.documents * settings.positions,
            "positions": 1,
            "max_tokens": settings.max_tokens + lead,
        }
    )


def _drawn(params: Params, settings: RLPConfig) -> Decoding:
    """The thoughts that are in flight together; held-out documents are drawn at too."""
    documents = settings.documents
    if settings.heldout.every:
        documents = max(documents, settings.heldout.documents)
    trunks, places = memory.batch_of(
        params.runtime.decode_batch_size, settings.group_size, settings.positions, documents
    )
    room = params.thought.max_tokens + 2 + settings.horizon
    return Decoding(trunks, settings.max_tokens - 1, places, settings.group_size, room)


def _tree(settings: LearnerConfig, most: int) -> tuple[Tree, int, int]:
    """A document with its thoughts, its cost and that of a thought as the update counts them."""
    thoughts = settings.positions * settings.group_size
    learnt = settings.ntp_weight > 0
    fed = most + (settings.horizon + 1 if learnt else 0)
    scored = most + (settings.horizon if learnt else 0)
    trunk = settings.max_tokens - 1
    cost = trunk + thoughts * most
    return Tree(trunk, thoughts, fed, scored), cost, most + settings.horizon + 1


def _reference(
    settings: LearnerConfig, model: ModelShape, tree: Tree, updates: list[Moment]
) -> list[Moment]:
    """The frozen start reads the same thoughts for the KL, while the policy's pass waits."""
    if not settings.kl_weight:
        return []
    waiting = next(moment for moment in updates if moment.name == "update: head")
    one = passes.branched(model, settings.precision, 1, tree)
    lines = dict(waiting.lines) | {memory.LOGITS: one.most}
    return [Moment("reference", lines)]


def _audit(settings: LearnerConfig, model: ModelShape, tree: Tree, precision: str) -> list[Moment]:
    """Two long controls and an empty one at some places, while the gradients stand."""
    if not settings.audit.every:
        return []
    places = min(settings.audit.positions, settings.documents * settings.positions)
    documents = math.ceil(places / settings.positions)
    fed = tree.fed if settings.ntp_weight else tree.fed + settings.horizon + 1
    each = Tree(tree.trunk, 2 * min(places, settings.positions), fed, settings.horizon)
    found = passes.branched(model, precision, documents, each)
    gradients = {memory.GRADIENTS: memory.MASTER * model.trainable}
    return [Moment("audit", gradients | {memory.ACTIVATIONS: found.most})]


def _self_check(params: Params, model: ModelShape, tree: Tree) -> list[Moment]:
    """Both paths on two places, before there is an optimizer."""
    settings = params.rlp
    documents = math.ceil(CHECKED / settings.positions)
    places = min(CHECKED, settings.positions) * settings.group_size
    fed = params.thought.max_tokens + 1 + settings.horizon
    each = Tree(tree.trunk, places, fed, settings.horizon)
    found = passes.both_ways(model, settings.precision, documents, each)
    exact = 0 if settings.precision == "float32" else memory.MASTER * model.parameters
    return [Moment("self-check", {memory.ACTIVATIONS: found.most, memory.WORKSPACE: exact})]


def _rlp_work(params: Params, model: ModelShape) -> Work:
    settings, most = params.rlp, params.thought.max_tokens
    settings = _with_lead(settings, lead_tokens(params, model))
    documents, places = settings.documents, settings.documents * settings.positions
    middle = settings.max_tokens // 2  # the mean place; a document is read up to its last one
    tree, _, _ = _tree(settings, most)
    drawn = _drawn(params, settings)
    batches = documents / drawn.trunks
    at = Decoding(drawn.trunks, middle, drawn.prompts, drawn.each, drawn.room)
    step = work.drawing(model, settings.precision, at, most + settings.horizon).times(batches)
    one = work.updating(
        model, "update", middle, tree.branches, tree.fed, tree.scored, TRAINING
    ).times(documents)
    step = step.plus(one)
    if settings.kl_weight:
        step = step.plus(
            work.updating(
                model, "reference", middle, tree.branches, tree.fed, tree.scored, 1
            ).times(documents)
        )
    scored = places * settings.horizon // documents
    base = work.reading(model, "baseline", documents, middle + settings.horizon, scored)
    return step.plus(base.times(1 / settings.ema_every)).times(settings.steps)


def _evaluate(params: Params, stage: str, model: ModelShape, on_gpu: bool) -> Plan:  # noqa: ARG001
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
    return Plan(
        stage,
        model,
        precision,
        tuple(moment.beside(stays) for moment in found),
        (
            f"{think.rows} thoughts in flight, {answer.rows} answers",
            f"{some} texts a pass where they are scored",
        ),
        spent,
        (
            f"every prompt and text is {text} tokens long, every thought {most}",
            "published bias sets are not counted, the generated one is",
        ),
    )


def _answers(settings: Evaluate) -> Mapping[str, int]:
    """How many thoughts, answers and choices are drawn and weighed."""
    places = settings.heldout_documents * settings.heldout_positions * settings.samples
    bias = settings.bias.template_items * settings.bias.thoughts
    asked = settings.problems * (settings.samples + 1)
    return {
        "thoughts": asked + places + bias,
        "answers": 2 * asked,
        "weighed": places + 2 * bias + 2 * settings.bias.template_items,
    }


def _flight(rows: int, trunk: int, copies: int, count: int, room: int) -> Decoding:
    """Rows in flight where every context is a trunk of its own."""
    contexts = min(max(1, rows // copies), max(1, count // copies))
    return Decoding(contexts, trunk, contexts, copies, room)


PLANNED: Mapping[str, Callable[[Params, str, ModelShape, bool], Plan]] = {
    "base": _next_tokens,
    "bootstrap": _next_tokens,
    "rlp": _rlp,
    "cpt": _cpt,
    "finetune": _next_tokens,
    "evaluate": _evaluate,
}
"""The stages that hold a model."""

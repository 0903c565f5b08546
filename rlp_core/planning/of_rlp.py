"""The plan of stage `rlp`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rlp_core.planning import memory, passes, work
from rlp_core.planning.memory import Decoding, Moment
from rlp_core.planning.passes import Tree
from rlp_core.planning.prompted import lead_tokens
from rlp_core.planning.shapes import BYTES, ModelShape
from rlp_core.planning.stage import Plan
from rlp_core.rollout.shared_trunks import can_share
from rlp_core.training.learner import needs_start
from rlp_core.training.ledger import TRAINING

if TYPE_CHECKING:
    from rlp_core.config import RLPConfig
    from rlp_core.params import Params
    from rlp_core.planning.work import Work
    from rlp_core.training.config import LearnerConfig

CHECKED = 2
"""Places that the self-check looks at."""


def rlp(params: Params, stage: str, model: ModelShape, on_gpu: bool) -> Plan:
    """Thoughts drawn, rewarded and learnt from, beside the EMA that does not think."""
    settings, runtime = params.rlp, params.runtime
    precision = settings.precision
    lead = lead_tokens(params, model)
    trunks = _with_lead(settings, lead)
    drawn, tree = _drawn(params, trunks), _tree(trunks, params.thought.max_tokens)
    updates, told = _updates(params, model, trunks, tree)
    resident = _resident(params, model, on_gpu)
    before = []
    if runtime.verify != "off":
        before = [moment.beside(resident) for moment in _self_check(params, model, tree)]
    kept = 0 if on_gpu else settings.health.stop + (settings.heldout.keep == "best")
    stays = resident | {
        memory.OPTIMIZER: memory.optimizer_state(model, settings.optimizer.name),
        memory.KEPT: kept * memory.MASTER * model.trainable,
    }
    at_once = min(max(1, runtime.update_token_budget // settings.max_tokens), settings.documents)
    during = [
        memory.prefill(model, precision, drawn),
        memory.decoding(model, precision, drawn),
        _baseline(settings, model, at_once),
        *updates,
        *_reference(settings, model, tree, updates),
        *_audit(trunks, model, tree, precision),
        memory.optimizer_step(model, settings.optimizer.name, on_gpu),
    ]
    if kept:
        copied = {memory.WORKSPACE: memory.MASTER * model.trainable}
        during.append(Moment("a copy is kept", copied))
    return Plan(
        stage,
        model,
        precision,
        (*before, *(moment.beside(stays) for moment in during)),
        (
            told,
            f"{drawn.rows} thoughts in flight, of {drawn.trunks} documents",
            f"{at_once} documents a pass of the baseline",
        ),
        rlp_work(params, model),
        tuple(_assumed(params, lead, on_gpu)),
    )


def _updates(
    params: Params, model: ModelShape, trunks: LearnerConfig, tree: Tree
) -> tuple[list[Moment], str]:
    """The moments of an update, and how it is cut, in words; costs as the update counts them."""
    settings, runtime, most = params.rlp, params.runtime, params.thought.max_tokens
    share = can_share(model.short(2, settings.precision)) and runtime.attention != "flex"
    return memory.updating(
        model,
        settings.precision,
        tree,
        documents=trunks.documents,
        budget=runtime.update_token_budget,
        cost=tree.trunk + tree.branches * most,
        each=most + settings.horizon + 1,
        can_share=share,
        entropy=settings.entropy_weight > 0,
    )


def _baseline(settings: RLPConfig, model: ModelShape, documents: int) -> Moment:
    """The EMA reads some documents; at the surprising places every token is scored."""
    scored = settings.positions * settings.horizon
    if settings.position_selection == "surprising":
        scored = settings.max_tokens - 1
    return memory.reading(
        model, settings.precision, documents, settings.max_tokens, scored, "baseline"
    )


def _beside(params: Params, on_gpu: bool) -> bool:
    """Whether the EMA lies where the policy does."""
    where = params.runtime.ema_device
    return not where or (where != "cpu") == on_gpu


def _resident(params: Params, model: ModelShape, on_gpu: bool) -> dict[str, int]:
    """The models that are there from beginning to end."""
    settings, beside = params.rlp, _beside(params, on_gpu)
    computing = BYTES[settings.precision] * model.trainable
    looks_back = needs_start(settings) or settings.heldout.every > 0
    resident = memory.standing(model, settings.precision) | {
        memory.EMA: memory.MASTER * model.trainable if beside else 0,
        memory.START: computing if looks_back else 0,
    }
    if settings.precision != "float32" and beside:  # the EMA is scored in the same arithmetic
        resident[memory.COPY] += computing
    return resident


def _assumed(params: Params, lead: int, on_gpu: bool) -> Iterator[str]:
    """What the figures rest on, in words."""
    settings = params.rlp
    yield (
        f"every document is {settings.max_tokens} tokens long and every thought "
        f"{params.thought.max_tokens}, no two alike; its places lie at its end"
    )
    if lead:
        yield f"the prompt before each thought is {lead} tokens, by its length in letters"
    if not _beside(params, on_gpu):
        yield f"the EMA lies on {params.runtime.ema_device}"
    if on_gpu and (settings.health.stop or settings.heldout.keep == "best"):
        yield "what the watch keeps lies in the machine's memory, not in the GPU's"


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


def _tree(settings: LearnerConfig, most: int) -> Tree:
    """A document with its thoughts."""
    learnt = settings.ntp_weight > 0
    fed = most + (settings.horizon + 1 if learnt else 0)
    scored = most + (settings.horizon if learnt else 0)
    thoughts = settings.positions * settings.group_size
    return Tree(settings.max_tokens - 1, thoughts, fed, scored)


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


def rlp_work(params: Params, model: ModelShape) -> Work:
    """The work of the whole stage."""
    settings, most = params.rlp, params.thought.max_tokens
    settings = _with_lead(settings, lead_tokens(params, model))
    documents, places = settings.documents, settings.documents * settings.positions
    middle = settings.max_tokens // 2  # the mean place; a document is read up to its last one
    tree = _tree(settings, most)
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

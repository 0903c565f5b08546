"""What lies in memory at each moment of a stage, line by line.

Every text is taken to be as long as the settings allow and every thought to be L tokens long and
unlike the others, so that the figures are those of the largest step that can come.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from rlp_core.planning import passes
from rlp_core.planning.dry_run import EMBEDDING, FORWARD, HEAD, LAYERS, Footprint
from rlp_core.planning.passes import Tree
from rlp_core.planning.shapes import BYTES, ModelShape
from rlp_core.policy.logits import CELLS

WEIGHTS, COPY, EMA, START = "weights", "compute copy", "EMA", "frozen start"
OPTIMIZER, GRADIENTS, KEPT = "optimizer state", "gradients", "copies kept by the watch"
SAVED = "checkpoint being written"
ACTIVATIONS, LOGITS, WORKSPACE = "activations", "logits and head", "working space"
TRUNKS, CACHE = "trunk keys and values", "decoding cache"

LINES = (
    *(WEIGHTS, COPY, EMA, START, OPTIMIZER, KEPT, SAVED),
    *(GRADIENTS, ACTIVATIONS, LOGITS, TRUNKS, CACHE, WORKSPACE),
)
"""In the order of the table: what stays, then what comes and goes."""

MASTER = 4
"""Bytes of a number in fp32: parameters, gradients, moments, EMA."""


@dataclass(frozen=True)
class Moment:
    """What lies in memory together at one time.

    Attributes:
        name: what the stage does then.
        lines: bytes by line; a line that is missing is none.
    """

    name: str
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.lines.values())

    def beside(self, resident: Mapping[str, int]) -> Moment:
        """The same with what stays in memory."""
        names = dict.fromkeys((*resident, *self.lines))
        return Moment(self.name, {n: resident.get(n, 0) + self.lines.get(n, 0) for n in names})


@dataclass(frozen=True)
class Decoding:
    """Thoughts or answers in flight.

    Attributes:
        trunks: documents whose keys and values are kept.
        trunk: tokens of each.
        prompts: places in them.
        each: rows drawn at each place.
        room: tokens that a row may have.
    """

    trunks: int
    trunk: int
    prompts: int
    each: int
    room: int

    @property
    def rows(self) -> int:
        return self.prompts * self.each


def standing(shape: ModelShape, precision: str) -> dict[str, int]:
    """The parameters, and the copy of them that computes."""
    copy = 0 if precision == "float32" else BYTES[precision] * shape.parameters
    return {WEIGHTS: MASTER * shape.parameters, COPY: copy}


def saved(shape: ModelShape, optimizer: str, copies: int) -> int:
    """A state on its way to the disk: what is trained, so many times, and the optimizer's.

    It is a copy in the machine's memory, made for each checkpoint and let go when that is written.
    """
    return copies * MASTER * shape.trainable + optimizer_state(shape, optimizer)


def optimizer_state(shape: ModelShape, optimizer: str) -> int:
    """AdamW keeps two numbers of each parameter, Muon one."""
    by_muon = shape.matrices if optimizer == "muon" else 0
    return MASTER * (2 * (shape.trainable - by_muon) + by_muon)


def optimizer_step(shape: ModelShape, optimizer: str, on_gpu: bool) -> Moment:
    """Gradients and what the optimizer works with beside its state.

    AdamW goes through the parameters one by one on a CPU, through all at once on a GPU; Muon's
    rounds have five matrices at hand.
    """
    work = MASTER * (shape.trainable if on_gpu else 2 * shape.largest)
    if optimizer == "muon":
        work = max(work if on_gpu else 2 * MASTER * shape.table, 5 * MASTER * shape.largest)
    return Moment("optimizer step", {GRADIENTS: MASTER * shape.trainable, WORKSPACE: work})


def prefill(shape: ModelShape, precision: str, drawn: Decoding) -> Moment:
    """Documents are read before anything is drawn."""
    if not drawn.trunk:
        return Moment("prefill")
    found = passes.prefill(shape, precision, drawn.trunks, drawn.trunk)
    kept = drawn.trunks * drawn.trunk * shape.keys * shape.layers * BYTES[precision]
    return Moment("prefill", {TRUNKS: kept, ACTIVATIONS: max(0, found.most - kept)})


def decoding(shape: ModelShape, precision: str, drawn: Decoding) -> Moment:
    """Tokens are drawn, by formula: what is at hand beside the cache is small.

    Rows are moved layer by layer when some of them end; scores are made in fp32; probabilities are
    added up in float64.
    """
    size, rows, seen = BYTES[precision], drawn.rows, drawn.trunk + drawn.room
    token = shape.keys * size
    moved = rows * drawn.room * token // 2
    scores = rows * shape.heads * (size * drawn.trunk + (4 + 4 + size) * seen)
    through = passes.prefill(shape, precision, 1, rows)
    return Moment(
        "decode",
        {
            TRUNKS: drawn.trunks * drawn.trunk * token * shape.layers,
            CACHE: rows * drawn.room * token * shape.layers,
            ACTIVATIONS: max(moved, through.most + scores),
            LOGITS: _sampled(shape, drawn),
        },
    )


def _sampled(shape: ModelShape, drawn: Decoding) -> int:
    """Logits in fp32, probabilities and their sums in float64.

    Where a few thoughts still share a row, each of them is given its sums: hardly fewer rows, and
    one table more.
    """
    at_once = max(1, CELLS // shape.vocabulary)
    later = (28 if drawn.each > 1 else 20) * min(drawn.rows, at_once)
    first = (12 + 8 * drawn.each) * min(drawn.prompts, at_once)
    scored = 12 * min(drawn.rows, at_once)
    return shape.vocabulary * max(later, first, scored)


def reading(
    shape: ModelShape, precision: str, rows: int, tokens: int, scored: int, name: str
) -> Moment:
    """Text is read without gradient."""
    found = passes.reading(shape, precision, rows, tokens, max(1, min(scored, tokens - 1)))
    forward = max(found.peak[FORWARD], found.kept)
    return Moment(name, {ACTIVATIONS: forward, LOGITS: max(0, found.most - forward)})


def training(
    shape: ModelShape, precision: str, found: Footprint, several: bool, trunks: int = 0
) -> list[Moment]:
    """The moments of passes forward and backward.

    In fp32 the first pass of a step makes the gradients while its activations go; a copy that
    computes makes its own in every pass, and they are added to the masters' after it.

    Args:
        shape: the model.
        precision: what computes.
        found: the pass, run dry.
        several: whether a step has more than one, so that gradients stand when another begins.
        trunks: bytes of trunk keys and values among the activations.
    """
    masters, copies = MASTER * shape.trainable, precision != "float32"
    own = BYTES[precision] * shape.trainable if copies else masters
    table = BYTES[precision] * shape.table * shape.table_trained
    stand = masters if several else 0
    grown = stand + (own if copies or not several else 0)
    peak = found.peak

    def moment(name: str, gradients: int, activations: int, logits: int = 0) -> Moment:
        held = min(trunks, activations)
        return Moment(
            f"update: {name}",
            {GRADIENTS: gradients, ACTIVATIONS: activations - held, LOGITS: logits, TRUNKS: held},
        )

    # a tied table's gradient is among the activations until the embedding has given its share;
    # that of a head of its own is whole as soon as the head is done
    counted = table if shape.tied and grown > stand else 0
    early = table if not shape.tied and grown > stand else 0
    moments = [
        moment("head", stand, found.kept, max(0, peak[HEAD] - found.kept)),
        moment("layers", stand + early, max(peak[LAYERS], peak[FORWARD])),
        moment("first layer", grown - counted, found.last),
        moment("embedding", grown - counted, peak[EMBEDDING]),
    ]
    if copies:
        both = masters + (own if several else 0)
        moments.append(moment("masters' gradients", both, min(found.kept, peak[EMBEDDING])))
    return moments


def supervised(
    shape: ModelShape,
    precision: str,
    optimizer: str,
    rows: int,
    tokens: int,
    *,
    several: bool,
    recompute: bool,
    on_gpu: bool,
) -> list[Moment]:
    """The loops of `base`, `bootstrap`, `cpt` and `finetune`."""
    found = passes.supervised(shape, precision, rows, tokens, recompute)
    resident = standing(shape, precision) | {OPTIMIZER: optimizer_state(shape, optimizer)}
    moments = [
        *training(shape, precision, found, several),
        optimizer_step(shape, optimizer, on_gpu),
    ]
    return [moment.beside(resident) for moment in moments]


def batch_of(rows: int, each: int, positions: int, documents: int) -> tuple[int, int]:
    """Documents and places that are drawn at together: documents stay whole.

    Args:
        rows: thoughts in flight at once.
        each: G.
        positions: K.
        documents: there are.
    """
    trunks = max(0, rows // each - 1) // positions + 1
    trunks = min(trunks, documents)
    return trunks, trunks * positions


def updating(
    shape: ModelShape,
    precision: str,
    tree: Tree,
    *,
    documents: int,
    budget: int,
    cost: int,
    each: int,
    can_share: bool,
    entropy: bool,
) -> tuple[list[Moment], str]:
    """The update of RLP, and how it is cut.

    Args:
        shape: the model.
        precision: what computes.
        tree: a document with its thoughts.
        documents: of a step.
        budget: tokens through the network at once.
        cost: tokens of a document as the budget counts them.
        each: tokens of a thought as the budget counts them.
        can_share: whether a document may be read apart from its thoughts.
        entropy: whether the loss holds the entropy of each token.
    """
    if cost <= budget or not can_share:
        rows = min(documents, max(1, budget // cost))
        found = passes.whole_update(shape, precision, rows, tree, entropy)
        moments = training(shape, precision, found, several=rows < documents)
        return moments, f"{rows} of {documents} documents a pass, each with its thoughts"
    at_once = min(tree.branches, max(1, budget // each))
    found = passes.parted_update(shape, precision, at_once, tree, entropy)
    numbers = tree.trunk * shape.keys * shape.layers
    copies = 1 if precision == "float32" else 2
    moments = training(shape, precision, found, several=True, trunks=MASTER * copies * numbers)
    count = math.ceil(tree.branches / at_once)
    told = f"a document is read once, its {tree.branches} thoughts {at_once} at a time: {count} "
    return moments, f"{told}passes"

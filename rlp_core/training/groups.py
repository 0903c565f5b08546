"""What a step of RLP draws: places, thoughts, and what each thought is worth there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from rlp_core.rollout import engine
from rlp_core.rollout.branches import Branch
from rlp_core.rollout.rng import uniform
from rlp_core.rollout.sampling import Completions, Prompt, SamplingParams
from rlp_core.rollout.scoring import score
from rlp_core.training.positions import TokenizedDocument

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.training.ledger import Ledger


@dataclass(frozen=True)
class ThinkPosition:
    """One position of one text, and the tokens whose gain is rewarded there."""

    document: TokenizedDocument
    index: int
    targets: range

    @property
    def context(self) -> list[int]:
        return self.document.tokens[: self.index]

    @property
    def following(self) -> list[int]:
        """The tokens that really follow."""
        return [self.document.tokens[t] for t in self.targets]


@dataclass
class RolloutGroup:
    """The G thoughts of one place.

    Attributes:
        place: where.
        step: when they were drawn.
        tokens: of each thought, a drawn closing delimiter included.
        stopped: whether it closed itself; else the delimiter is fed to it by force.
        logprobs: of each token when it was drawn, in nats.
        predicted: S_pred of each thought, in nats.
        baseline: S_ema of the place, in nats; None at a step without scores of the baseline.
        advantages: of each thought; empty with estimator `gae`, whose are of each token.
    """

    position: ThinkPosition
    step: int
    tokens: list[list[int]]
    stopped: list[bool]
    logprobs: list[list[float]]
    predicted: list[float]
    baseline: float | None = None
    advantages: list[float] = field(default_factory=list)

    @property
    def rewards(self) -> list[float]:
        """Equation 4; without a baseline S_pred itself, which the same thoughts are ordered by."""
        return [value - (self.baseline or 0.0) for value in self.predicted]


@dataclass(frozen=True)
class Delimiters:
    """The tokens that open and close a thought."""

    open: int
    close: int


def sample_groups(
    model: PreTrainedModel,
    positions: Sequence[ThinkPosition],
    marks: Delimiters,
    params: SamplingParams,
    discount: float,
    seed: int,
    step: int,
    rows: int,
    ledger: Ledger,
) -> list[RolloutGroup]:
    """Draw G thoughts at every place, and score what follows it after each of them.

    A thought depends on (seed, step, document, position, rollout, token) and on the model alone.
    """
    trunks, index = trunks_of(positions)
    prompts = [
        Prompt(i, position.index, marks.open, tuple(position.following))
        for i, position in zip(index, positions, strict=True)
    ]
    group = params.n
    document_ids = np.repeat([p.document.number for p in positions], group)
    indices = np.repeat([p.index for p in positions], group)
    rollout = np.tile(np.arange(group), len(positions))
    drawn = engine.generate(
        model,
        trunks,
        prompts,
        params,
        lambda token, asked: uniform(
            seed, step, document_ids[asked], indices[asked], rollout[asked], token
        ),
        rows,
    )
    _count(ledger, trunks, positions, drawn, group)
    ledger.bytes_read = drawn.bytes_read
    groups = []
    for i, position in enumerate(positions):
        own = slice(i * group, (i + 1) * group)
        predicted = [discounted(values, discount) for values in drawn.predicted[own]]
        groups.append(
            RolloutGroup(
                position,
                step,
                drawn.tokens[own],
                drawn.stopped[own],
                drawn.logprobs[own],
                predicted,
            )
        )
    return groups


def _count(
    ledger: Ledger,
    trunks: Sequence[Sequence[int]],
    positions: Sequence[ThinkPosition],
    drawn: Completions,
    group: int,
) -> None:
    """Trunks are read once, what thoughts have in common at their beginning once too."""
    ledger.rows("prefill", map(len, trunks), 0)
    for phase, (tokens, pairs, scored) in drawn.spent.items():
        ledger.fed(phase, tokens, pairs, scored)
    for i, thought in enumerate(drawn.tokens):
        position = positions[i // group]
        ledger.usual_recipe(position.index, len(thought), len(position.targets))


def trunks_of(positions: Sequence[ThinkPosition]) -> tuple[list[list[int]], list[int]]:
    """Each text once, cut after its last place; and which of them each place belongs to."""
    ends: dict[int, int] = {}
    documents: dict[int, TokenizedDocument] = {}
    for position in positions:
        key = id(position.document)
        documents[key] = position.document
        ends[key] = max(ends.get(key, 0), position.index)
    order = {key: i for i, key in enumerate(documents)}
    trunks = [documents[key].tokens[: ends[key]] for key in documents]
    return trunks, [order[id(position.document)] for position in positions]


def score_positions(
    model: PreTrainedModel,
    positions: Sequence[ThinkPosition],
    discount: float,
    micro_batch: int,
    ledger: Ledger,
    phase: str,
) -> list[float]:
    """S without thinking, per place: every document is read once, whatever its places."""
    targets: dict[int, list[int]] = {}
    rows: dict[int, list[int]] = {}
    for position in positions:
        key = id(position.document)
        end = max(len(rows.get(key, [])), position.targets[-1] + 1)
        rows[key] = position.document.tokens[:end]
        targets.setdefault(key, []).extend(position.targets)
    flat = score(model, list(rows.values()), [targets[key] for key in rows], micro_batch)
    queue = {key: iter(values) for key, values in zip(rows, flat, strict=True)}
    ledger.rows(phase, map(len, rows.values()), sum(map(len, targets.values())))
    return [discounted(islice(queue[id(p.document)], len(p.targets)), discount) for p in positions]


def discounted(logprobs: Iterable[float], discount: float) -> float:
    """S over a horizon: the h-th further target weighs discount to the power h."""
    return sum(discount**h * value for h, value in enumerate(logprobs))


def count_tree(
    ledger: Ledger,
    phase: str,
    trunks: Sequence[Sequence[int]],
    branches: Sequence[Branch],
    scored: int,
    passes: int = 1,
) -> None:
    """Book a pass over trunks and branches; `passes` as in `Ledger.branches`."""
    ledger.rows(phase, map(len, trunks), 0, passes)
    ledger.branches(
        phase, (b.position for b in branches), (len(b.tokens) for b in branches), scored, passes
    )


def branches_of(
    groups: Sequence[RolloutGroup], marks: Delimiters, reasoned: bool
) -> tuple[list[Branch], list[int]]:
    """The thoughts as branches of `trunks_of`'s documents; equal thoughts of a place are one.

    What equal thoughts have to say to the gradient is the sum of their advantages, so reading
    them once is exact. A policy that has made up its mind draws many equal ones.

    Args:
        groups: those of one text stand together.
        marks: the delimiters.
        reasoned: feed the close and the targets too, so that the text after a thought can be
            learnt; else only what predicts the thought's own tokens.

    Returns:
        The branches, and for each thought in order the branch that reads it.
    """
    _, index = trunks_of([group.position for group in groups])
    branches: list[Branch] = []
    read_by: list[int] = []
    for trunk, group in zip(index, groups, strict=True):
        known: dict[tuple[int, ...], int] = {}
        for tokens, stopped in zip(group.tokens, group.stopped, strict=True):
            key = tuple(tokens)
            if key not in known:
                known[key] = len(branches)
                fed = [marks.open, *tokens]
                if reasoned:
                    fed += [] if stopped else [marks.close]
                    fed += group.position.following
                branches.append(Branch(trunk, group.position.index, fed[:-1]))
            read_by.append(known[key])
    return branches, read_by

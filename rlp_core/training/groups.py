"""What a step of RLP draws: places, thoughts, and what each thought is worth there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

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
    """The G thoughts of one position.

    Attributes:
        position: where.
        step: when they were drawn.
        tokens: of each thought, a drawn closing delimiter included.
        stopped: whether it closed itself; else the delimiter is fed to it by force.
        logprobs: of each token when it was drawn, in nats.
        predicted: S_pred of each thought, in nats.
        baseline: S_ema of the position, in nats; None at a step without scores of the baseline.
        terms: what each reward term says of each thought, by name.
        shaping: what they add to each reward, in nats; empty where there are none.
        advantages: of each thought; empty with estimator `gae`, whose are of each token.
    """

    position: ThinkPosition
    step: int
    tokens: list[list[int]]
    stopped: list[bool]
    logprobs: list[list[float]]
    predicted: list[float]
    baseline: float | None = None
    terms: dict[str, list[float]] = field(default_factory=dict)
    shaping: list[float] = field(default_factory=list)
    advantages: list[float] = field(default_factory=list)

    @property
    def gains(self) -> list[float]:
        """Equation 4; without a baseline S_pred itself, which the same thoughts are ordered by."""
        return [value - (self.baseline or 0.0) for value in self.predicted]

    @property
    def rewards(self) -> list[float]:
        """What each thought earns: its information gain, and what reward terms add to it."""
        return self._shaped(self.gains)

    @property
    def compared(self) -> list[float]:
        """The rewards without the baseline: equal to them up to a constant of the position.

        Where a baseline only measures, not even its rounding reaches the gradient.
        """
        return self._shaped(self.predicted)

    def learnt(self, index: int) -> range | list[int]:
        """Which tokens of a thought were drawn, by their index: what the loss is over."""
        return range(len(self.tokens[index]))

    def equal_thoughts(self) -> list[list[int]]:
        """The thoughts by their index, equal ones together, in order of their first."""
        found: dict[tuple[int, ...], list[int]] = {}
        for index, tokens in enumerate(self.tokens):
            found.setdefault(tuple(tokens), []).append(index)
        return list(found.values())

    def part(self, chosen: Sequence[int]) -> RolloutGroup:
        """Some of the thoughts, with all that is known of them."""

        def of(values: list[Any]) -> list[Any]:
            return [values[i] for i in chosen] if values else []

        return replace(
            self,
            tokens=of(self.tokens),
            stopped=of(self.stopped),
            logprobs=of(self.logprobs),
            predicted=of(self.predicted),
            terms={name: of(values) for name, values in self.terms.items()},
            shaping=of(self.shaping),
            advantages=of(self.advantages),
        )

    def _shaped(self, values: list[float]) -> list[float]:
        if not self.shaping:
            return values
        return [value + more for value, more in zip(values, self.shaping, strict=True)]


@dataclass(frozen=True)
class Delimiters:
    """What stands around a thought.

    Attributes:
        open: the token that opens it.
        close: the token that closes it.
        lead: the prompt before `open`, where there is one.
    """

    open: int
    close: int
    lead: tuple[int, ...] = ()


@dataclass(frozen=True)
class RolloutWorker:
    """Samples thoughts at the positions of a run and scores the text there.

    Attributes:
        marks: what stands around a thought.
        discount: weight of each further target.
        seed: the run's.
        decode_batch_size: thoughts in flight at once.
        score_batch_size: documents through the network at once where they are scored.
        ledger: takes the cost.
    """

    marks: Delimiters
    discount: float
    seed: int
    decode_batch_size: int
    score_batch_size: int
    ledger: Ledger

    def sample(
        self,
        model: PreTrainedModel,
        positions: Sequence[ThinkPosition],
        params: SamplingParams,
        step: int,
    ) -> list[RolloutGroup]:
        """Draw `params.n` thoughts at every position, and score what follows after each of them.

        A thought depends on (seed, step, document, position, rollout, token) and on the model
        alone.
        """
        lead = self.marks.lead
        trunks, index = trunks_of(positions, lead)
        prompts = [
            Prompt(i, position.index + len(lead), self.marks.open, tuple(position.following))
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
                self.seed, step, document_ids[asked], indices[asked], rollout[asked], token
            ),
            self.decode_batch_size,
        )
        _count(self.ledger, trunks, prompts, drawn)
        self.ledger.bytes_read = drawn.bytes_read
        groups = []
        for i, position in enumerate(positions):
            own = slice(i * group, (i + 1) * group)
            predicted = [discounted(values, self.discount) for values in drawn.predicted[own]]
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

    def score(
        self, model: PreTrainedModel, positions: Sequence[ThinkPosition], phase: str
    ) -> list[float]:
        """S without thinking, per position: every document is read once, whatever its positions.

        Args:
            model: scores.
            positions: where.
            phase: the name that the cost is booked under.
        """
        targets: dict[int, list[int]] = {}
        rows: dict[int, list[int]] = {}
        for position in positions:
            key = id(position.document)
            end = max(len(rows.get(key, [])), position.targets[-1] + 1)
            rows[key] = position.document.tokens[:end]
            targets.setdefault(key, []).extend(position.targets)
        flat = score(
            model, list(rows.values()), [targets[key] for key in rows], self.score_batch_size
        )
        queue = {key: iter(values) for key, values in zip(rows, flat, strict=True)}
        self.ledger.rows(phase, map(len, rows.values()), sum(map(len, targets.values())))
        return [
            discounted(islice(queue[id(p.document)], len(p.targets)), self.discount)
            for p in positions
        ]


def _count(
    ledger: Ledger,
    trunks: Sequence[Sequence[int]],
    prompts: Sequence[Prompt],
    drawn: Completions,
) -> None:
    """Trunks are read once, what thoughts have in common at their beginning once too."""
    ledger.rows("prefill", map(len, trunks), 0)
    for phase, (tokens, pairs, scored) in drawn.spent.items():
        ledger.fed(phase, tokens, pairs, scored)
    group = len(drawn.tokens) // len(prompts)
    for i, thought in enumerate(drawn.tokens):
        prompt = prompts[i // group]
        ledger.usual_recipe(prompt.position, len(thought), len(prompt.targets))


def trunks_of(
    positions: Sequence[ThinkPosition], lead: tuple[int, ...] = ()
) -> tuple[list[list[int]], list[int]]:
    """Each text once, cut after its last place; and which of them each place belongs to.

    With a prompt before the thoughts, `lead`, it is each place of each text instead, the text up to
    there and the prompt: all thoughts of a place share it.
    """
    if lead:
        return _prompted(positions, lead)
    ends: dict[int, int] = {}
    documents: dict[int, TokenizedDocument] = {}
    for position in positions:
        key = id(position.document)
        documents[key] = position.document
        ends[key] = max(ends.get(key, 0), position.index)
    order = {key: i for i, key in enumerate(documents)}
    trunks = [documents[key].tokens[: ends[key]] for key in documents]
    return trunks, [order[id(position.document)] for position in positions]


def _prompted(
    positions: Sequence[ThinkPosition], lead: tuple[int, ...]
) -> tuple[list[list[int]], list[int]]:
    known: dict[tuple[int, int], int] = {}
    trunks: list[list[int]] = []
    index = []
    for position in positions:
        key = (id(position.document), position.index)
        if key not in known:
            known[key] = len(trunks)
            trunks.append([*position.context, *lead])
        index.append(known[key])
    return trunks, index


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
        marks: what stands around a thought.
        reasoned: feed the close and the targets too, so that the text after a thought can be
            learnt; else only what predicts the thought's own tokens.

    Returns:
        The branches, and for each thought in order the branch that reads it.
    """
    _, index = trunks_of([group.position for group in groups], marks.lead)
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
                place = group.position.index + len(marks.lead)
                branches.append(Branch(trunk, place, fed[:-1]))
            read_by.append(known[key])
    return branches, read_by

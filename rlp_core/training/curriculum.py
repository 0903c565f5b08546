"""Which documents a step of RLP reads, where it goes by what thinking still teaches.

A *level* is a source and a difficulty: the steps of the world's expert. Of each level it is known
how often a thought helped, lately. Where all thoughts help, or none does, a group of thoughts has
little to compare; most where half of them do. A level is drawn in proportion to its documents and,
as far as `strength` says, to the variance p (1 - p) of a thought's success (Foster et al. 2025,
arXiv 2502.12272, call it learnability). Levels grow harder as success on the easy ones does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from statistics import fmean
from typing import Any

from rlp_core.rollout.rng import generator
from rlp_core.training.checkpoint import State
from rlp_core.training.config import CurriculumConfig
from rlp_core.training.groups import RolloutGroup
from rlp_core.training.positions import TokenizedDocument

STREAM = 13
"""Keeps these draws apart from those of other stages of the same seed."""

UNKNOWN = 0.5
"""Success of a level that was not drawn yet: the most there is to learn."""


class Curriculum:
    """The levels of a corpus, and how well thinking goes at each."""

    def __init__(
        self, documents: Sequence[TokenizedDocument], settings: CurriculumConfig, seed: int
    ) -> None:
        """Sort documents into levels; those that were given as tokens alone are one level."""
        self.settings, self.seed = settings, seed
        found: dict[tuple[str, int], list[int]] = {}
        for index, document in enumerate(documents):
            found.setdefault(level_of(document), []).append(index)
        self.levels = sorted(found)
        self._members = [found[level] for level in self.levels]
        self.success = [UNKNOWN] * len(self.levels)
        self._drawn = [0] * len(self.levels)

    @property
    def weights(self) -> list[float]:
        """The share of draws that each level gets; they sum to 1."""
        strength = self.settings.strength
        by_count = [float(len(members)) for members in self._members]
        learnable = [n * p * (1 - p) for n, p in zip(by_count, self.success, strict=True)]
        usual, total = sum(by_count), sum(learnable)
        if total == 0:  # all is learnt, or nothing is: nothing to choose by
            return [n / usual for n in by_count]
        return [
            (1 - strength) * n / usual + strength * v / total
            for n, v in zip(by_count, learnable, strict=True)
        ]

    def indices(self, count: int, step: int) -> list[int]:
        """The documents of a step, ascending; a pure function of state and step.

        Draws are systematic: a level with weight w is drawn w * count times, but for rounding, and
        its documents come in shuffled epochs of its own.
        """
        edges = list(accumulate(self.weights))
        start = float(generator(self.seed, STREAM, step).random())
        drawn, chosen = list(self._drawn), []
        for slot in range(count):
            at = bisect_right(edges, (slot + start) / count * edges[-1])
            level = min(at, len(edges) - 1)
            chosen.append(self._document(level, drawn[level]))
            drawn[level] += 1
        return sorted(chosen)

    def learn(self, indices: Sequence[int], groups: Sequence[RolloutGroup]) -> None:
        """Take up how the thoughts of a step went.

        Args:
            indices: what the step read.
            groups: its thoughts, scored.
        """
        place = {index: n for n, members in enumerate(self._members) for index in members}
        for index in indices:
            self._drawn[place[index]] += 1
        helped: dict[int, list[float]] = {}
        order = {level: n for n, level in enumerate(self.levels)}
        for group in groups:
            if group.baseline is not None:  # else the step does not know what a thought was worth
                share = fmean(gain > 0 for gain in group.gains)
                helped.setdefault(order[level_of(group.position.document)], []).append(share)
        memory = self.settings.memory
        for level, shares in helped.items():
            self.success[level] = memory * self.success[level] + (1 - memory) * fmean(shares)

    def metrics(self, documents: Sequence[TokenizedDocument]) -> dict[str, float]:
        """What a step's documents were, and how each source goes, for the log.

        `difficulty` is the mean of what was drawn; `share_SOURCE` of the draws to come;
        `success_SOURCE` the mean over a source's levels by their documents.
        """
        made = {"difficulty": fmean(level_of(document)[1] for document in documents)}
        weights = self.weights
        for source in sorted({source for source, _ in self.levels}):
            own = [n for n, (name, _) in enumerate(self.levels) if name == source]
            counts = [len(self._members[n]) for n in own]
            total = sum(c * self.success[n] for c, n in zip(counts, own, strict=True))
            made[f"share_{source}"] = sum(weights[n] for n in own)
            made[f"success_{source}"] = total / sum(counts)
        return made

    def state(self) -> State:
        """All that the next draw depends on."""
        names = [f"{source}/{difficulty}" for source, difficulty in self.levels]
        return State(
            values={
                "success": dict(zip(names, self.success, strict=True)),
                "drawn": dict(zip(names, self._drawn, strict=True)),
            }
        )

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        success, drawn = _numbers(state, "success"), _numbers(state, "drawn")
        names = [f"{source}/{difficulty}" for source, difficulty in self.levels]
        self.success = [success[name] for name in names]
        self._drawn = [drawn[name] for name in names]

    def _document(self, level: int, place: int) -> int:
        members = self._members[level]
        epoch, offset = divmod(place, len(members))
        order = generator(self.seed, STREAM, level, epoch).permutation(len(members))
        return members[int(order[offset])]


def _numbers(state: State, name: str) -> dict[str, Any]:
    """Numbers by level: success is a share, what was drawn a count."""
    found = state.values[name]
    assert isinstance(found, dict)
    return dict(found)


def level_of(document: TokenizedDocument) -> tuple[str, int]:
    """Source and difficulty of a document."""
    record = document.record
    return ("", 0) if record is None else (record.source, record.difficulty)

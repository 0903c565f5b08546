"""The replay buffer: thoughts of the last few updates, used again where they tell most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rlp_core.rollout.rng import uniform
from rlp_core.training.checkpoint import State
from rlp_core.training.groups import RolloutGroup, ThinkPosition
from rlp_core.training.positions import TokenizedDocument

STREAM = 7
"""Keeps these draws apart from others of the same seed and step."""


class ReplayBuffer:
    """Groups of bounded number and age, drawn in proportion to their mean |advantage|."""

    def __init__(self, capacity: int, max_age: int, seed: int) -> None:
        """Begin empty.

        Args:
            capacity: groups at most; the oldest go first.
            max_age: steps after which a group is dropped.
            seed: the run's.
        """
        self.capacity, self.max_age, self.seed = capacity, max_age, seed
        self.groups: list[RolloutGroup] = []

    def add(self, groups: Sequence[RolloutGroup]) -> None:
        """Keep the groups of a step."""
        self.groups = [*self.groups, *groups][-self.capacity :]

    def draw(self, count: int, step: int) -> list[RolloutGroup]:
        """Up to `count` groups that are young enough, without replacement.

        A group's number depends on (seed, step, document, position, age) alone. By the smallest
        of -log(u) / priority this draws in proportion to the priority (Efraimidis and Spirakis,
        2006).
        """
        self.groups = [group for group in self.groups if step - group.step <= self.max_age]
        if not count or not self.groups:
            return []
        keys = np.array(
            [(g.position.document.number, g.position.index, g.step) for g in self.groups]
        )
        number = uniform(self.seed, STREAM, step, *keys.T)
        priority = np.array([np.abs(_advantages(group)).mean() for group in self.groups])
        ticket = -np.log1p(-number) / np.maximum(priority, 1e-12)
        return [self.groups[i] for i in np.sort(np.argsort(ticket, kind="stable")[:count])]

    def state(self) -> State:
        """The groups, their documents by number."""
        return State(values={"groups": [_as_json(group) for group in self.groups]})

    def restore(self, state: State, documents: Mapping[int, TokenizedDocument]) -> None:
        """Take up what `state` gave.

        Args:
            state: of a buffer of the same settings.
            documents: every one that can be read, by number.
        """
        saved: Any = state.values["groups"]
        self.groups = [_from_json(value, documents) for value in saved]


def _advantages(group: RolloutGroup) -> list[float]:
    if group.advantages:
        return group.advantages
    mean = sum(group.rewards) / len(group.rewards)  # `gae`: no advantage of a whole thought
    return [reward - mean for reward in group.rewards]


def _as_json(group: RolloutGroup) -> dict[str, Any]:
    position = group.position
    rest = {name: value for name, value in vars(group).items() if name != "position"}
    where = [position.document.number, position.index, position.targets.stop]
    return {"position": where, **rest}


def _from_json(
    value: Mapping[str, Any], documents: Mapping[int, TokenizedDocument]
) -> RolloutGroup:
    number, index, end = value["position"]
    position = ThinkPosition(documents[number], index, range(index, end))
    return RolloutGroup(
        position, **{name: part for name, part in value.items() if name != "position"}
    )

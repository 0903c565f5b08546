"""What goes through the network at once in each part of a stage, run dry.

Every sequence is as long as the settings allow, and every thought different: the most that can be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlp_core.planning.dry_run import Footprint, Pass, counted, layered
from rlp_core.policy.logits import token_logprobs, token_statistics
from rlp_core.policy.recompute import recomputing
from rlp_core.rollout import engine
from rlp_core.rollout.attention import kernel_of
from rlp_core.rollout.branches import Branch, pack
from rlp_core.rollout.dense import hidden_states
from rlp_core.rollout.scoring import logprobs_in
from rlp_core.rollout.shared_trunks import SharedTrunks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.planning.shapes import ModelShape


@dataclass(frozen=True)
class Tree:
    """A document and the thoughts that hang off its last position.

    Attributes:
        trunk: tokens of the document before the position.
        branches: how many thoughts.
        fed: tokens of each that are read.
        scored: of these, the rows that the head is applied to.
    """

    trunk: int
    branches: int
    fed: int
    scored: int

    @property
    def tokens(self) -> int:
        return self.trunk + self.branches * self.fed

    def branch(self, document: int) -> list[Branch]:
        return [Branch(document, self.trunk, [0] * self.fed)] * self.branches


@lru_cache(maxsize=64)
def reading(shape: ModelShape, precision: str, rows: int, tokens: int, scored: int) -> Footprint:
    """Rows of text without gradient, `scored` places of each: baseline, held-out text, choices."""

    def run(count: int, model: PreTrainedModel) -> None:
        with torch.no_grad():
            places = [range(tokens - scored, tokens)] * count
            logprobs_in(model, [[0] * tokens] * count, places)

    return _counted(shape, precision, run, rows, tokens)


@lru_cache(maxsize=64)
def prefill(shape: ModelShape, precision: str, rows: int, tokens: int) -> Footprint:
    """Documents read before thoughts are drawn; their keys and values are kept."""

    def run(count: int, model: PreTrainedModel) -> None:
        with torch.no_grad():
            packed = pack([[0] * tokens] * count, (), model.device, kernel_of(model))
            packed.attention.keep = True
            packed.states(model)

    return _counted(shape, precision, run, rows, tokens)


@lru_cache(maxsize=64)
def branched(shape: ModelShape, precision: str, rows: int, tree: Tree) -> Footprint:
    """Documents and thoughts in one row without gradient: controls, the reference of the KL."""

    def run(count: int, tree: Tree, model: PreTrainedModel) -> None:
        with torch.no_grad():
            hidden = _states(model, count, tree)
            picked = hidden[_ids(model, count * tree.branches * tree.scored)]
            token_logprobs(model, picked, _ids(model, len(picked)))

    return _of_trees(shape, precision, run, rows, tree)


@lru_cache(maxsize=64)
def both_ways(shape: ModelShape, precision: str, rows: int, tree: Tree) -> Footprint:
    """The self-check: the same through branches, and densely, one row after the other."""

    def run(count: int, tree: Tree, model: PreTrainedModel) -> None:
        row = [0] * (tree.trunk + tree.fed)
        with torch.no_grad():
            token_logprobs(model, found := _states(model, count, tree), _ids(model, len(found)))
            del found
            rows = count * tree.branches
            dense = [hidden_states(model, [row])[0, tree.trunk :] for _ in range(rows)]
            token_logprobs(model, found := torch.cat(dense), _ids(model, len(found)))

    return _of_trees(shape, precision, run, rows, tree)


@lru_cache(maxsize=64)
def whole_update(
    shape: ModelShape, precision: str, rows: int, tree: Tree, entropy: bool
) -> Footprint:
    """An update's pass over whole documents and all of their thoughts."""

    def run(count: int, tree: Tree, model: PreTrainedModel) -> None:
        states = partial(_states, model, count, tree)
        _loss(model, states, count * tree.branches * tree.scored, entropy).backward()

    return _of_trees(shape, precision, run, rows, tree)


@lru_cache(maxsize=64)
def parted_update(
    shape: ModelShape, precision: str, at_once: int, tree: Tree, entropy: bool
) -> Footprint:
    """An update's passes over one document, read once, and its thoughts, some at a time."""

    def run(count: int, model: PreTrainedModel) -> None:
        shared = SharedTrunks(model, [[0] * tree.trunk])
        some = [Branch(0, tree.trunk, [0] * tree.fed)] * count
        for _ in range(2):  # the second finds the gradients of the first on the trunk
            states = partial(shared.states, some)
            _loss(model, states, count * tree.scored, entropy).backward()
        shared.backward()

    return _counted(shape, precision, run, at_once, tree.fed)


@lru_cache(maxsize=64)
def supervised(
    shape: ModelShape, precision: str, rows: int, tokens: int, recompute: bool
) -> Footprint:
    """A pass of the supervised loops: next-token prediction on whole rows."""

    def run(count: int, model: PreTrainedModel) -> None:
        model.train()
        with recomputing(model, recompute):
            places = [range(1, tokens)] * count
            logprobs = logprobs_in(model, [[0] * tokens] * count, places)
            (-logprobs.sum() / count).backward()
        model.eval()

    return _counted(shape, precision, run, rows, tokens)


def _counted(
    shape: ModelShape,
    precision: str,
    run: Callable[[int, PreTrainedModel], object],
    count: int,
    tokens: int,
) -> Footprint:
    return counted(lambda n: _measured(shape, precision, partial(run, n)), count, tokens)


def _measured(shape: ModelShape, precision: str, run: Pass) -> Footprint:
    return layered(partial(shape.short, precision=precision), shape.layers, run)


def _of_trees(
    shape: ModelShape,
    precision: str,
    run: Callable[[int, Tree, PreTrainedModel], object],
    count: int,
    tree: Tree,
) -> Footprint:
    """Of many documents with many thoughts: extended along both."""

    def documents(n: int) -> Footprint:
        def thoughts(branches: int) -> Footprint:
            fewer = replace(tree, branches=branches)
            return _measured(shape, precision, lambda model: run(n, fewer, model))

        return counted(thoughts, tree.branches, n * tree.fed)

    return counted(documents, count, tree.tokens)


def _states(model: PreTrainedModel, count: int, tree: Tree) -> Tensor:
    branches = [branch for index in range(count) for branch in tree.branch(index)]
    return engine.states(model, [[0] * tree.trunk] * count, branches)


def _loss(
    model: PreTrainedModel, states: Callable[[], Tensor], scored: int, entropy: bool
) -> Tensor:
    """As `training.update` makes it: the head where a thought token is predicted, and nowhere."""
    hidden = states()
    once = hidden.index_select(0, _ids(model, scored))
    found = token_statistics(model, once, _ids(model, scored), 1.0, None, entropy)
    return torch.stack([part.sum() for part in found if len(part)]).sum()


def _ids(model: PreTrainedModel, count: int) -> Tensor:
    return torch.zeros(count, dtype=torch.long, device=model.device)

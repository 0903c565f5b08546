"""Trunks that are read once, with gradient, for any number of passes over their branches.

A document with many or long thoughts keeps too much for one backward pass. Its trunk's keys and
values are all that its thoughts need of it: handed to them as leaf tensors, the thoughts go forward
and backward in micro-batches of any size, their gradients add up on the leaves in fp32, and one
backward pass of the trunk from there ends it. Nothing is read twice and nothing is approximate;
the memory is that of the trunk and one micro-batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlp_core.rollout.attention import NAME, kernel_of
from rlp_core.rollout.branch_attention import SHARING, BranchAttention
from rlp_core.rollout.branches import Branch, across_segments, own_segments, pack, starts

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Layers = dict[int, tuple[Tensor, Tensor]]
"""Keys and values [tokens, kv_heads, size] of each layer."""


class SharedTrunks:
    """Keys and values of some documents, which branches attend to."""

    def __init__(self, model: PreTrainedModel, trunks: Sequence[Sequence[int]]) -> None:
        """Read the documents, with a graph where gradients are enabled.

        Args:
            model: attends through branches, by a kernel for which `can_share` holds.
            trunks: the documents; none is empty.
        """
        self.model, self.trunks = model, trunks
        self.kernel = kernel_of(model)
        packed = pack(trunks, device=model.device, kernel=self.kernel)
        assert isinstance(packed.attention, BranchAttention)
        packed = replace(packed, attention=replace(packed.attention, keep=True))
        packed.states(model)
        self.made: Layers = packed.attention.kept
        grows = torch.is_grad_enabled()
        self.leaves: Layers = {
            layer: (_leaf(key, grows), _leaf(value, grows))
            for layer, (key, value) in self.made.items()
        }

    def states(self, branches: Sequence[Branch]) -> Tensor:
        """[tokens of the branches, width], their last hidden states, branch after branch."""
        device, first = self.model.device, sum(map(len, self.trunks))
        begins = starts((len(branch.tokens) for branch in branches), 0)
        attention = BranchAttention.of(
            trunks=[],
            across=across_segments(branches, begins, starts(map(len, self.trunks), 0)),
            own=own_segments(branches, begins, first),
            device=device,
            kernel=self.kernel,
        )
        ids = [token for branch in branches for token in branch.tokens]
        positions = [b.position + i for b in branches for i in range(len(b.tokens))]
        output = self.model.base_model(
            input_ids=torch.tensor([ids], device=device),
            position_ids=torch.tensor([positions], device=device),
            use_cache=False,
            branches=replace(attention, before=self.leaves),
        )
        states: Tensor = output.last_hidden_state[0]
        return states

    def backward(self) -> None:
        """Take what the branches' backward passes left on the leaves on to the trunk."""
        pairs = [
            (made, leaf.grad.to(made.dtype))
            for layer, own in self.made.items()
            for made, leaf in zip(own, self.leaves[layer], strict=True)
            if leaf.grad is not None
        ]
        if pairs:
            tensors, gradients = zip(*pairs, strict=True)
            torch.autograd.backward(tensors, gradients)
        self.made, self.leaves = {}, {}


def can_share(model: PreTrainedModel) -> bool:
    """Whether a model's branches can attend to trunks that were read before."""
    return bool(model.config._attn_implementation == NAME) and kernel_of(model) in SHARING


def _leaf(tensor: Tensor, grows: bool) -> Tensor:
    # in fp32: many micro-batches add to one trunk, and in bf16 each sum would round
    return tensor.detach().float().requires_grad_(grows)

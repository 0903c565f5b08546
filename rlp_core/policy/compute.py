"""fp32 masters, and the copy of them that computes.

In bf16 a step of 1e-6 rounds away, so the parameters stay in fp32 and a bf16 copy samples and runs
forward and backward; its gradients are added up in fp32. No autocast: what is in which type is
written here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rlp_core.policy.sharing import copy_sharing

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Compute:
    """The model that computes: the master itself in fp32, a copy of it in bf16."""

    def __init__(
        self, master: PreTrainedModel, dtype: torch.dtype, like: Compute | None = None
    ) -> None:
        """Build the copy where one is needed.

        Args:
            master: its parameters are fp32 and stay so.
            dtype: float32 or bfloat16.
            like: that of the model which `master` is an average of. What is frozen there is shared
                with it, where both lie on one device, and what is trained there is what moves
                here; None: what moves is what takes gradients.
        """
        self.master = master
        self.model = master
        trained = master if like is None else like.master
        self.moves = [parameter.requires_grad for parameter in trained.parameters()]
        if dtype == torch.float32:
            return
        if like is not None and like.model.device == master.device:
            self.model = copy_sharing(like.model).requires_grad_(False)
            self.refresh()
            return
        # parameters alone: in bf16 the buffer of rotary frequencies would misplace far tokens
        lowered = {
            id(p): torch.nn.Parameter(p.detach().to(dtype), p.requires_grad)
            for p in master.parameters()
        }
        self.model = copy_sharing(master, lowered)

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the master's parameters, after each of its steps."""
        if self.model is not self.master:
            for own, master in self._pairs():
                own.copy_(master)

    @torch.no_grad()
    def collect(self) -> None:
        """Add the copy's gradients to the master's in fp32, after each backward pass."""
        if self.model is self.master:
            return
        for own, master in self._pairs():
            if own.grad is not None:
                grad = own.grad.float()
                master.grad = grad if master.grad is None else master.grad.add_(grad)
                own.grad = None

    def _pairs(self) -> list[tuple[torch.nn.Parameter, torch.nn.Parameter]]:
        """Those that are trained: what is frozen is as it was when the copy was made."""
        both = zip(self.model.parameters(), self.master.parameters(), self.moves, strict=True)
        return [(own, master) for own, master, moves in both if moves]

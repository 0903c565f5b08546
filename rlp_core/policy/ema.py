"""The EMA target: the baseline that did not think (paper, section 3)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from rlp_core.policy.sharing import copy_sharing

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class EmaTarget:
    """phi: an exponential moving average of theta, in fp32.

    phi starts as a copy of theta, and after every optimizer step phi <- tau phi + (1 - tau)
    theta. fp32 always: in bf16 the small moves round away and phi stands still. What is frozen in
    theta is shared with it, unless phi lies on a device of its own.
    """

    def __init__(self, policy: PreTrainedModel, decay: float, device: str = "") -> None:
        """Copy the policy.

        Args:
            policy: theta.
            decay: tau in [0, 1); 0 makes phi the policy itself.
            device: where phi lies; empty: beside the policy.
        """
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), not {decay}")
        self.decay = decay
        made = copy.deepcopy(policy) if device else copy_sharing(policy)
        self.model = made.float().requires_grad_(False).eval()
        if device:
            self.model.to(device)

    @torch.no_grad()
    def update(self, policy: PreTrainedModel) -> None:
        """One step of the average."""
        both = zip(policy.parameters(), self.model.parameters(), strict=True)
        moved = [(source, target) for source, target in both if source.requires_grad]
        targets = [target for _, target in moved]
        sources = [source.detach().to(target) for source, target in moved]
        torch._foreach_lerp_(targets, sources, 1 - self.decay)

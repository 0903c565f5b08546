"""A value head on the policy's trunk: what reward a thought is headed for."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ValueHead(nn.Module):
    """One linear map from the last hidden state to nats, in fp32, zero at first.

    At zero the advantages of `gae` begin as those of the raw reward.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, 1)
        with torch.no_grad():
            self.out.weight.zero_()
            self.out.bias.zero_()

    def forward(self, hidden: Tensor) -> Tensor:
        """[M, width] states that predict thought tokens to [M] values."""
        values: Tensor = self.out(hidden.float())
        return values.squeeze(-1)

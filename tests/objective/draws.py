"""Random numbers for property tests, from a seed that hypothesis chooses."""

import torch
from hypothesis import strategies as st

seeds = st.integers(0, 2**31)
groups = st.integers(2, 9)


def normal(seed: int, *shape: int) -> torch.Tensor:
    """Standard normal, in double precision."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def lengths(seed: int, rows: int, longest: int = 9) -> torch.Tensor:
    """[rows], each from 1 to `longest`."""
    return torch.randint(1, longest + 1, (rows,), generator=torch.Generator().manual_seed(seed))

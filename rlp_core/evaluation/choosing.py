"""Which choice a model takes, from how likely it finds each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def likeliest(logprobs: Sequence[float], characters: Sequence[int], rule: str) -> int:
    """The choice that the model takes; of equals the first.

    Args:
        logprobs: of each choice, in nats.
        characters: of each choice's text, as the file has it.
        rule: `acc`, or `acc_norm`, per character.
    """
    values = np.array(logprobs)
    return int(np.argmax(values / np.array(characters) if rule == "acc_norm" else values))

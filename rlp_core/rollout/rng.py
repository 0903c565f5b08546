"""Randomness by counters: a number depends on its coordinates, not on what was drawn before.

A thought is then the same whatever the batch size, the order of the documents, or an
interruption (design, section 4.6).
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def uniform(*coordinates: int | npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Uniform numbers in [0, 1), one for each cell of the broadcast coordinates.

    Each coordinate is folded into the state with the finaliser of SplitMix64 (Steele, Lea and
    Flood 2014), whose bijective mixing passes the usual test batteries.

    Args:
        coordinates: for instance seed, step, document, position, rollout, token. Integers or
            integer arrays of shapes that broadcast; their order matters.
    """
    state: npt.NDArray[np.uint64] = np.zeros((), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for coordinate in coordinates:
            value = np.asarray(coordinate, dtype=np.int64).astype(np.uint64)
            state = _mix(state + _GAMMA + _mix(value + _GAMMA))
    return np.asarray((state >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def number_of(name: str) -> int:
    """A document's id as a 63-bit coordinate."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") >> 1


def generator(*coordinates: int) -> np.random.Generator:
    """A generator for draws that have no natural coordinates, such as the rows of a batch."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(list(coordinates))))


def _mix(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)))

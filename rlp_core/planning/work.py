"""What a stage computes: FLOPs by its ledger, the bytes that decoding reads, and the time of both.

An upper bound, as the memory is: texts as long as the settings allow, places spread evenly over
them, every thought L tokens long and unlike the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from rlp_core.monitoring import roofline
from rlp_core.planning.memory import Decoding
from rlp_core.planning.shapes import BYTES, ModelShape
from rlp_core.rollout.sampler import read_weights
from rlp_core.training.ledger import TRAINING, Ledger

SHARE = 0.4
"""Of a machine's limits, that a stage is taken to reach."""


@dataclass(frozen=True)
class Speed:
    """What a machine does.

    Attributes:
        teraflops: of matrix products in the type that computes, units of 10^12 a second.
        gigabytes: of memory, units of 10^9 a second.
        share: of both that a stage is taken to reach.
        told: where the figures are from.
    """

    teraflops: float
    gigabytes: float
    share: float
    told: str


@dataclass
class Work:
    """What is spent, by phase.

    Attributes:
        flops: that the mathematics needs.
        read: bytes that drawing token by token reads; arithmetic and reading overlap.
    """

    flops: dict[str, int] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """FLOPs of all phases."""
        return sum(self.flops.values())

    def times(self, count: float) -> Work:
        """So many of it."""
        return Work(
            {name: round(value * count) for name, value in self.flops.items()},
            {name: round(value * count) for name, value in self.read.items()},
        )

    def plus(self, other: Work) -> Work:
        """Both together, phase by phase."""
        parts = (
            {name: one.get(name, 0) + two.get(name, 0) for name in dict.fromkeys((*one, *two))}
            for one, two in ((self.flops, other.flops), (self.read, other.read))
        )
        return Work(*parts)

    def seconds(self, speed: Speed) -> float:
        """The time of all phases, each bound by arithmetic or by memory, whichever is slower."""
        return sum(
            max(
                flops / (speed.share * speed.teraflops * 1e12),
                self.read.get(name, 0) / (speed.share * speed.gigabytes * 1e9),
            )
            for name, flops in self.flops.items()
        )


def supervised(shape: ModelShape, rows: int, tokens: int) -> Work:
    """A step of next-token prediction."""
    ledger = Ledger(shape.model)
    ledger.rows("train", [tokens] * rows, rows * (tokens - 1), TRAINING)
    return Work(dict(ledger.flops))


def drawing(shape: ModelShape, precision: str, drawn: Decoding, drawn_tokens: int) -> Work:
    """Prefill, and rows drawn to their last token.

    Args:
        shape: the model.
        precision: what computes.
        drawn: what is in flight.
        drawn_tokens: of each row with logits; the others are fed.
    """
    ledger = Ledger(shape.model)
    ledger.rows("prefill", [drawn.trunk] * drawn.trunks, 0)
    fed = drawn.room - 1
    pairs = fed * drawn.trunk + fed * (fed + 1) // 2
    ledger.fed("decode", drawn.rows * fed, drawn.rows * pairs, drawn.rows * drawn_tokens)
    size = BYTES[precision]
    weights = read_weights(shape.model) * size // 4
    token = shape.keys * shape.layers * size
    cache = drawn.trunks * drawn.trunk * fed + drawn.rows * fed * (fed + 1) // 2
    return Work(dict(ledger.flops), {"decode": weights * fed + token * cache})


def reading(shape: ModelShape, phase: str, rows: int, tokens: int, scored: int) -> Work:
    """Text read once, forward."""
    ledger = Ledger(shape.model)
    ledger.rows(phase, [tokens] * rows, rows * scored)
    return Work(dict(ledger.flops))


def updating(
    shape: ModelShape, phase: str, trunk: int, thoughts: int, fed: int, scored: int, passes: int
) -> Work:
    """A document and its thoughts, as branches of it."""
    ledger = Ledger(shape.model)
    ledger.rows(phase, [trunk], 0, passes)
    ledger.branches(phase, [trunk] * thoughts, [fed] * thoughts, thoughts * scored, passes)
    return Work(dict(ledger.flops))


def measured(threads: int, device: str, precision: str) -> Speed:
    """What this machine does, measured for a fraction of a second; draws from no generator."""
    with torch.random.fork_rng(devices=[]):
        sizes = (512, 1024) if device == "cpu" else ()
        peak = roofline.matrix_peak(getattr(torch, precision), device, 0.1, sizes)
        moved = roofline.bandwidth(device, 0.1)
    many = f"{threads} threads" if threads > 1 else "one thread"
    return Speed(
        peak / 1e3,
        moved,
        SHARE,
        f"measured here on {many}" if device == "cpu" else f"measured on {device}",
    )

"""What is told of a step of RLP: its thoughts, its loss, and how well it used the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import torch

from rlp_core.objective.config import ObjectiveConfig
from rlp_core.objective.loss import explained_variance
from rlp_core.objective.reward_terms import label
from rlp_core.training.groups import RolloutGroup
from rlp_core.training.ledger import Ledger
from rlp_core.training.update import UpdateMetrics

if TYPE_CHECKING:
    from rlp_core.monitoring.roofline import Peak


def thought_metrics(
    groups: Sequence[RolloutGroup], sums: UpdateMetrics, options: ObjectiveConfig
) -> dict[str, float]:
    """What the step's own thoughts were like, and the terms of its loss."""
    lengths = [len(tokens) for group in groups for tokens in group.tokens]
    rewards = [group.rewards for group in groups]
    metrics: dict[str, float] = {}
    if groups[0].baseline is not None:
        gains = [group.gains for group in groups]
        metrics["information_gain"] = fmean(map(fmean, gains))
        metrics["positive"] = fmean(fmean(r > 0 for r in group) for group in gains)
    if groups[0].shaping:
        metrics |= {
            f"reward_{label(name)}": fmean(fmean(group.terms[name]) for group in groups)
            for name in groups[0].terms
        }
        metrics["shaping"] = fmean(fmean(group.shaping) for group in groups)
    several = len(rewards[0]) > 1
    spread = torch.tensor(rewards, dtype=torch.float64)  # statistics.stdev fails on NaN
    metrics |= {
        # of single thoughts there is no group: what differs, and is learnt from, are the places
        "reward_std": float(spread.std(dim=1).mean() if several else spread.std(correction=0)),
        "thought_tokens": fmean(lengths),
        "thought_tokens_std": stdev(lengths) if len(lengths) > 1 else 0.0,
        "forced": fmean(not closed for group in groups for closed in group.stopped),
        "entropy": sums.surprise / sums.tokens,
        "mismatch": sums.mismatch,
    }
    coefficients = options.coefficients
    metrics["loss"] = sum(coefficients[name] * value for name, value in sums.terms.items())
    if len(sums.terms) > 1:
        metrics |= {f"loss_{name}": value for name, value in sums.terms.items()}
    if sums.values:
        metrics["explained_variance"] = explained_variance(
            torch.cat(sums.values), torch.cat(sums.returns)
        )
    return metrics


def replay_metrics(
    replayed: Sequence[RolloutGroup], sums: UpdateMetrics, number: int
) -> dict[str, float]:
    """How old the replayed thoughts are, and how far the policy has moved from them."""
    return {
        "replayed": float(len(replayed)),
        "staleness": fmean(number - group.step for group in replayed) if replayed else 0.0,
        "importance": fmean(sums.ratios) if sums.ratios else 1.0,
    }


def speed(
    seconds: Mapping[str, float],
    flops: Mapping[str, int],
    ledger: Ledger,
    peak: Peak | None,
    compute: str,
) -> dict[str, float]:
    """Seconds of a step's phases, and their share of what the machine can do.

    MFU is the share of the matrix-product peak that the mathematics of a phase needs; of
    decoding, which reads every weight and key for one token a row, the share of the memory
    bandwidth says more.

    Args:
        seconds: by phase.
        flops: by phase of the ledger, of this step.
        ledger: knows what decoding read, and what the usual recipe would have cost.
        peak: the machine's limits; None leaves the shares out.
        compute: the type that the policy computes in.
    """
    told = {f"seconds_{name}": value for name, value in seconds.items()}
    told["redundancy"] = ledger.redundancy
    if peak is None:
        return told
    limit = 1e9 * peak.gflops(compute)
    drawn = sum(flops.get(name, 0) for name in ("prefill", "decode", "score"))
    told["mfu_update"] = flops.get("update", 0) / (seconds["update"] * limit)
    told["mfu_decode"] = drawn / (seconds["decode"] * limit)
    bandwidth = 1e9 * peak.gigabytes_per_second
    told["bandwidth_decode"] = ledger.bytes_read / (seconds["decode"] * bandwidth)
    return told

"""How sure a number is: cluster bootstrap, paired differences, permutation, equivalence, Holm.

Items of one template, or positions of one document, are not independent: an interval that treats
them so is too narrow and raises false alarms. So whole clusters are drawn. Every metric of the
evaluation is a formula over sums of items (a share is right answers / answers), and the sums per
cluster are all that a resample needs: 10,000 resamples are one matrix product.

Two arms are compared on the same items with the same resamples, which takes the difficulty of the
items out of the difference (Efron and Tibshirani 1993, chapters 8 and 13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Formula = Callable[[Array], Array]

EXACT_CLUSTERS = 12
"""Up to so many clusters every assignment of signs is tried, and the p-value is exact."""

_CHUNK = 500


def ratio(totals: Array) -> Array:
    """First sum over second: the formula of every mean. [..., 2] -> [...]; 0 / 0 is NaN."""
    return divide(totals[..., 0], totals[..., 1])


def divide(numerator: Array, denominator: Array) -> Array:
    """Quotient, NaN where the denominator is 0."""
    out = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


@dataclass(frozen=True)
class Statistic:
    """A metric on its items: a formula over sums, kept per cluster.

    Attributes:
        items: names of the items, sorted; two statistics are comparable if these are equal.
        clusters: names of the clusters, sorted, C of them.
        sums: [C, m], the m sums of each cluster.
        formula: [..., m] -> [...], the metric from the sums.
    """

    items: tuple[str, ...]
    clusters: tuple[str, ...]
    sums: Array
    formula: Formula = ratio

    def value(self) -> float:
        """The metric on all items; NaN where the formula is undefined."""
        return float(self.formula(self.sums.sum(axis=0)))


def collect(
    items: Sequence[str], clusters: Sequence[str], rows: Array, formula: Formula = ratio
) -> Statistic:
    """Sum the rows of each cluster. The order of the items does not matter.

    Args:
        items: [n] names; clusters: [n] the cluster of each.
        rows: [n, m] what each item adds to the m sums.
        formula: the metric from the sums.

    Raises:
        ValueError: no items, a name that comes twice, or lengths that differ.
    """
    if not items or len(items) != len(clusters) or len(items) != len(rows):
        raise ValueError("items, clusters and rows must be as many, and at least one")
    if len(set(items)) != len(items):
        raise ValueError("an item comes twice")
    order = sorted(range(len(items)), key=lambda i: items[i])
    names = sorted(set(clusters))
    place = {name: i for i, name in enumerate(names)}
    values = np.asarray(rows, dtype=np.float64)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, [place[clusters[i]] for i in order], values[order])
    return Statistic(tuple(items[i] for i in order), tuple(names), sums, formula)


def mean(items: Sequence[str], clusters: Sequence[str], values: Sequence[float]) -> Statistic:
    """The mean of one value per item."""
    rows = np.column_stack([np.asarray(values, dtype=np.float64), np.ones(len(values))])
    return collect(items, clusters, rows)


@dataclass(frozen=True)
class Estimate:
    """A value and its interval.

    Attributes:
        value: the estimate; NaN where it is undefined.
        low, high: ends of the percentile interval; NaN with fewer than two clusters, of which no
            spread can be learnt.
        n: items; clusters: clusters of items.
        p: two-sided permutation p of no difference; NaN where nothing is compared.
    """

    value: float
    low: float
    high: float
    n: int
    clusters: int
    p: float = float("nan")


@dataclass
class Resampler:
    """Draws clusters. The draws depend on the seed and the number of clusters alone.

    So all arms meet the same resamples, in whatever order they are asked for. One instance keeps
    its draws: 2 bytes per resample and cluster.
    """

    seed: int
    resamples: int = 10_000
    confidence: float = 0.95
    _drawn: dict[int, NDArray[np.uint16]] = field(default_factory=dict, repr=False)

    def estimate(self, statistic: Statistic) -> Estimate:
        """Value and percentile interval."""
        return self._interval(statistic, statistic.value(), self.distribution(statistic))

    def difference(
        self, first: Statistic, second: Statistic, *, magnitude: bool = False
    ) -> Estimate:
        """First minus second on identical items, with interval and permutation p.

        Args:
            first, second: the same metric of two arms.
            magnitude: compare |first| with |second|, for scores whose ideal is 0.

        Raises:
            ValueError: the items or clusters differ.
        """
        _check_paired(first, second)
        size = np.abs if magnitude else _unchanged
        values = size(np.array([first.value(), second.value()]))
        value = float(values[0] - values[1])
        spread = size(self.distribution(first)) - size(self.distribution(second))
        return self._interval(first, value, spread, self._permutation(first, second, size))

    def equivalence(self, first: Statistic, second: Statistic, margin: float) -> float:
        """P-value of two one-sided tests (Schuirmann 1987) that |first - second| >= margin.

        Small means: shown to be equivalent, which a large p of no difference does not mean.
        """
        _check_paired(first, second)
        spread = self.distribution(first) - self.distribution(second)
        spread = spread[~np.isnan(spread)]
        if len(first.clusters) < 2 or not len(spread):
            return float("nan")
        outside = max(int((spread <= -margin).sum()), int((spread >= margin).sum()))
        return (1 + outside) / (1 + len(spread))

    def distribution(self, statistic: Statistic) -> Array:
        """The metric on every resample: [resamples]."""
        totals = [weights @ statistic.sums for weights in self._weights(len(statistic.clusters))]
        return statistic.formula(np.concatenate(totals))

    def _interval(
        self, statistic: Statistic, value: float, spread: Array, p: float = float("nan")
    ) -> Estimate:
        known = spread[~np.isnan(spread)]
        low = high = float("nan")
        if len(statistic.clusters) >= 2 and len(known):
            tail = (1 - self.confidence) / 2
            low, high = (float(q) for q in np.quantile(known, [tail, 1 - tail]))
        return Estimate(value, low, high, len(statistic.items), len(statistic.clusters), p)

    def _weights(self, clusters: int) -> Iterator[Array]:
        """How often each cluster is drawn: chunks of [<=500, clusters]."""
        if clusters not in self._drawn:
            rng = np.random.default_rng([self.seed, clusters])
            share = np.full(clusters, 1 / clusters)
            self._drawn[clusters] = rng.multinomial(clusters, share, self.resamples).astype(
                np.uint16
            )
        for start in range(0, self.resamples, _CHUNK):
            yield self._drawn[clusters][start : start + _CHUNK].astype(np.float64)

    def _permutation(self, first: Statistic, second: Statistic, size: Formula) -> float:
        """Swap the two arms in whole clusters: equal arms would not notice."""
        middle = (first.sums.sum(axis=0) + second.sums.sum(axis=0)) / 2
        half = (first.sums - second.sums) / 2
        observed = _gap(first.formula, size, middle, half.sum(axis=0))
        if np.isnan(observed):
            return float("nan")
        exact = len(half) <= EXACT_CLUSTERS
        reached = tried = 0
        for signs in self._signs(len(half), exact):
            gaps = _gap(first.formula, size, middle, signs @ half)
            reached += int((gaps >= observed - 1e-12).sum())
            tried += int((~np.isnan(gaps)).sum())
        return reached / tried if exact else (reached + 1) / (tried + 1)

    def _signs(self, clusters: int, exact: bool) -> Iterator[Array]:
        if exact:
            bits = np.arange(2**clusters)[:, None] >> np.arange(clusters)
            yield (1 - 2 * (bits & 1)).astype(np.float64)
            return
        rng = np.random.default_rng([self.seed, clusters, 1])
        for start in range(0, self.resamples, _CHUNK):
            count = min(_CHUNK, self.resamples - start)
            yield (rng.integers(0, 2, (count, clusters)) * 2 - 1).astype(np.float64)


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """Holm's step-down adjustment (1979): holds the chance of any false alarm in the family.

    NaN stays NaN and does not count as a test.
    """
    known = sorted((p, name) for name, p in p_values.items() if not np.isnan(p))
    adjusted = {name: float("nan") for name in p_values}
    running = 0.0
    for rank, (p, name) in enumerate(known):
        running = max(running, min(1.0, p * (len(known) - rank)))
        adjusted[name] = running
    return adjusted


def _gap(formula: Formula, size: Formula, middle: Array, half: Array) -> Array:
    gap: Array = np.abs(size(formula(middle + half)) - size(formula(middle - half)))
    return gap


def _unchanged(values: Array) -> Array:
    return values


def _check_paired(first: Statistic, second: Statistic) -> None:
    if first.items != second.items or first.clusters != second.clusters:
        raise ValueError("the two were measured on different items")

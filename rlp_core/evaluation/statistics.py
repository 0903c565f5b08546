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
_SIGNS = 99  # keeps the stream of signs apart from those of the resamples


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
    """A metric on its items: a formula over sums, kept per cell.

    A cell is a cluster; where two factors are crossed (every template meets every occupation), it
    is one combination of them, and a resample draws both factors (Owen 2007, the pigeonhole
    bootstrap).

    Attributes:
        items: names of the items, sorted.
        factors: per factor the names of its clusters, sorted. The first factor counts.
        codes: [cells, factors], the place of each cell's cluster in `factors`.
        sums: [cells, m], the m sums of each cell.
        formula: [..., m] -> [...], the metric from the sums.
    """

    items: tuple[str, ...]
    factors: tuple[tuple[str, ...], ...]
    codes: NDArray[np.int64]
    sums: Array
    formula: Formula = ratio

    @property
    def clusters(self) -> tuple[str, ...]:
        """Clusters of the first factor."""
        return self.factors[0]

    def value(self) -> float:
        """The metric on all items; NaN where the formula is undefined."""
        return float(self.formula(self.sums.sum(axis=0)))

    def by_factor(self, factor: int, sums: Array) -> Array:
        """Cell sums [cells, m] added up per cluster of one factor: [clusters, m]."""
        out = np.zeros((len(self.factors[factor]), sums.shape[1]))
        np.add.at(out, self.codes[:, factor], sums)
        return out


def collect(
    items: Sequence[str],
    clusters: Sequence[str],
    rows: Array,
    formula: Formula = ratio,
    crossed: Sequence[str] | None = None,
) -> Statistic:
    """Sum the rows of each cell. The order of the items does not matter.

    Args:
        items: [n] names; clusters: [n] the cluster of each.
        rows: [n, m] what each item adds to the m sums.
        formula: the metric from the sums.
        crossed: [n] the cluster of each by a second factor, or None.

    Raises:
        ValueError: no items, a name that comes twice, or lengths that differ.
    """
    columns = [clusters] if crossed is None else [clusters, crossed]
    if not items or any(len(c) != len(items) for c in columns) or len(items) != len(rows):
        raise ValueError("items, clusters and rows must be as many, and at least one")
    if len(set(items)) != len(items):
        raise ValueError("an item comes twice")
    order = sorted(range(len(items)), key=lambda i: items[i])
    factors = tuple(tuple(sorted(set(column))) for column in columns)
    cells = [tuple(column[i] for column in columns) for i in order]
    names = sorted(set(cells))
    place = {name: i for i, name in enumerate(names)}
    values = np.asarray(rows, dtype=np.float64)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, [place[cell] for cell in cells], values[order])
    codes = np.array([[f.index(n) for f, n in zip(factors, name, strict=True)] for name in names])
    return Statistic(tuple(items[i] for i in order), factors, codes, sums, formula)


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
    its draws (3 bytes per resample and cluster) and what it made of each statistic (8 bytes per
    resample), because an arm is compared with several others.
    """

    seed: int
    resamples: int = 10_000
    confidence: float = 0.95
    _drawn: dict[tuple[int, int], NDArray[np.uint16]] = field(default_factory=dict, repr=False)
    _flipped: dict[int, NDArray[np.int8]] = field(default_factory=dict, repr=False)
    _made: dict[int, tuple[Statistic, Array]] = field(default_factory=dict, repr=False)

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
        check_paired(first, second)
        size = np.abs if magnitude else _unchanged
        values = size(np.array([first.value(), second.value()]))
        value = float(values[0] - values[1])
        spread = size(self.distribution(first)) - size(self.distribution(second))
        return self._interval(first, value, spread, self._permutation(first, second, size))

    def equivalence(self, first: Statistic, second: Statistic, margin: float) -> float:
        """P-value of two one-sided tests (Schuirmann 1987) that |first - second| >= margin.

        Small means: shown to be equivalent, which a large p of no difference does not mean.
        """
        check_paired(first, second)
        spread = self.distribution(first) - self.distribution(second)
        spread = spread[~np.isnan(spread)]
        if too_few(first) or not len(spread):
            return float("nan")
        outside = max(int((spread <= -margin).sum()), int((spread >= margin).sum()))
        return (1 + outside) / (1 + len(spread))

    def distribution(self, statistic: Statistic) -> Array:
        """The metric on every resample: [resamples]."""
        if id(statistic) not in self._made:  # holding the statistic keeps its id its own
            totals = [weights @ statistic.sums for weights in self._weights(statistic)]
            self._made[id(statistic)] = statistic, statistic.formula(np.concatenate(totals))
        return self._made[id(statistic)][1]

    def _interval(
        self, statistic: Statistic, value: float, spread: Array, p: float = float("nan")
    ) -> Estimate:
        low = high = float("nan")
        if not too_few(statistic):
            low, high = percentile_ends(spread, self.confidence)
        return Estimate(value, low, high, len(statistic.items), len(statistic.clusters), p)

    def _weights(self, statistic: Statistic) -> Iterator[Array]:
        """How often each cell is drawn: chunks of [<=500, cells]."""
        drawn = [self._draws(i, len(names)) for i, names in enumerate(statistic.factors)]
        for start in range(0, self.resamples, _CHUNK):
            chunk = np.ones((1, 1))
            for factor, counts in enumerate(drawn):
                chunk = chunk * counts[start : start + _CHUNK, statistic.codes[:, factor]]
            yield chunk

    def _draws(self, factor: int, clusters: int) -> NDArray[np.uint16]:
        if (factor, clusters) not in self._drawn:
            rng = np.random.default_rng([self.seed, clusters, factor])
            counts = rng.multinomial(clusters, np.full(clusters, 1 / clusters), self.resamples)
            self._drawn[factor, clusters] = counts.astype(np.uint16)
        return self._drawn[factor, clusters]

    def _permutation(self, first: Statistic, second: Statistic, size: Formula) -> float:
        """Swap the two arms in whole clusters: equal arms would not notice.

        With crossed factors the larger p of the two: a difference must hold over either.
        """
        middle = (first.sums.sum(axis=0) + second.sums.sum(axis=0)) / 2
        halves = (first.sums - second.sums) / 2
        return max(
            self._swap(first.formula, size, middle, first.by_factor(factor, halves))
            for factor in range(len(first.factors))
        )

    def _swap(self, formula: Formula, size: Formula, middle: Array, half: Array) -> float:
        observed = _gap(formula, size, middle, half.sum(axis=0))
        if np.isnan(observed):
            return float("nan")
        exact = len(half) <= EXACT_CLUSTERS
        reached = tried = 0
        for signs in self._signs(len(half), exact):
            gaps = _gap(formula, size, middle, signs @ half)
            reached += int((gaps >= observed - 1e-12).sum())
            tried += int((~np.isnan(gaps)).sum())
        return reached / tried if exact else (reached + 1) / (tried + 1)

    def _signs(self, clusters: int, exact: bool) -> Iterator[Array]:
        if exact:
            bits = np.arange(2**clusters)[:, None] >> np.arange(clusters)
            yield (1 - 2 * (bits & 1)).astype(np.float64)
            return
        flipped = self._flips(clusters)
        for start in range(0, self.resamples, _CHUNK):
            yield flipped[start : start + _CHUNK].astype(np.float64)

    def _flips(self, clusters: int) -> NDArray[np.int8]:
        """1 or -1 for each resample and cluster."""
        if clusters not in self._flipped:
            rng = np.random.default_rng([self.seed, clusters, _SIGNS])
            made = np.empty((self.resamples, clusters), np.int8)
            for start in range(0, self.resamples, _CHUNK):
                part = made[start : start + _CHUNK]
                part[:] = rng.integers(0, 2, part.shape) * 2 - 1
            self._flipped[clusters] = made
        return self._flipped[clusters]


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


def percentile_ends(spread: Array, confidence: float) -> tuple[float, float]:
    """Ends of the percentile interval of resampled values; NaN where none of them is defined."""
    known = spread[~np.isnan(spread)]
    if not len(known):
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def too_few(statistic: Statistic) -> bool:
    """Whether a factor has so few clusters that nothing can be learnt of the spread."""
    return min(len(names) for names in statistic.factors) < 2


def check_paired(first: Statistic, second: Statistic) -> None:
    """Raise ValueError where two statistics are of different items or clusters."""
    if first.items != second.items or first.factors != second.factors:
        raise ValueError("the two were measured on different items")
    if not np.array_equal(first.codes, second.codes):
        raise ValueError("the two were clustered differently")

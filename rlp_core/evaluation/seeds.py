"""How sure a number is over seeds and items: seeds are drawn, and within them the items.

A run with another seed would end elsewhere, and other items would be answered otherwise: an
interval that draws items alone says how sure one trained model's score is, and nothing of the
method. So each resample draws as many seeds as there are, with replacement, and clusters of items,
and takes the mean over the drawn seeds of the metric on the drawn items. Seeds that met the same
items meet the same draws of them, so what the items have in common does not average out (Owen
2007); where each seed has items of its own, they are drawn apart.

Two arms are compared within each seed, on the same items with the same draws.

A bootstrap of n seeds understates their spread by the factor sqrt((n - 1) / n): 0.82 for 3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from rlp_core.evaluation.statistics import (
    Array,
    Resampler,
    Statistic,
    check_paired,
    percentile_ends,
    too_few,
)

BySeed = Mapping[int, Statistic]

_SEEDS = 77  # keeps the stream of seeds apart from those of items


@dataclass(frozen=True)
class SeedEstimate:
    """A mean over seeds and its interval.

    Attributes:
        value: the mean over seeds; NaN where it is undefined for one.
        low, high: ends of the percentile interval, over seeds and items; with one seed over items
            alone; NaN where nothing can be learnt of the spread.
        by_seed: the value of each.
        n: items of all seeds.
    """

    value: float
    low: float
    high: float
    by_seed: Mapping[int, float]
    n: int

    @property
    def same_sign(self) -> int:
        """Seeds whose value has the sign of the mean."""
        return sum(1 for of in self.by_seed.values() if of * self.value > 0)


@dataclass
class SeedResampler:
    """Draws seeds and items, the same for every arm.

    Attributes:
        seed: of the draws.
        resamples: how many.
        confidence: of the intervals.
    """

    seed: int
    resamples: int = 10_000
    confidence: float = 0.95
    _items: dict[tuple[tuple[str, ...], ...], Resampler] = field(default_factory=dict, repr=False)

    def estimate(self, of: BySeed) -> SeedEstimate:
        """A metric of one arm, over its seeds."""
        return self._over_seeds(of, Statistic.value, self._distribution)

    def difference(self, first: BySeed, second: BySeed) -> SeedEstimate:
        """First minus second, paired on items within the seeds that both have.

        Raises:
            ValueError: a seed's two were measured on different items.
        """
        both = {seed: one for seed, one in first.items() if seed in second}
        for seed, one in both.items():
            try:
                check_paired(one, second[seed])
            except ValueError as error:
                raise ValueError(f"{error} at seed {seed}") from None
        pairs = {id(one): second[seed] for seed, one in both.items()}
        return self._over_seeds(
            both,
            lambda one: one.value() - pairs[id(one)].value(),
            lambda one: self._distribution(one) - self._distribution(pairs[id(one)]),
        )

    def of_values(self, by_seed: Mapping[int, float]) -> SeedEstimate:
        """The mean of one number per seed; without an interval where there is one seed alone."""
        values = np.array(list(by_seed.values()), dtype=np.float64)
        spread = (self.seed_draws(len(values)) @ values) / max(len(values), 1)
        low = high = float("nan")
        if len(values) > 1:
            low, high = percentile_ends(spread, self.confidence)
        mean = float(values.mean()) if len(values) else float("nan")
        return SeedEstimate(mean, low, high, dict(by_seed), 0)

    def seed_draws(self, seeds: int) -> Array:
        """How often each seed is drawn: [resamples, seeds]."""
        rng = np.random.default_rng([self.seed, seeds, _SEEDS])
        drawn = rng.multinomial(seeds, np.full(seeds, 1 / max(seeds, 1)), self.resamples)
        return drawn.astype(np.float64)

    def items_of(self, statistic: Statistic) -> Resampler:
        """What draws the items of a statistic: one and the same for the same clusters."""
        if statistic.factors not in self._items:
            names = "\0".join(name for factor in statistic.factors for name in factor)
            own = int.from_bytes(hashlib.sha256(f"{self.seed}\0{names}".encode()).digest()[:8])
            self._items[statistic.factors] = Resampler(own, self.resamples, self.confidence)
        return self._items[statistic.factors]

    def _distribution(self, statistic: Statistic) -> Array:
        return self.items_of(statistic).distribution(statistic)

    def _over_seeds(
        self, of: BySeed, value: Callable[[Statistic], float], spread: Callable[[Statistic], Array]
    ) -> SeedEstimate:
        by_seed = {seed: value(statistic) for seed, statistic in of.items()}
        n = sum(len(statistic.items) for statistic in of.values())
        low = high = float("nan")
        if of and not any(map(too_few, of.values())):
            each = np.stack([spread(statistic) for statistic in of.values()], axis=1)
            drawn = self.seed_draws(len(of))
            sums = np.where(drawn > 0, drawn * each, 0.0).sum(axis=1)
            low, high = percentile_ends(sums / len(of), self.confidence)
        mean = float(np.mean(list(by_seed.values()))) if by_seed else float("nan")
        return SeedEstimate(mean, low, high, by_seed, n)

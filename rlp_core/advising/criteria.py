"""The figures that an advice rests on, and from which value on each of them speaks.

One table. What is known of a threshold is how far measurements bracket it, so each has a band: a
figure whose interval overlaps the band is borderline.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rlp_core.advising.profile import CorpusProfile, DemonstrationProfile
from rlp_core.advising.trial import ModelTrial
from rlp_core.evaluation.statistics import Estimate


@dataclass(frozen=True)
class Threshold:
    """From which value on a figure speaks.

    Attributes:
        figure: what is compared, in words.
        value: met from here on.
        low, high: the threshold lies between these.
        share: whether the figure is a share of one, or else a count.
        reason: why there is such a threshold.
        measured: where its value is from.
    """

    figure: str
    value: float
    low: float
    high: float
    share: bool
    reason: str
    measured: str


CHECKED = "a choice; the grid that checks it, `python -m benchmarks.advice`, was not run yet"
"""Of thresholds that no run of the project gave."""

THRESHOLDS = {
    "solved": Threshold(
        "right answers of the model as it is, in its better way of answering (pass@1)",
        0.95, 0.9, 0.98, True,
        "what is left to learn is too little to be told from chance with some hundred problems",
        "the interval of 0.95 on 200 problems is 0.05 wide; trained arms of the tiny profile end "
        "at 0.92 to 1.00 (docs/results.md)",
    ),
    "helped": Threshold(
        "sampled thoughts of the model that help, beyond those of another text",
        0.02, 0.01, 0.05, True,
        "of 256 thoughts an update, 2 % are 5 that can be reinforced; with none RLP learns to "
        "think nothing",
        "a base that was never taught to think has 1.3 % by the grid's first seed, and draws lots: "
        "4.5 % of its thoughts win, 3.3 % of another text's and 4.0 % of random ones; with one "
        "helpful thought in eight RLP succeeds, with none it collapses "
        "(docs/explanation/thinking-anywhere.md, docs/results.md); between them: " + CHECKED,
    ),
    "begin": Threshold(
        "distinct demonstrations with a thought that was not found false",
        50, 25, 100, False,
        "fewer are learnt by heart before their way of thinking is copied",
        CHECKED,
    ),
    "plenty": Threshold(
        "distinct demonstrations with a thought that was not found false",
        1000, 500, 2000, False,
        "from here on more demonstrations change little, and RLP finds little to add",
        "the tiny profile's fine-tuning, which has 2000, does for every arm what RLP does "
        "(docs/results.md); " + CHECKED,
    ),
    "sound": Threshold(
        "demonstrations without a false step or answer, of those that can be checked",
        0.9, 0.85, 0.95, True,
        "imitation copies false steps as readily as true ones, and nothing in it tells them apart",
        CHECKED,
    ),
    "usable": Threshold(
        "demonstrations without a false step or answer, of those that can be checked",
        0.5, 0.4, 0.6, True,
        "where most are false, what is imitated is the fault",
        CHECKED,
    ),
    "shown": Threshold(
        "demonstrations that show a thought",
        0.75, 0.6, 0.9, True,
        "imitation copies the habit of answering bare; RLP finds that showing the work pays",
        "with 0.25 imitation thinks before one answer in eight and RLP before all; with 1.0 "
        "imitation does as well (docs/results.md)",
    ),
    "text": Threshold(
        "distinct texts of the corpus with a place to think",
        250, 125, 500, False,
        "RLP that meets the same few texts again is rewarded for knowing them",
        "a choice, not measured: about eight updates of 32 texts before one comes again",
    ),
}  # fmt: skip
"""By name."""


@dataclass(frozen=True)
class Criterion:
    """A figure held against its threshold.

    Attributes:
        name: in `THRESHOLDS`.
        figure: value and interval; of a count the ends are the count itself. None: not measured.
        taken: whether it counts as met where it was not measured.
    """

    name: str
    figure: Estimate | None
    taken: bool = False

    @property
    def threshold(self) -> Threshold:
        """What it is held against."""
        return THRESHOLDS[self.name]

    @property
    def met(self) -> bool:
        """Whether the figure reaches the threshold's value."""
        return self.taken if self.figure is None else self.figure.value >= self.threshold.value

    @property
    def borderline(self) -> bool:
        """Whether the figure's interval overlaps the threshold's band, or nothing was measured."""
        if self.figure is None:
            return True
        return self.figure.high >= self.threshold.low and self.figure.low <= self.threshold.high


def criteria_of(
    corpus: CorpusProfile, demonstrations: DemonstrationProfile, trial: ModelTrial | None
) -> dict[str, Criterion]:
    """Every figure of `THRESHOLDS`, by name.

    Demonstrations that cannot be checked count as sound, and the advice says so: nothing speaks
    against them. A model that was not tried counts as one that solves nothing and thinks nothing
    that helps.
    """
    sound = demonstrations.sound if demonstrations.sound.n else None
    usable = _count(demonstrations.usable)
    places = corpus.marked or corpus.distinct
    found = [
        Criterion("solved", None if trial is None else _better(trial)),
        Criterion("helped", None if trial is None else trial.helpful),
        Criterion("begin", usable),
        Criterion("plenty", usable),
        Criterion("sound", sound, taken=True),
        Criterion("usable", sound, taken=True),
        Criterion("shown", demonstrations.shown if demonstrations.shown.n else None),
        Criterion("text", _count(places)),
    ]
    return {criterion.name: criterion for criterion in found}


def _better(trial: ModelTrial) -> Estimate | None:
    """pass@1 in the better of two ways to answer; None where nothing could be asked."""
    ways = [way for way in (trial.thinking, trial.direct) if way is not None]
    return max(ways, key=lambda way: way.value, default=None)


def _count(number: int) -> Estimate:
    return Estimate(float(number), float(number), float(number), number, number, math.nan)

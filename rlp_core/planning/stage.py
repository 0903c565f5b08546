"""What is planned of a stage."""

from __future__ import annotations

from dataclasses import dataclass

from rlp_core.planning.memory import Moment
from rlp_core.planning.shapes import ModelShape
from rlp_core.planning.work import Work


@dataclass(frozen=True)
class Plan:
    """What a stage will hold and spend.

    Attributes:
        stage: its name.
        model: what it holds.
        precision: what computes.
        moments: of the largest step.
        passes: how the work is cut, in words.
        work: of the whole stage; empty where it is another stage's ledger that decides.
        assumed: what the figures rest on, in words.
    """

    stage: str
    model: ModelShape
    precision: str
    moments: tuple[Moment, ...]
    passes: tuple[str, ...]
    work: Work
    assumed: tuple[str, ...]

    @property
    def peak(self) -> Moment:
        """The moment of the most memory."""
        return max(self.moments, key=lambda moment: moment.total)

"""What a limit takes from the evaluation: counted before anything is measured, and told.

A record that is dropped or cut in silence makes a number about something else than its name says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlp_core.errors import DataError


@dataclass(frozen=True)
class Loss:
    """One way in which records are lost, or a part of them.

    Attributes:
        name: of the metric, `dropped_heldout_documents`.
        count: how many records it befalls.
        total: of how many.
        what: what befalls them, after "17 of 256".
        fix: what to do about it.
        bounded: whether `evaluate.max_lost_share` holds for it; a text whose rest is not read is
            still a text.
    """

    name: str
    count: int
    total: int
    what: str
    fix: str
    bounded: bool = True

    @property
    def share(self) -> float:
        """Of the records that it could befall; 0 where there are none."""
        return self.count / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{self.count} of {self.total} {self.what}"


def report(losses: Sequence[Loss], stage: str, warn_share: float, max_share: float) -> None:
    """Print every loss there is, a warning where its share is above `warn_share`.

    Raises:
        DataError: a share is above `max_share`, or all of them: nothing is left to measure.
    """
    for loss in losses:
        if not loss.count:
            continue
        mark = "warning: " if loss.share > warn_share else ""
        print(f"{mark}{stage}: {loss} ({loss.share:.1%}); {loss.fix}", flush=True)
    above = [
        loss
        for loss in losses
        if loss.bounded and loss.count and (loss.share > max_share or loss.count == loss.total)
    ]
    if above:
        raise DataError(
            "too little is left to measure: " + "; ".join(map(str, above)),
            where=f"stage {stage}, limit evaluate.max_lost_share = {max_share:g}",
            fix="; ".join(dict.fromkeys(loss.fix for loss in above)),
        )

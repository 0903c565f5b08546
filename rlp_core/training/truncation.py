"""What a limit on tokens cut off or dropped: counted, said, and refused where it is most.

A run that silently reads a tenth of its text, or learns thoughts without their answers, looks like
any other. So every stage that reads records under a `max_tokens` counts what that cost:

    texts = [...]                                        # each knows how long it was, uncut
    truncation = Truncation.of((t.whole, len(t.tokens)) for t in texts)
    truncation.tell("rlp", "rlp.max_tokens")             # a line, a warning, or an error
    common.finish_training(..., truncation.metrics())    # into metrics.json
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rlp_core.errors import ConfigError

WARNING_SHARE = 0.05
"""From this share of dropped records or of lost tokens on, the line is a warning."""

ERROR_SHARE = 0.5
"""Above this share of dropped records or of lost tokens, the stage refuses: most is not read."""


@dataclass(frozen=True)
class Truncation:
    """What became of a part's records.

    Attributes:
        records: there were.
        cut: of them, those that lost their end.
        dropped: of them, those that were left out whole.
        tokens: of all records, uncut.
        lost: of these, those that are not read, be the record cut or dropped.
    """

    records: int
    cut: int
    dropped: int
    tokens: int
    lost: int

    @staticmethod
    def of(lengths: Iterable[tuple[int, int]]) -> Truncation:
        """Count.

        Args:
            lengths: of each record its tokens, and how many of them are kept; 0: it is dropped.
        """
        pairs = list(lengths)
        return Truncation(
            records=len(pairs),
            cut=sum(0 < kept < whole for whole, kept in pairs),
            dropped=sum(kept == 0 for _, kept in pairs),
            tokens=sum(whole for whole, _ in pairs),
            lost=sum(whole - kept for whole, kept in pairs),
        )

    @property
    def cut_share(self) -> float:
        """Of the records."""
        return self.cut / max(1, self.records)

    @property
    def dropped_share(self) -> float:
        """Of the records."""
        return self.dropped / max(1, self.records)

    @property
    def lost_share(self) -> float:
        """Of the tokens."""
        return self.lost / max(1, self.tokens)

    def metrics(self) -> dict[str, float]:
        """The three shares, for the stage's `metrics.json`."""
        return {
            "cut_share": self.cut_share,
            "dropped_share": self.dropped_share,
            "lost_token_share": self.lost_share,
        }

    def tell(self, part: str, limit: str, where: str = "params.yaml") -> None:
        """Print what was lost, if anything was.

        Args:
            part: the part of the data.
            limit: the parameter that sets the limit.
            where: where that parameter stands.

        Raises:
            ConfigError: more than `ERROR_SHARE` of the records or of the tokens is lost.
        """
        said = (
            f"part {part!r}, {limit}: {self.cut} of {self.records} records cut "
            f"({self.cut_share:.1%}), {self.dropped} dropped ({self.dropped_share:.1%}); "
            f"{self.lost} of {self.tokens} tokens are not read ({self.lost_share:.1%})"
        )
        worst = max(self.dropped_share, self.lost_share)
        if worst > ERROR_SHARE:
            raise ConfigError(
                f"most of the data would not be read: {said}",
                where=f"{where}: {limit}",
                fix="raise the limit, or give shorter records; texts are cut into pieces that are "
                "all read by `chunk_chars` at their source",
            )
        if self.cut or self.dropped:
            print(f"{'warning: ' if worst >= WARNING_SHARE else ''}{said}", flush=True)

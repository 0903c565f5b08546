"""The documents of a run: as tokens, with positions to think at, some held back for evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlp_core.errors import ConfigError
from rlp_core.rollout.rng import number_of
from rlp_core.training.config import LearnerConfig
from rlp_core.training.positions import TokenizedDocument, tokenize_document
from rlp_core.training.truncation import Truncation

if TYPE_CHECKING:
    from rlp_core.data.records import Document
    from rlp_core.data.tokenizer import Codec


@dataclass(frozen=True)
class Corpus:
    """What a run reads.

    Attributes:
        training: each with a position to think at.
        heldout: the same, held back from training.
        truncation: what the limit on tokens cost.
        without_position: documents that have no position to think at, and are not read.
    """

    training: list[TokenizedDocument]
    heldout: list[TokenizedDocument]
    truncation: Truncation
    without_position: int

    def require_positions(self) -> None:
        """Say what is lost of the documents.

        Raises:
            ConfigError: no document is left to train on, or most of their tokens are not read.
        """
        where = "section rlp of params.yaml, or RLPConfig"
        if not self.training:
            raise ConfigError(
                f"none of {self.truncation.records} documents leaves a place to think at",
                where=f"{where}: max_tokens, position_selection, heldout.documents",
                fix="raise the limit, mark answer spans, choose another position selection, or "
                "hold fewer documents back",
            )
        self.truncation.tell("rlp", "max_tokens", where)
        if self.without_position:
            print(f"rlp: {self.without_position} documents have no position to think at; not read")

    def metrics(self) -> dict[str, float]:
        """What was lost, as shares of documents and tokens, for the run's metrics."""
        return {
            "cut_share": self.truncation.cut_share,
            "lost_token_share": self.truncation.lost_share,
            "without_position_share": self.without_position / max(1, self.truncation.records),
        }


def tokenize_corpus(
    codec: Codec, records: Sequence[Document], settings: LearnerConfig, heldout: int
) -> Corpus:
    """Tokenize documents, and hold some back.

    What the arms are compared on is never read here, or the choice of the best model would be a
    choice on the test.

    Args:
        codec: the tokenizer.
        records: the documents.
        settings: the longest document, and how positions are chosen.
        heldout: distinct texts that are held back, drawn by their content; copies go with them.
    """
    keys = sorted({record.key for record in records}, key=number_of)
    held = set(keys[:heldout])
    found: tuple[list[TokenizedDocument], list[TokenizedDocument]] = ([], [])
    every = []
    for record in records:
        document = tokenize_document(
            codec, record, settings.max_tokens, settings.position_selection
        )
        every.append((document.whole, len(document.tokens)))
        if document.candidates:
            found[record.key in held].append(document)
    missing = len(records) - len(found[0]) - len(found[1])
    return Corpus(*found, Truncation.of(every), missing)

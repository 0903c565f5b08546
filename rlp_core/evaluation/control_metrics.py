"""Was it the thought? Gains over control thoughts, as statistics over documents: `controls.jsonl`.

All are of the same tokens: the next `evaluate.horizon` behind each place where thoughts are tried.
The terms are those of the audit during training (docs/explanation/what-the-reward-measures.md).
Beside every sampled thought stand three controls: an empty thought, the thought that was drawn with
the same number in another text, and as many random tokens.

The content gain takes the best of the three at every thought, which is rather too hard than too
easy on the model: the best of several noisy numbers is a little high.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rlp_core.evaluation.abilities import per_document
from rlp_core.evaluation.item_files import TRIED, Row
from rlp_core.evaluation.statistics import Array, Statistic

CONTROL_DESCRIPTIONS = {
    "position_bits_per_byte_direct": "bits per byte of the text behind the places where thoughts "
    "are tried, without thinking",
    "position_bits_per_byte_thinking": "bits per byte of the same text, after thinking",
    "horizon_gain": "nats that a thought adds to the text behind a place, over the arm's own "
    "prediction without thinking",
    "true_gain": "nats that a thought adds to it over the base model without thinking",
    "gain_over_empty": "nats that a thought adds to it over an empty thought",
    "content_gain": "nats that a thought adds to it over the best control: what its content does",
    "empty_thought_gain": "nats that an empty thought adds to it over no thought",
    "other_thought_gain": "nats that another text's thought adds to it over no thought",
    "random_thought_gain": "nats that as many random tokens add to it over no thought",
}

CONTROL_LOWER_IS_BETTER = frozenset(
    {"position_bits_per_byte_direct", "position_bits_per_byte_thinking"}
)


def control_statistics(
    rows: Sequence[Row], base: Sequence[Row] | None = None
) -> dict[str, Statistic]:
    """Every metric of `CONTROL_DESCRIPTIONS`, ready to be resampled; none without rows.

    Args:
        rows: of `controls.jsonl`.
        base: the base model's; None or no rows leave out `true_gain`.

    Raises:
        ValueError: the base was measured on other documents, places or tokens.
    """
    if not rows:
        return {}
    counts = np.array([float(len(row["positions"])) for row in rows])
    size = np.array([float(sum(row["bytes"])) for row in rows])
    direct = np.array([float(sum(row["direct"])) for row in rows])
    after = {name: _sums(rows, lambda *each, at=i: each[at]) for i, name in enumerate(TRIED)}
    content = _sums(rows, lambda thought, *controls: thought - np.max(controls, axis=0))
    gains = {
        "horizon_gain": after["thinking"] - direct,
        "gain_over_empty": after["thinking"] - after["empty"],
        "content_gain": content,
        "empty_thought_gain": after["empty"] - direct,
        "other_thought_gain": after["other"] - direct,
        "random_thought_gain": after["random"] - direct,
    }
    if base:
        gains["true_gain"] = after["thinking"] - _direct_of(base, rows)
    made = {name: per_document(rows, values, counts) for name, values in gains.items()}
    bits = {"direct": -direct / np.log(2), "thinking": -after["thinking"] / np.log(2)}
    return made | {
        f"position_bits_per_byte_{name}": per_document(rows, values, size)
        for name, values in bits.items()
    }


def _sums(rows: Sequence[Row], of: Callable[..., Array]) -> Array:
    """Per document the sum over places of the mean over thoughts of `of(thought, *controls)`."""
    return np.array(
        [
            sum(
                float(np.mean(of(*map(np.array, each))))
                for each in zip(*(row[name] for name in TRIED), strict=True)
            )
            for row in rows
        ]
    )


def _direct_of(base: Sequence[Row], rows: Sequence[Row]) -> Array:
    """Per document of `rows` what the base model predicts of the same tokens without thinking."""
    theirs = {row["id"]: row for row in base}
    if set(theirs) != {row["id"] for row in rows}:
        raise ValueError("the base model's control thoughts were measured on other documents")
    for row in rows:
        other = theirs[row["id"]]
        if any(row[name] != other[name] for name in ("positions", "tokens")):
            raise ValueError(f"the base model's controls lie elsewhere in document {row['id']!r}")
    return np.array([float(sum(theirs[row["id"]]["direct"])) for row in rows])

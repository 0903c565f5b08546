"""The longest sequence that a model was made for, read from its configuration.

Imports nothing slow: `rlp params check` asks it of a checkpoint's `config.json`, and the stages ask
it of the model that they have loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx")
"""What configurations call the longest sequence, in order of preference."""

ORIGINAL = "original_max_position_embeddings"
STRETCHED = ("yarn", "longrope", "llama3")
"""Rotary scalings whose original length is the stated one where a configuration names none."""


def context_length(config: Mapping[str, Any]) -> int | None:
    """The longest sequence, in tokens; None: the configuration states none.

    A rotary scaling stretches what the model was pretrained with: `original * factor`. Most
    configurations state the stretched length (Llama 3, Phi 3), some the original one and leave the
    user to stretch it (Qwen 2.5): the longer of the two counts.

    Args:
        config: the values of a `config.json`, or of `PreTrainedConfig.to_dict()`: with
            `rope_parameters` (transformers 5, there also by the type of a layer) or `rope_scaling`
            (4); those of a model of text within one of images stand under `text_config`.
    """
    inner = config.get("text_config")
    for tree in (config, inner if isinstance(inner, Mapping) else {}):
        lengths_stated = (_number(tree.get(name)) for name in NAMES)
        stated = next((n for n in lengths_stated if n is not None and n >= 1), None)
        if stated is not None:
            lengths = (_stretched(tree, rope, int(stated)) for rope in _scalings(tree))
            return max([int(stated), *lengths])
    return None


def _scalings(tree: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """The rotary parameters: one set, or one for each type of layer."""
    for name in ("rope_parameters", "rope_scaling"):
        rope = tree.get(name)
        if isinstance(rope, Mapping):
            yield rope
            yield from (inner for inner in rope.values() if isinstance(inner, Mapping))


def _stretched(tree: Mapping[str, Any], rope: Mapping[str, Any], stated: int) -> int:
    kind = rope.get("rope_type", rope.get("type"))
    original = _number(tree.get(ORIGINAL)) or _number(rope.get(ORIGINAL))
    if original is None and kind in STRETCHED:
        original = stated
    return int((original or 0) * (_number(rope.get("factor")) or 1))


def _number(value: object) -> float | None:
    """A positive number; a damaged configuration may hold anything."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number and 0 < value < float("inf") else None  # type: ignore[operator,return-value]

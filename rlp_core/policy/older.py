"""What transformers 4 needs to read a folder that transformers 5 wrote.

Weights and tokenizer.json are the same in both. Renamed were the class of a plain fast tokenizer,
and where a configuration states its rotary positions: version 4 would find none, and take its own
default in silence. Both are written here under the old names beside the new.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def make_readable(folder: Path) -> None:
    """Add the old names to config.json and tokenizer_config.json of a saved model.

    What transformers note there of where the tokenizer was loaded from goes: equal models have
    equal bytes.
    """
    config = folder / "config.json"
    tree = _read(config)
    _write(config, old_rope_names(tree) | tree)
    make_tokenizer_readable(folder)


def make_tokenizer_readable(folder: Path) -> None:
    """As `make_readable`, of the tokenizer alone."""
    tokenizer = folder / "tokenizer_config.json"
    tree = _read(tokenizer)
    if tree.get("tokenizer_class") == "TokenizersBackend":
        tree["tokenizer_class"] = "PreTrainedTokenizerFast"  # an alias of it in version 5
    for name in ("is_local", "local_files_only"):
        tree.pop(name, None)
    _write(tokenizer, tree)


def old_rope_names(config: dict[str, Any]) -> dict[str, Any]:
    """`rope_parameters` of version 5 as `rope_theta` and `rope_scaling` of version 4.

    Nothing for a model without rotary positions, or with others in each kind of layer: version 4
    has names of its own for these in every family.
    """
    rope = config.get("rope_parameters")
    if not rope or any(isinstance(value, dict) for value in rope.values()):
        return {}
    old = {name: rope[name] for name in ("rope_theta", "partial_rotary_factor") if name in rope}
    scaling = {name: value for name, value in rope.items() if name not in old}
    old["rope_scaling"] = None if scaling == {"rope_type": "default"} else scaling
    if config.get("model_type") == "gpt_neox":
        old |= {"rotary_emb_base": rope["rope_theta"]}
        old |= {"rotary_pct": rope.get("partial_rotary_factor", 1.0)}
    return old


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _write(path: Path, tree: dict[str, Any]) -> None:
    """As transformers writes it."""
    text = json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")

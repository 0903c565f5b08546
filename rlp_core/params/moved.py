"""Keys that parameter files held once: where each went, so that an old file is told, not misread.

Whoever renames a key adds a line here; it is looked up for a key that the sections no longer know.
A value that is a dotted key is its new name; one with a space in it is advice.
"""

from __future__ import annotations

from collections.abc import Mapping

MOVED: Mapping[str, str] = {
    "runtime.thoughts": "runtime.decode_batch_size",
    "runtime.tokens": "runtime.update_token_budget",
    "runtime.compute": "rlp.precision",
    "bootstrap.idle_share": "bootstrap.filler_share",
    "bootstrap.stray_share": "bootstrap.mismatched_filler_share",
    "finetune.idle_share": "finetune.filler_share",
    "finetune.stray_share": "finetune.mismatched_filler_share",
    "prepare.problems": "a benchmark is a YAML file of its own (docs/guides/add-a-benchmark.md); "
    "name those in use under `evaluate.benchmarks`",
    "rlp.audit.places": "rlp.audit.positions",
    "rlp.replay.importance_limit": "rlp.importance_limit",
}
"""Old dotted key to the new one, or to advice. A `*` stands for any index of a list."""

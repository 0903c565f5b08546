"""A checkout that holds what planning a study reads, and a study in it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]

STUDY: dict[str, Any] = {
    "title": "A trial",
    "question": "Does it run?",
    "profile": "tiny",
    "seeds": [1, 2],
    "variants": {
        "paper": {"description": "as the paper has it"},
        "warm": {"description": "warmer", "overrides": {"rlp.temperature": 0.9}},
    },
    "metrics": ["pass_at_1_thinking", "information_gain"],
    "pairs": [{"arm": "rlp", "over": "cpt", "metric": "pass_at_1_thinking"}],
}


def checkout(root: Path, study: dict[str, Any] | None = None) -> Path:
    """Write the graph, a profile and the study `trial` below `root`."""
    for name in ("dvc.yaml", ".dvcignore", "profiles/tiny.yaml", "rlp_core/arms.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, root / name)
    for name in ("external", "benchmarks", "checkpoints", "bias", "rewards"):
        (root / "data" / name).mkdir(parents=True)
    (root / "studies").mkdir()
    text = yaml.safe_dump(study or STUDY, sort_keys=False)
    (root / "studies" / "trial.yaml").write_text(text, encoding="utf-8")
    return root

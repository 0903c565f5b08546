"""A real pretrained model of 135 million parameters through every stage of the graph, shortened.

    RLP_SMOLLM2_GGUF=FILE python -m pytest tests/e2e/test_real_checkpoint.py

About ten minutes for each of the four runs on one CPU core.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from rlp_core import arms
from rlp_core.importing import import_model
from rlp_core.policy.adapter_folder import is_adapter
from tests.e2e import checkout

FILE = os.environ.get("RLP_SMOLLM2_GGUF", "")
"""SmolLM2-135M-Instruct in whatever quantisation."""

pytestmark = [
    pytest.mark.skipif(not FILE, reason="RLP_SMOLLM2_GGUF names no GGUF file of SmolLM2-135M"),
    pytest.mark.timeout(7200),
]
TRAINED = ("bootstrap", "rlp", "cpt", "finetune")


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imported") / "smollm2"
    import_model(FILE, folder)
    return folder


def shortened(adapters: bool, precision: str) -> dict[str, Any]:
    """A few steps of each stage from the checkpoint; `base` trains none."""
    params = checkout.micro_params()
    params["prepare"]["heldout"][0]["count"] = 40
    params["base"] = {
        "checkpoint": "data/checkpoints/smollm2", "checkpoint_folder": "data/checkpoints",
        "steps": 0, "batch": 4, "max_tokens": 64, "optimizer": {"name": "adamw", "lr": 1e-5},
    }  # fmt: skip
    rate = 2e-4 if adapters else 2e-5
    own: dict[str, Any] = {"precision": precision, "optimizer": {"name": "adamw", "lr": rate}}
    if adapters:
        own["lora"] = {"rank": 16, "alpha": 32.0, "saved": "adapter"}
    for stage in TRAINED:
        params[stage] |= own
    params["rlp"] |= {"steps": 3, "group_size": 4, "audit": {"every": 2, "positions": 2}}
    params["evaluate"] |= {"precision": precision}
    params["evaluate"]["bias"] |= {"template_items": 8, "thoughts": 1}
    params["promote"]["gate"]["max_bias_increase"] = 100.0
    params["runtime"] |= {"micro_batch": 8, "decode_batch_size": 64, "tracking": False}
    return params


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("adapters", [False, True], ids=["full", "lora"])
def test_it_goes_through_every_stage(
    imported: Path, tmp_path: Path, adapters: bool, precision: str
) -> None:
    root = checkout.copy_to(tmp_path / "run")
    shutil.copytree(imported, root / "data" / "checkpoints" / "smollm2")
    checkout.write_params(root, shortened(adapters, precision))
    checkout.run(root, "dvc", "repro")
    for name in arms.declared().names:
        folder = root / "models" / name
        assert is_adapter(folder) == (adapters and name != "base")
        measured = root / "reports" / "evaluate" / name / "metrics.json"
        assert "information_gain" in json.loads(measured.read_text(encoding="utf-8"))
    ledger = json.loads((root / "reports" / "rlp" / "ledger.json").read_text(encoding="utf-8"))
    assert ledger["flops"]["update"] > 0
    assert (root / "reports" / "index.html").is_file()

"""docs/guides/real-model.md, followed with a small model of the same kind and made-up problems."""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlp_core.data.tokenizer import train_tokenizer
from rlp_core.importing import ORIGIN
from rlp_core.params import load
from rlp_core.planning import shapes
from rlp_core.planning.plan import PLANNED, stage_plan
from rlp_core.policy.config import LoraConfig
from rlp_core.policy.model import save
from tests import gguf_files, models
from tests.e2e import checkout
from tests.guides.follow import GUIDES, Follower
from tests.test_params import ROOT

GUIDE = "real-model.md"
TEXT = (GUIDES / GUIDE).read_text(encoding="utf-8")
PROFILE = load(ROOT / "profiles" / "smollm2-135m.yaml")
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
FOLDER = "data/checkpoints/smollm2-135m"
REAL = os.environ.get("RLP_SMOLLM2_GGUF", "")
"""SmolLM2-135M-Instruct itself, as the guide has it downloaded."""

SHORT: dict[str, Any] = {
    "bootstrap": {"steps": 2, "batch": 4},
    "rlp": {"steps": 1, "documents": 2, "group_size": 2},
    "validate": {"contamination_share": 1.0},  # made-up problems resemble one another
    "runtime": {"tracking": False},
}


def small_model() -> tuple[Any, Any]:
    known = train_tokenizer(models.TEXTS, 280, (), 128)  # type: ignore[arg-type]  # none of them
    model = gguf_files.llama(known)
    model.config.max_position_embeddings = 2048
    return model, known


def put_data(folder: Path) -> None:
    """Problems of the shape of MAWPS, of which some repeat and one is wrong; and one of GSM8K."""
    rows = [
        {
            "question": f"Tom has {n} apples , and finds {n % 7} more . How many are there ?",
            "equation_prefix": "+ number0 number1",
            "numbers": [f"{n}.0", f"{n % 7}.0"],
            "answer": f"{n + n % 7 + (n == 3)}.0",
        }
        for n in [*range(400), 5, 6]
    ]
    sets = {"mawps/mawps": rows, "gsm8k/test": [{"question": "1+1?", "answer": "1+1=2\n#### 2"}]}
    for name, content in sets.items():
        path = folder / f"{name}.jsonl.gz"
        path.parent.mkdir(parents=True)
        path.write_bytes(gzip.compress("".join(json.dumps(r) + "\n" for r in content).encode()))


def bring(root: Path) -> None:
    """What the guide takes for granted: the data beside the checkout, the downloaded file."""
    put_data(root.parent / "shared" / "data")
    if REAL:
        (root / FILE).symlink_to(Path(REAL).resolve())
    else:
        model, known = small_model()
        gguf_files.write(root / FILE, model, known, quantised=True)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Follower:
    for library in ("gguf", "accelerate", "peft"):
        pytest.importorskip(library, reason="the extras gguf and lora are not installed")
    return Follower(GUIDE, tmp_path_factory.mktemp("real") / "copy", bring)


def change(root: Path, changes: dict[str, dict[str, Any]]) -> None:
    path = root / "params.yaml"
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section, values in changes.items():
        tree[section] |= values
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")


def stage(followed: Follower, name: str) -> str:
    return followed.process(sys.executable, "-m", "rlp_core.stage", name)


@pytest.mark.e2e
def test_it_imports_checks_and_plans(followed: Follower) -> None:
    assert "LlamaForCausalLM" in followed.said[f"rlp model import {FILE} {FOLDER}"]
    assert "all parameters are known" in followed.said["rlp params check"]
    plan = followed.said["rlp plan"]
    for kind in ("base", "bootstrap", "rlp", "cpt", "finetune", "evaluate"):
        assert f"plan of {kind}: {FOLDER}" in plan
    origin = json.loads((followed.root / FOLDER / ORIGIN).read_text(encoding="utf-8"))
    assert (origin["kind"], origin["name"]) == ("gguf", FILE)


@pytest.mark.e2e
def test_its_stages_run_with_adapters_and_with_all_weights(followed: Follower) -> None:
    params = load(followed.root / "params.yaml")
    assert (params.rlp.lora.rank, params.rlp.optimizer.lr) == (16, 1e-4)
    change(followed.root, SHORT)
    prepared = stage(followed, "prepare")
    assert "rlp: 1 rows passed over by `unequal`" in prepared
    assert "passed over by `hash_between`" in prepared
    stage(followed, "validate")
    for name in ("base", "bootstrap", "rlp"):
        stage(followed, name)
    first = (followed.root / "models" / "rlp" / "model.safetensors").read_bytes()
    change(followed.root, {"rlp": {"lora": {"rank": 0}}})
    stage(followed, "rlp")
    assert (followed.root / "models" / "rlp" / "model.safetensors").read_bytes() != first


@pytest.mark.e2e
@pytest.mark.skipif(not REAL, reason="RLP_SMOLLM2_GGUF names no GGUF file of SmolLM2-135M-Instruct")
def test_the_real_file_is_of_the_size_that_is_stated(followed: Follower) -> None:
    assert (followed.root / FILE).stat().st_size // 10**6 == 98
    assert "134,515,008 parameters" in followed.said[f"rlp model import {FILE} {FOLDER}"]


@pytest.mark.e2e
def test_the_way_with_a_hub_fills_what_the_profile_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit lies in the cache as a download leaves it; before, the check tells the command."""
    root = checkout.copy_to(tmp_path / "copy")
    put_data(tmp_path / "shared" / "data")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (root / "params.yaml").write_bytes((ROOT / "profiles" / "smollm2-135m.yaml").read_bytes())
    check = [sys.executable, "-m", "rlp_core.cli", "params", "check"]
    command = next(line for line in TEXT.splitlines() if line.startswith("HF_HUB_OFFLINE=0 rlp"))
    variables = checkout.environment(root)
    refused = checkout.ended(root, check, variables)
    assert refused.returncode == 69
    assert f"`{command}`" in refused.stdout
    repository = tmp_path / "cache" / f"models--{PROFILE.base.checkpoint.replace('/', '--')}"
    save(*small_model(), repository / "snapshots" / PROFILE.base.revision)
    done = checkout.ended(root, check, variables)
    assert done.returncode == 0, done.stdout
    words = command.removeprefix("HF_HUB_OFFLINE=0 rlp ").split()
    made = checkout.ended(root, [sys.executable, "-m", "rlp_core.cli", *words], variables)
    assert made.returncode == 0, made.stdout
    origin = json.loads((root / FOLDER / ORIGIN).read_text(encoding="utf-8"))
    assert (origin["kind"], origin["revision"]) == ("hub", PROFILE.base.revision)


@pytest.mark.parametrize(("rank", "told"), [(0, "needs most, 7.6 GB"), (16, "adapters 2.1 GB")])
def test_the_memory_that_it_states_is_planned(rank: int, told: str) -> None:
    assert told in TEXT
    model = shapes.ModelShape.of(
        shapes.published(PROFILE.base.checkpoint), "published", LoraConfig(rank=rank)
    )
    assert model.parameters - (rank and model.trainable) == 134_515_008
    peaks = {kind: stage_plan(PROFILE, kind, model, on_gpu=False).peak.total for kind in PLANNED}
    assert f"{peaks['rlp'] / 10**9:.1f} GB" in told
    assert rank or peaks["rlp"] == max(peaks.values())


def test_it_names_what_the_profile_names() -> None:
    assert PROFILE.base.checkpoint in TEXT
    assert f"--revision {PROFILE.base.revision}\n" in TEXT
    assert re.fullmatch(r"[0-9a-f]{40}", PROFILE.base.revision)
    assert PROFILE.prepare.folder in TEXT
    assert PROFILE.evaluate.benchmarks == ("mawps", "gsm8k")

"""The guide's parameters and its Python make a run of adapters."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from rlp_core import RLPConfig, RLPTrainer, ThoughtConfig
from rlp_core.params import load
from tests import models
from tests.guides.follow import GUIDES
from tests.test_params import ROOT

TEXT = (GUIDES / "train-with-adapters.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.S | re.M))


def test_its_parameters_are_parameters(tmp_path: Path) -> None:
    tree = yaml.safe_load((ROOT / "profiles" / "tiny.yaml").read_text(encoding="utf-8"))
    for section, given in yaml.safe_load(BLOCKS["yaml"]).items():
        tree[section] |= given
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    rlp = load(path).rlp
    assert (rlp.lora.rank, rlp.lora.alpha, rlp.lora.saved) == (16, 32.0, "merged")
    assert (rlp.optimizer.name, rlp.optimizer.lr) == ("adamw", 1e-4)


def test_its_python_trains_adapters() -> None:
    names: dict[str, RLPConfig] = {}
    exec(BLOCKS["python"], names)
    small = {"steps": 1, "documents": 2, "max_tokens": 24, "positions": 1, "group_size": 2}
    texts = [f"Q: {a}+{b}\nA:{a + b}\n" for a in range(1, 3) for b in range(1, 4)]
    trainer = RLPTrainer(
        models.model(5), models.codec().tokenizer, texts,
        names["config"].model_copy(update=small), thought=ThoughtConfig(max_tokens=4),
    )  # fmt: skip
    trainer.train()
    trained = [n for n, p in trainer.model.named_parameters() if p.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)

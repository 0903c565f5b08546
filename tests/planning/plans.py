"""Plans of jobs, made as a stage makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import Qwen3Config

from rlp_core.params import Params, load
from rlp_core.planning.plan import stage_plan
from rlp_core.planning.shapes import ModelShape
from rlp_core.planning.stage import Plan
from rlp_core.policy.config import LoraConfig
from rlp_core.training.config import OptimizerConfig
from tests.planning.child import Job

ROOT = Path(__file__).resolve().parents[2]
TINY = load(ROOT / "profiles" / "tiny.yaml")


def changed(params: Params, **changes: Any) -> Params:
    """Parameters with values set by their dotted keys, `__` for a dot."""
    for key, value in changes.items():
        section, _, name = key.partition("__")
        made = getattr(params, section).model_copy(update={name: value})
        params = params.model_copy(update={section: made})
    return params


def shape(**changes: Any) -> ModelShape:
    """A small model."""
    values = {
        "vocab_size": 96,
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "intermediate_size": 64,
        "tie_word_embeddings": True,
    }
    adapters = LoraConfig(rank=changes.pop("rank", 0))
    return ModelShape.of(Qwen3Config(**{**values, **changes}), "small", adapters)


def of_job(job: Job) -> Plan:
    """The plan of what a child process does."""
    model = shape(
        vocab_size=job.vocabulary,
        hidden_size=job.width,
        num_hidden_layers=job.layers,
        num_attention_heads=job.heads,
        num_key_value_heads=job.kv_heads,
        head_dim=job.width // job.heads,
        intermediate_size=job.feed_forward,
        rank=job.rank,
    )
    if job.stage == "rlp":
        config, thought = job.rlp()
        params = changed(
            TINY.model_copy(update={"rlp": config, "thought": thought}),
            runtime__decode_batch_size=job.decode,
            runtime__update_token_budget=job.budget,
            runtime__verify="off",
        )
        return stage_plan(params, "rlp", model, on_gpu=False, saves=False)
    params = changed(
        TINY,
        base__steps=2,
        base__batch=job.documents,
        base__max_tokens=job.tokens,
        base__precision=job.precision,
        base__optimizer=OptimizerConfig(name=job.optimizer),  # type: ignore[arg-type]
        runtime__micro_batch=job.budget,
        runtime__recompute=job.recompute,
    )
    return stage_plan(params, "base", model, on_gpu=False, saves=False)

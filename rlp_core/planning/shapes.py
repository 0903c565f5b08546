"""What a model is made of, from its configuration alone: no weight is read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedConfig,
)

from rlp_core.errors import ConfigError, MissingInputError, UnavailableError
from rlp_core.policy import checks, lora
from rlp_core.policy.adapter_folder import is_adapter
from rlp_core.policy.config import LoraConfig
from rlp_core.policy.model import config_of, embeddings, head_size
from rlp_core.rollout import attention
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlp_core.params import Params

PUBLISHED = Path(__file__).parent / "published"
"""Configurations of checkpoints that profiles name, as their makers publish them."""

BYTES = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a causal language model.

    Trainable parameters and those that stand still beside them are two quantities: what the
    optimizer, the gradients and the copies of the policy take follows the first alone.

    Attributes:
        told: the configuration as JSON: what may stand in a key of a cache.
        name: where it is from, for the reader.
        adapters: what is trained of it; None: all of it.
    """

    told: str
    name: str = field(compare=False)
    adapters: LoraConfig | None = None

    @staticmethod
    def of(config: PreTrainedConfig, name: str, adapters: LoraConfig | None = None) -> ModelShape:
        """The shape of a configuration of transformers; adapters of rank 0 are none."""
        kept = adapters if adapters is not None and adapters.rank else None
        return ModelShape(json.dumps(config.to_dict(), sort_keys=True), name, kept)

    @property
    def config(self) -> PreTrainedConfig:
        return self.model.config

    @cached_property
    def model(self) -> PreTrainedModel:
        """The whole model on the meta device: shapes without content."""
        return _built(self.told, None, "float32", self.adapters)

    @cached_property
    def trainable(self) -> int:
        """Parameters that are trained."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    @cached_property
    def shared(self) -> int:
        """Parameters that stand still under those that are trained: none, where all are."""
        return sum(p.numel() for p in self.model.parameters() if not p.requires_grad)

    @property
    def parameters(self) -> int:
        """All of them."""
        return self.trainable + self.shared

    @cached_property
    def largest(self) -> int:
        """Numbers of the largest trainable tensor."""
        return max(p.numel() for p in self.model.parameters() if p.requires_grad)

    @cached_property
    def matrices(self) -> int:
        """Trainable numbers in matrices that are no embedding."""
        tables = {id(table) for table in embeddings(self.model)}
        return sum(
            p.numel()
            for p in self.model.parameters()
            if p.requires_grad and p.ndim == 2 and id(p) not in tables
        )

    @cached_property
    def table(self) -> int:
        """Numbers of the output embedding."""
        return embeddings(self.model)[1].numel()

    @cached_property
    def tied(self) -> bool:
        """Whether input and output embedding are one."""
        first, last = embeddings(self.model)
        return first is last

    @property
    def table_trained(self) -> bool:
        """Whether the output embedding is trained."""
        return embeddings(self.model)[1].requires_grad

    @property
    def vocabulary(self) -> int:
        """Rows of the output embedding."""
        return int(embeddings(self.model)[1].shape[0])

    @property
    def heads(self) -> int:
        return int(self.config.num_attention_heads)

    @property
    def width(self) -> int:
        return int(self.config.hidden_size)

    @property
    def keys(self) -> int:
        """Numbers of the keys and values of one token in one layer."""
        groups = getattr(self.config, "num_key_value_heads", None) or self.heads
        return 2 * int(groups) * head_size(self.config)

    @property
    def layers(self) -> int:
        return int(self.config.num_hidden_layers)

    def short(self, layers: int, precision: str) -> PreTrainedModel:
        """The same model with fewer layers, as it computes, on the meta device."""
        return _built(self.told, layers, precision, self.adapters)


@lru_cache(maxsize=16)
def _built(
    told: str, layers: int | None, precision: str, adapters: LoraConfig | None
) -> PreTrainedModel:
    """A model on the meta device, ready to attend through branches where it can."""
    config = AutoConfig.for_model(**json.loads(told))
    if layers is not None:
        config.num_hidden_layers = layers
        if getattr(config, "layer_types", None):
            config.layer_types = config.layer_types[:layers]
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        if adapters is not None:
            with torch.random.fork_rng(devices=[]):  # a plan moves no random number of the run
                lora.attach(model, adapters, seed=0)
    for parameter in model.parameters():  # as `Compute` does
        parameter.data = parameter.data.to(getattr(torch, precision))
    checks.switch_off_dropout(model)  # as it is when weights are loaded
    attention.enable(model)
    result: PreTrainedModel = model.eval()
    return result


def of_stage(params: Params, stage: str, root: Path) -> ModelShape:
    """The model that a stage will hold.

    Args:
        params: the parameters.
        stage: its name; an arm stands behind an @.
        root: the checkout; where the arm that the stage starts from has a folder, that is read.

    Raises:
        MissingInputError: the checkpoint is a folder that does not exist.
        UnavailableError: it is on a hub, and not at hand.
        ConfigError: it is no causal language model, or its configuration cannot be read.
    """
    kind, _, arm = stage.partition("@")
    start = {"bootstrap": "base", "rlp": "bootstrap", "cpt": "bootstrap"}.get(kind, arm)
    if kind == "rlvr" and arm:
        start = Workspace(root).supervised(arm).name
    adapters: LoraConfig | None = getattr(getattr(params, kind), "lora", None)
    if start and is_adapter(root / "models" / start):
        start = "base"  # what adapters that are saved alone belong to
    if start and (root / "models" / start / "config.json").is_file():
        config = read_config(str(root / "models" / start))
        return ModelShape.of(config, f"models/{start}", adapters)
    base = params.base
    if base.architecture is None:
        folder = root / Path(base.checkpoint).expanduser()
        source = str(folder) if folder.is_dir() else base.checkpoint
        return ModelShape.of(read_config(source, base.revision), base.checkpoint, adapters)
    config = config_of(base.architecture, base.architecture.vocabulary)
    return ModelShape.of(config, "base.architecture", adapters)


def read_config(
    source: str, revision: str = "", where: str = "params.yaml: base.checkpoint"
) -> PreTrainedConfig:
    """The configuration of a folder, or of a hub's model.

    Of a hub's model the one that is cached, or that the hub gives where HF_HUB_OFFLINE allows it;
    else the one that is kept here, of checkpoints that profiles name.

    Args:
        source: the folder or the name.
        revision: commit on the hub; empty: the newest.
        where: stands in a message.

    Raises:
        MissingInputError, UnavailableError, ConfigError: as of `of_stage`.
    """
    local = Path(source).is_dir()
    if not local and source.startswith((".", "/", "~")):
        raise MissingInputError(
            "no model folder here",
            where=source,
            fix="name a folder that `save_pretrained` wrote, or run the stage that makes it",
        )
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(
            source,
            revision=None if local else revision or None,
            trust_remote_code=False,
        )
    except Exception as error:
        if not local and _kept(source).is_file():
            config = published(source)
        else:
            raise _unreadable(source, local, where, error) from error
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ConfigError(
            f"a model of type {config.model_type!r} is no causal language model",
            where=source,
            fix="take a model that is trained to predict the next token",
        )
    return config


def published(name: str) -> PreTrainedConfig:
    """The configuration of a checkpoint that a profile names, as its makers publish it."""
    values = json.loads(_kept(name).read_text(encoding="utf-8"))
    config: PreTrainedConfig = AutoConfig.for_model(**values)
    return config


def _kept(name: str) -> Path:
    return PUBLISHED / f"{name.replace('/', '--')}.json"


def _unreadable(
    source: str, local: bool, where: str, error: Exception
) -> ConfigError | UnavailableError:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if local:
        return ConfigError(
            f"the configuration of the model cannot be read: {first}",
            where=f"{source}/config.json",
            fix="name a folder that `save_pretrained` wrote, with its config.json",
        )
    return UnavailableError(
        f"{source!r} is no folder here, and no such model of the hub is at hand: {first}",
        where=f"{where} = {source}",
        fix="name a folder that holds its config.json, or fetch it once with HF_HUB_OFFLINE=0",
    )

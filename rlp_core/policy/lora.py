"""Low-rank adapters (LoRA, arXiv 2106.09685) by peft: attach them, and merge them for good.

A weight W of a linear layer becomes W + (alpha / rank) B A; A and B are trained, W is frozen. B
begins as zero, so a model with fresh adapters is the model without.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from rlp_core.errors import ConfigError, UnavailableError, did_you_mean
from rlp_core.policy.config import LoraConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADAPTER = "default"
"""The one adapter's name, which peft gives to a single one."""


def adapted(model: nn.Module) -> bool:
    """Whether a model has adapters."""
    return bool(getattr(model, "_hf_peft_config_loaded", False))


def attach(model: PreTrainedModel, config: LoraConfig, seed: int, base: str = "") -> None:
    """Freeze a model and put fresh adapters into it, in place.

    Args:
        model: in fp32, without adapters.
        config: of a rank above 0.
        seed: decides the first values.
        base: the folder or name that the frozen weights are from, for a folder of adapters alone.

    Raises:
        ConfigError: a target is no linear layer of the model.
        UnavailableError: peft is not installed.
    """
    peft = require_peft()
    targets = list(config.targets) or sorted(_bare_layers(model))
    for target in config.targets:
        _check_target(model, target)
    torch.manual_seed(seed)
    attach_as(
        model,
        peft.LoraConfig(
            r=config.rank, lora_alpha=config.alpha, target_modules=targets, task_type="CAUSAL_LM"
        ),
        base,
    )


def prepare_adapters(model: PreTrainedModel, config: LoraConfig, seed: int, base: str) -> None:
    """Attach fresh adapters, or see that those which the model has are the ones asked for.

    Args:
        model: with adapters or without.
        config: of a rank above 0.
        seed: as of `attach`.
        base: as of `attach`.

    Raises:
        ConfigError: rank or alpha differ, or a target of theirs is not asked for.
        UnavailableError: as of `attach`.
    """
    if not adapted(model):
        attach(model, config, seed, base)
        body = sum(p.numel() for p in model.parameters() if p.requires_grad)
        print(f"adapters of rank {config.rank}: {body} parameters are trained", flush=True)
        return
    own = describe(model)
    wanted = set(config.targets) or set(own.targets).union(_bare_layers(model))
    if (own.rank, own.alpha, set(own.targets)) != (config.rank, config.alpha, wanted):
        raise ConfigError(
            f"the model has adapters of rank {own.rank}, alpha {own.alpha:g} on "
            f"{', '.join(own.targets)}",
            where="lora",
            fix="state the same rank, alpha and targets as the stage before, or let that one write "
            "its model with `saved: merged`",
        )


def attach_as(model: PreTrainedModel, config: Any, base: str) -> None:
    """Put adapters into a model by peft's own configuration; freeze all else.

    Args:
        model: without adapters.
        config: a `peft.LoraConfig`.
        base: as of `attach`.
    """
    model.requires_grad_(False)
    model.add_adapter(config, ADAPTER)
    own = model.peft_config[ADAPTER]
    own.base_model_name_or_path, own.inference_mode = base, False
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)


def merged(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of a model whose adapters have become part of its weights; the model stays as it is.

    Merging rounds: the copy computes what the adapted model does up to some 1e-6. It is done once,
    when a model is saved or read, and never in a loop.
    """
    made = copy.deepcopy(model)
    merge(made)
    return made


def merge(model: PreTrainedModel) -> None:
    """Make a model's adapters part of its weights, in place; nothing is frozen afterwards."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [name for name, part in model.named_modules() if isinstance(part, BaseTunerLayer)]
    for name in layers:
        layer: Any = model.get_submodule(name)
        layer.merge()
        model.set_submodule(name, layer.get_base_layer())
    model._hf_peft_config_loaded = False
    del model.peft_config
    model.requires_grad_(True)


def describe(model: PreTrainedModel) -> LoraConfig:
    """Rank, alpha and targets of a model's adapters."""
    own: Any = model.peft_config[ADAPTER]
    return LoraConfig(
        rank=own.r, alpha=float(own.lora_alpha), targets=tuple(sorted(own.target_modules))
    )


def _bare_layers(model: PreTrainedModel) -> set[str]:
    """Last parts of the names of linear layers without an adapter, the head aside."""
    head = model.get_output_embeddings()
    linear = (
        n for n, part in model.named_modules() if isinstance(part, nn.Linear) and part != head
    )
    return {name.rpartition(".")[2] for name in linear if "lora_" not in name} - {"base_layer"}


def _check_target(model: PreTrainedModel, target: str) -> None:
    known = sorted(_bare_layers(model))
    if target in known:
        return
    raise ConfigError(
        f"the model has no linear layer {target!r} to put an adapter on",
        where="lora.targets",
        fix=f"{did_you_mean(target, known)}known: {', '.join(known)}; or leave it empty for all",
    )


def require_peft() -> Any:
    """The package.

    Raises:
        UnavailableError: it is not installed.
    """
    try:
        import peft
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "adapters need the package `peft`, which is not installed",
            where="lora.rank",
            fix="pip install 'rlp[lora]', or set lora.rank to 0",
        ) from error
    return peft

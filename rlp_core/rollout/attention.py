"""One attention function for prefill, decoding, scoring and the update of branches.

It stands in transformers' public attention registry under the name `branches`, so that any model
that takes its attention from there and lets every layer see its whole context (Qwen2 and 3, Llama,
Gemma 1, ...) runs unpatched. Models with sliding windows are refused: Mistral 7B v0.1, Gemma 2 and
Gemma 3 as they are published. What a query may see is not a mask but an object given to the
forward call as `branches=`: the packed row of a document tree (`branch_attention`) or a step of
decoding (`cache`). Without one, attention is plainly causal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from rlp_core.errors import ConfigError
from rlp_core.policy.checks import active_dropout
from rlp_core.policy.model import head_size
from rlp_core.rollout import varlen

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "branches"


class AttentionBackend(Protocol):
    """Who sees whom in one forward pass."""

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, softcap: float
    ) -> Tensor:
        """Attention of one layer.

        Args:
            layer: index of the layer.
            query: [N, heads, size], rotated.
            key: [N, kv_heads, size], rotated.
            value: [N, kv_heads, size].
            scale: of the scores.
            softcap: 0, or scores become softcap * tanh(score / softcap).

        Returns:
            [N, heads, size].
        """
        ...


def attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    branches: AttentionBackend | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """The registered function; shapes as transformers gives them, [batch, heads, N, size].

    Raises:
        ValueError: dropout, or a mask without `branches`: neither is meant here.
    """
    if dropout:
        raise ValueError("attention dropout would make the sampled and the updated policy differ")
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    if branches is not None:
        q, k, v = (t[0].transpose(0, 1) for t in (query, key, value))
        layer = int(module.layer_idx)  # type: ignore[arg-type]  # an int on every attention layer
        return branches.attend(layer, q, k, v, scale, softcap or 0.0)[None], None
    if attention_mask is not None or query.shape[2] != key.shape[2]:
        raise ValueError("without `branches` only plainly causal attention is meant")
    if softcap:
        return _capped(query, key, value, scale, softcap).transpose(1, 2), None
    repeat = query.shape[1] // key.shape[1]
    result = scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=scale, enable_gqa=repeat > 1
    )
    return result.transpose(1, 2), None


def _capped(query: Tensor, key: Tensor, value: Tensor, scale: float, softcap: float) -> Tensor:
    """Plainly causal attention with capped scores, for which torch has no kernel."""
    repeat = query.shape[1] // key.shape[1]
    key, value = (t.repeat_interleave(repeat, dim=1) for t in (key, value))
    score = softcap * torch.tanh((query @ key.mT).float() * (scale / softcap))
    later = torch.ones(score.shape[-2:], dtype=torch.bool, device=score.device).triu(1)
    weight = torch.softmax(score.masked_fill(later, -torch.inf), dim=-1)
    return weight.to(value.dtype) @ value


AttentionInterface.register(NAME, attention)

_KERNEL = "rlp_branch_kernel"


def kernel_of(model: PreTrainedModel) -> str:
    """How the model's packed rows are computed, where it lies now: no longer `auto`.

    On a GPU it depends on what the model computes in: its copy in bf16 has a kernel that the master
    in fp32 does not.
    """
    kernel = str(getattr(model, _KERNEL, "auto"))
    if kernel != "auto":
        return kernel
    if score_cap(model):
        return "blocks"
    if model.device.type == "cuda" and varlen.takes(model.dtype, head_size(model.config)):
        return "varlen"
    return "flash" if model.device.type == "cpu" else "blocks"


def score_cap(model: PreTrainedModel) -> float:
    """The soft cap of the model's attention scores, 0 without; Gemma 2 has one."""
    return float(getattr(model.config, "attn_logit_softcapping", None) or 0.0)


def enable(model: PreTrainedModel, kernel: str = "auto") -> bool:
    """Let a model attend through `attention`; False where it does not use the registry.

    Args:
        model: any causal model.
        kernel: how packed rows are computed: `blocks`, `flash` on a CPU, `flex` on a GPU, or
            `auto`: `flash` where it can be, `blocks` elsewhere.

    Raises:
        ConfigError: the model attends in sliding windows or drops attention out.
    """
    config = model.config
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        kinds = ["sliding_window"] if getattr(config, "sliding_window", None) else []
    limited = [kind for kind in kinds if kind != "full_attention"]
    if limited:
        raise ConfigError(
            "the model does not attend to its whole context; branch attention needs that",
            where=f"configuration of the model: {limited[0]} in {len(limited)} of its layers",
            fix="take a model with full attention; where no context exceeds the window, clear "
            "`sliding_window` or `layer_types` in its config.json",
        )
    dropped = {name: rate for name, rate in active_dropout(config).items() if "att" in name}
    if dropped:
        named = ", ".join(f"{name} = {rate}" for name, rate in sorted(dropped.items()))
        raise ConfigError(
            "the model drops attention out: sampled and updated policy would differ",
            where=f"configuration of the model: {named}",
            fix=f"set {' and '.join(sorted(dropped))} to 0 in its config.json, or call "
            "rlp_core.policy.checks.switch_off_dropout",
        )
    if not getattr(model, "_supports_attention_backend", False):
        return False
    model.set_attn_implementation(NAME)
    setattr(model, _KERNEL, kernel)
    return bool(config._attn_implementation == NAME)

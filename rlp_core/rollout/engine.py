"""What the loops call: everything goes through branches, by models that `prepare` has let.

The dense path, one padded row per thought, is no way to train: it costs the document once per
thought. It is what `verify`, the benchmark and the tests compare with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from torch import Tensor

from rlp_core.errors import ConfigError
from rlp_core.policy.logits import check_head
from rlp_core.policy.model import head_size
from rlp_core.rollout import attention, flex, sampler
from rlp_core.rollout.branches import Branch, pack
from rlp_core.rollout.sampling import Completions, Prompt, SamplingParams, Uniforms

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def prepare(model: PreTrainedModel, kernel: str = "auto") -> None:
    """Let a model attend through branches.

    Args:
        model: on its device.
        kernel: `blocks`, `flash` on a CPU, `flex` on a GPU, or `auto`: `flash` where it can be,
            `blocks` elsewhere.

    Raises:
        ConfigError: the model has attention of its own, attends in sliding windows, drops attention
            out, or has a head that is not plain; or a kernel is asked for that the device or the
            model does not have.
    """
    _check_kernel(model, kernel)
    check_head(model)
    if kernel == "auto" and model.device.type == "cpu" and attention.score_cap(model):
        print(
            "the model caps its attention scores, which the flash kernel cannot: branches attend "
            "by blocks",
            flush=True,
        )
    if not attention.enable(model, kernel):
        raise ConfigError(
            f"{type(model).__name__} computes its attention itself; thoughts are drawn and learnt "
            "by an attention of this project's, which it would not call",
            where=f"the model's code in transformers: {type(model).__name__} does not take its "
            "attention from the registry there",
            fix="take a model of a family that does, such as Llama, Mistral, Qwen2, Qwen3 or Gemma",
        )


def _check_kernel(model: PreTrainedModel, kernel: str) -> None:
    device, cap = model.device.type, attention.score_cap(model)
    problem, fix = "", ""
    if kernel == "flex" and device != "cuda":
        problem = f"the fused kernel has no backward pass on {device}"
        fix = "use auto or blocks, or a CUDA device"
    elif kernel == "flex" and (size := head_size(model.config)) < flex.SMALLEST_HEAD:
        problem = (
            f"the fused kernel needs heads of {flex.SMALLEST_HEAD} numbers or more, and the "
            f"model's have {size}"
        )
        fix = "use auto or blocks"
    elif kernel == "flash" and device != "cpu":
        problem, fix = f"the flash kernel is one of the CPU, not of {device}", "use blocks or flex"
    elif kernel == "flash" and cap:
        problem = f"the flash kernel knows no soft cap of scores, and the model has one of {cap:g}"
        fix = "use auto or blocks"
    if problem:
        raise ConfigError(problem, where="params.yaml: runtime.attention", fix=fix)


def branching(model: PreTrainedModel) -> bool:
    """Whether the model attends through branches: it does after `attention.enable`."""
    return bool(model.config._attn_implementation == attention.NAME)


def states(
    model: PreTrainedModel, trunks: Sequence[Sequence[int]], branches: Sequence[Branch] = ()
) -> Tensor:
    """Last hidden states of all trunk tokens, then of all branch tokens: [N, width].

    Raises:
        ValueError: the model was not prepared: it would let every token see all those before it.
    """
    require(model)
    kernel = attention.kernel_of(model)
    return pack(trunks, branches, model.device, kernel).states(model)


def starts_of(lengths: Iterable[int], first: int = 0) -> list[int]:
    """Where each of the rows of these lengths begins in what `states` returns."""
    return list(accumulate(lengths, initial=first))[:-1]


def generate(
    model: PreTrainedModel,
    trunks: Sequence[Sequence[int]],
    prompts: Sequence[Prompt],
    params: SamplingParams,
    uniforms: Uniforms,
    rows: int,
) -> Completions:
    """`sampler.sample`.

    Raises:
        ValueError: the model was not prepared.
    """
    require(model)
    return sampler.sample(model, trunks, prompts, params, uniforms, rows)


def complete(
    model: PreTrainedModel,
    contexts: Sequence[Sequence[int]],
    params: SamplingParams,
    uniforms: Uniforms,
    rows: int,
) -> Completions:
    """Continue whole contexts, each of at least one token, until `stop` or the limit.

    Raises:
        ValueError: an empty context.
    """
    if min(map(len, contexts), default=1) < 1:
        raise ValueError("a context needs at least one token to be continued")
    trunks = [context[:-1] for context in contexts]
    prompts = [Prompt(i, len(c) - 1, c[-1]) for i, c in enumerate(contexts)]
    return generate(model, trunks, prompts, params, uniforms, rows)


def require(model: PreTrainedModel) -> None:
    """Raise ValueError unless the model was prepared: it would let every token see all before."""
    if not branching(model):
        raise ValueError("the model does not attend through branches: call `prepare` first")

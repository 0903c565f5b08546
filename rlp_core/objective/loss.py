"""The terms of the loss, over packed thought tokens (arXiv 2510.01265, equation 8, and additions).

Every average over thought tokens is `(weight * x).sum()` with the weights of `token_weights`: its
denominators are those of the whole step, so that the losses and gradients of micro-batches add up
to those of the step. Entropy and the next-token loss are one such sum each, and left to the caller.

Letters: R thoughts, M thought tokens in all.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlp_core.objective.config import TOKEN_MEANS, TokenMean


def token_weights(
    lengths: Tensor, mode: TokenMean, *, thoughts: int, tokens: int, total: int | None = None
) -> Tensor:
    """Weight of each thought token in an average over the whole step.

    - `thought`: 1 / (|c_i| * thoughts), as in equation 8: every thought counts the same, so a
      token of a long thought counts less.
    - `token`: 1 / tokens: every token counts the same, so a long thought counts more.

    Args:
        lengths: [R], thought tokens of each row here. A forced closing delimiter is none.
        mode: which average.
        thoughts: thoughts of the whole step, of all micro-batches and processes.
        tokens: thought tokens of the whole step.
        total: the sum of the lengths, where it is known; None asks the device for it.

    Returns:
        [sum of lengths], fp32; over the whole step they sum to 1.

    Raises:
        ValueError: the mode is not known, or the step is smaller than the part given.
    """
    if thoughts < lengths.shape[0]:
        raise ValueError(f"{lengths.shape[0]} thoughts are more than the step's {thoughts}")
    if mode == "thought":
        each = 1 / (lengths.float() * thoughts)
        return torch.repeat_interleave(each, lengths, output_size=total)
    if mode == "token":
        count = int(lengths.sum()) if total is None else total
        if tokens < count:
            raise ValueError(f"{count} thought tokens are more than the step's {tokens}")
        return torch.full((count,), 1 / tokens, device=lengths.device)
    raise ValueError(f"token_mean must be one of {', '.join(TOKEN_MEANS)}, not {mode!r}")


def clipped_surrogate(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantage: Tensor,
    weight: Tensor,
    clip_low: float,
    clip_high: float,
) -> Tensor:
    """Equation 8, to be minimised: the clipped surrogate over thought tokens.

    At the first update after sampling, `old_logprobs` is `logprobs.detach()`: the ratio is 1, the
    clip does not act, and the gradient is -weight * advantage * grad log pi.

    Args:
        logprobs: [M], log pi_theta of each thought token, with gradient.
        old_logprobs: [M], the same before the first update on these thoughts; no gradient.
        advantage: [M], of each token.
        weight: [M], of `token_weights`; for replayed thoughts times `importance_weight`.
        clip_low: eps_low; the ratio counts down to 1 - eps_low.
        clip_high: eps_high; the ratio counts up to 1 + eps_high.

    Returns:
        A scalar.
    """
    ratio = torch.exp(logprobs - old_logprobs.detach())
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    gain = torch.minimum(ratio * advantage, clipped * advantage)
    return -(weight * gain).sum()


def importance_weight(logprobs: Tensor, behaviour_logprobs: Tensor, limit: float) -> Tensor:
    """Truncated importance weight of thoughts that an older policy sampled.

    min(pi_theta / pi_behaviour, limit) per token: Ionides, "Truncated importance sampling" (2008),
    used per action with limit 1 in IMPALA (arXiv 1802.01561, section 4.1). It stands beside the
    clipped ratio, which is taken to the policy before the update and not to the one that sampled
    (decoupled objective, arXiv 2110.00641). Truncation bounds the variance and costs
    bias towards the older policy. Thoughts fresh from the policy need none: their weight is 1.

    Args:
        logprobs: [M], under the policy before the update.
        behaviour_logprobs: [M], as recorded when the thoughts were sampled, at the temperature of
            that time.
        limit: largest weight, above 0.

    Returns:
        [M], a constant for the gradient.

    Raises:
        ValueError: the limit is not above 0.
    """
    if not limit > 0:
        raise ValueError(f"the largest importance weight must be above 0, not {limit}")
    return torch.exp(logprobs.detach() - behaviour_logprobs.detach()).clamp(max=limit)


def kl_k3(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Estimate of KL(policy || reference) from the tokens drawn: q / p - 1 - log(q / p).

    Never negative, 0 only where both agree, unbiased for tokens drawn from the policy, and of less
    variance than -log(q / p) (Schulman, "Approximating KL divergence", 2020: k3). As a loss it is
    differentiated through `logprobs` alone, and that gradient is, in the mean over drawn tokens,
    the gradient of KL(reference || policy): it draws the policy to the reference all the same.

    Args:
        logprobs: [M], of the policy, with gradient.
        reference_logprobs: [M], of the frozen reference at the same temperature; no gradient.

    Returns:
        [M] in nats.
    """
    gap = reference_logprobs.detach() - logprobs
    return torch.expm1(gap) - gap


def value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, clip: float | None, weight: Tensor
) -> Tensor:
    """Half the squared error of the value head, clipped as the ratio is in PPO.

    Clipped: the larger of the error and of the error of a value moved by at most `clip` from
    `old_values`, so that a value which has already moved that far towards its return is let be
    (the code released with arXiv 1707.06347; described in arXiv 2005.12729). At the first update
    after sampling `old_values` is `values.detach()` and the clip does not act.

    Args:
        values: [M], with gradient.
        old_values: [M], before the first update on these thoughts.
        returns: [M], of `advantage.token_advantages`.
        clip: in nats; None: no clip.
        weight: [M], of `token_weights`.

    Returns:
        A scalar.
    """
    old_values, returns = old_values.detach(), returns.detach()
    error = (values - returns).square()
    if clip is not None:
        moved = old_values + (values - old_values).clamp(-clip, clip)
        error = torch.maximum(error, (moved - returns).square())
    return 0.5 * (weight * error).sum()


def explained_variance(values: Tensor, returns: Tensor) -> float:
    """Share of the returns' variance that the values explain: 1 - Var(returns - values) / Var.

    1: the values predict the returns up to a constant; 0: no better than a constant; below 0:
    worse. Where all returns are equal there is nothing to explain, and it is 0 by convention. A
    value or return that is not finite makes it NaN: that is not to be hidden.

    Args:
        values: [M].
        returns: [M].
    """
    # from the first return, so that equal returns have a variance of exactly 0
    centred = (returns - returns[:1]).detach().double()
    spread = centred.var(correction=0)
    left = (centred - values.detach().double()).var(correction=0)
    return 0.0 if float(spread) == 0 and torch.isfinite(left) else float(1 - left / spread)

"""Small runs of `rlvr`, and the textbook's reading of their steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rlp_core.data.records import Problem
from rlp_core.data.tokenizer import Codec
from rlp_core.policy import lora
from rlp_core.training.answered import AnsweredGroup, AskedProblem
from rlp_core.training.config import OptimizerConfig, Rlvr
from rlp_core.training.rlvr import RlvrLearner
from tests import models
from tests.training.steps import LEAD, plain, stir

PROMPTS = ("Q: 3+4-5\nA:", "Q: 9-8\nA:", "The nurse", "Q: 1+1+1+1\nA:", "Q: 0\nA:")
THOUGHT = 4
RUNTIME = ("decode_batch_size", "update_token_budget")


def settings(**changes: Any) -> Rlvr:
    values: dict[str, Any] = {
        "steps": 4,
        "problems": 3,
        "answer_tokens": 5,
        "group_size": 4,
        "temperature": 0.7,
        "optimizer": OptimizerConfig(name="adamw", lr=1e-3),
    }
    return Rlvr(**(values | changes))


def problems() -> list[Problem]:
    return [
        Problem(id=f"p{i}", key=f"k{i}", source="s", licence="l", prompt=text, answer="2")
        for i, text in enumerate(PROMPTS)
    ]


def codec(lead: tuple[int, ...] = ()) -> Codec:
    """Of two tokens one ends an answer: random models would hardly ever end one."""
    own = models.codec()
    ends = range(5, len(own.tokenizer), 2)
    return replace(own, lead=lead, end_ids=(own.end_id, *ends))


def odd(answer: str, _problem: Problem) -> bool:
    """A verifier that finds about half of all answers right."""
    return sum(map(ord, answer)) % 2 == 1


def learner(
    seed: int = 5,
    judge: Callable[[str, Problem], bool] = odd,
    lead: bool = False,
    closing: int | None = None,
    **changes: Any,
) -> RlvrLearner:
    """A learner whose reference differs from the policy; `closing` is the token of the close."""
    policy = models.model(seed)
    if "lora" in changes:
        lora.attach(policy, changes["lora"], seed)
        stir(policy, seed)
    fixed = {name: changes.pop(name) for name in RUNTIME if name in changes}
    reads = codec(LEAD if lead else ())
    reads = replace(reads, close_id=closing) if closing is not None else reads
    asked = [AskedProblem.of(problem, reads) for problem in problems()]
    made = RlvrLearner(policy, reads, settings(**changes), THOUGHT, seed, asked, judge, **fixed)
    if made.reference is not None and "lora" not in changes:
        made.reference.load_state_dict(models.model(seed + 1).state_dict())
    return made


def stopping(**changes: Any) -> RlvrLearner:
    """One that closes some of its thoughts itself: a token that it often draws is the close."""
    made = learner(**changes)
    drawn = Counter(token for g in made.groups(0) for i in g.tokens for token in i[1:THOUGHT])
    special = {*made.answering.codec.end_ids, made.answering.codec.open_id}
    often = next(token for token, _ in drawn.most_common() if token not in special)
    return learner(closing=often, **changes)


def textbook(made: RlvrLearner, groups: Sequence[AnsweredGroup]) -> tuple[Tensor, list[Tensor]]:
    """The loss of a step and its gradient, completion by completion, by transformers' attention.

    GRPO's surrogate (arXiv 2402.03300, equation 3) at the first update after sampling, with the
    leave-one-out advantage of RLOO (arXiv 2402.14740), over thought and answer.
    """
    policy, options = plain(made.policy), made.settings
    reference = plain(made.reference) if made.reference is not None else None
    marks = made.answering.worker.marks
    completions = sum(len(group.tokens) for group in groups)
    tokens = sum(len(group.learnt(i)) for group in groups for i in range(len(group.tokens)))
    total = torch.zeros(())
    for group in groups:
        rewards = [float(right) for right in group.right]
        for i, drawn in enumerate(group.tokens):
            others = [reward for j, reward in enumerate(rewards) if j != i]
            advantage = rewards[i] - sum(others) / len(others)
            before = [*group.position.context, *marks.lead, marks.open]
            ids = torch.tensor([[*before, *drawn]])
            logits = policy(input_ids=ids, use_cache=False).logits[0, len(before) - 1 : -1]
            every = (logits / options.temperature).log_softmax(1)
            if reference is not None:
                with torch.no_grad():
                    other = reference(input_ids=ids, use_cache=False).logits[0, len(before) - 1 :]
                    expected = (other[:-1] / options.temperature).log_softmax(1)
            own = len(drawn) - (not group.stopped[i])
            weight = 1 / (own * completions) if options.token_mean == "thought" else 1 / tokens
            for k, token in enumerate(drawn):
                if k == group.closes[i] and not group.stopped[i]:
                    continue  # fed by force
                logprob = every[k, token]
                ratio = torch.exp(logprob - logprob.detach())
                clipped = ratio.clamp(1 - options.clip_low, 1 + options.clip_high)
                total = total - weight * torch.minimum(ratio * advantage, clipped * advantage)
                if reference is not None:
                    gap = expected[k, token] - logprob
                    total = total + weight * options.kl_weight * (gap.exp() - 1 - gap)
                entropy = -(every[k].exp() * every[k]).sum()
                total = total - weight * options.entropy_weight * entropy
    moved = [p for p in policy.parameters() if p.requires_grad]
    found = torch.autograd.grad(total, moved, allow_unused=True)
    zero = [torch.zeros_like(p) for p in moved]
    return total, [z if g is None else g for g, z in zip(found, zero, strict=True)]

"""Small trainers whose models are all apart, and the textbook's reading of their steps."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlp_core.data.records import Document
from rlp_core.data.thought import ThoughtConfig
from rlp_core.objective.reference import (
    ReferenceModels,
    ReferencePosition,
    ReferenceThought,
    Result,
    step_loss,
)
from rlp_core.policy import lora
from rlp_core.rollout.attention import enable
from rlp_core.training.checkpoint import Checkpoints, State
from rlp_core.training.config import LearnerConfig, OptimizerConfig
from rlp_core.training.groups import RolloutGroup
from rlp_core.training.learner import RLPLearner
from rlp_core.training.positions import TokenizedDocument, tokenize_document
from tests import models

TEXTS = ("Q: 3+4-5\nA:2\n", "The nurse said that she was late.\n", "Q: 9-8\nW: 9-8=1\nA:1\n")
RUNTIME = ("decode_batch_size", "update_token_budget")
LEAD = (9, 4, 30, 11)
"""A prompt before every thought, where a test has one."""


def settings(**changes: Any) -> LearnerConfig:
    values: dict[str, Any] = {
        "steps": 4,
        "documents": 2,
        "max_tokens": 40,
        "positions": 2,
        "position_selection": "uniform",
        "group_size": 3,
        "temperature": 0.7,
        "horizon": 1,
        "discount": 1.0,
        "clip_low": 0.2,
        "clip_high": 0.28,
        "ema_decay": 0.9,
        "optimizer": OptimizerConfig(name="adamw", lr=1e-3),
    }
    return LearnerConfig(**(values | changes))


def trainer(
    seed: int = 5, lead: tuple[int, ...] = (), kernel: str = "auto", **changes: Any
) -> RLPLearner:
    """Policy, baseline, start and value head all differ, so that a mix-up shows."""
    policy = models.model(seed)
    assert enable(policy, kernel)
    if "lora" in changes:
        lora.attach(policy, changes["lora"], seed)
        stir(policy, seed)
    fixed = {name: changes.pop(name) for name in RUNTIME if name in changes}
    chosen = settings(**changes)
    made = RLPLearner(
        policy,
        replace(models.codec(), lead=lead),
        chosen,
        ThoughtConfig(open="<think>", close="</think>", max_tokens=6),
        seed,
        documents(chosen.position_selection),
        **fixed,
    )
    for other, model in enumerate((made.ema.model, made.start), start=seed + 1):
        if model is not None and "lora" in changes:
            stir(model, other)
        elif model is not None:
            model.load_state_dict(models.model(other).state_dict())
    made.ema_compute.refresh()
    if made.value is not None:
        with torch.no_grad():
            made.value.out.weight.copy_(torch.linspace(-0.5, 0.5, policy.config.hidden_size))
    return made


def stir(model: PreTrainedModel, seed: int) -> None:
    """Give adapters random weights that clearly matter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)


def stopping(**changes: Any) -> RLPLearner:
    """A trainer some of whose thoughts close themselves.

    Random models hardly ever draw the closing delimiter, so a token that they draw is made it.
    """
    made = trainer(**changes)
    drawn = [tokens for group in made.groups(0) for tokens in group.tokens]
    often = Counter(token for tokens in drawn for token in tokens[2:-1]).most_common()
    opening = made.worker.marks.open
    closing = next(token for token, _ in often if token != opening)
    made.worker = replace(made.worker, marks=replace(made.worker.marks, close=closing))
    return made


def documents(selection: str = "uniform") -> list[TokenizedDocument]:
    documents = [
        Document(id=f"d{i}", key=f"k{i}", source="s", licence="l", text=text, spans=[[2, 3]])
        for i, text in enumerate(TEXTS)
    ]
    return [tokenize_document(models.codec(), document, 40, selection) for document in documents]


def plain(model: PreTrainedModel) -> PreTrainedModel:
    """The same weights in a model that knows nothing of branches."""
    made = models.model(branching=False)
    if lora.adapted(model):
        made = copy.deepcopy(model)
        made.set_attn_implementation("sdpa")
    else:
        made.load_state_dict(model.state_dict())
    return made


def textbook(
    made: RLPLearner, groups: Sequence[RolloutGroup], number: int = 0
) -> tuple[Result, list[Tensor]]:
    """What the textbook makes of drawn groups, and the gradient of the loss.

    Groups of another step carry the log-probabilities that they were drawn with.
    """
    policy, head = plain(made.policy), copy.deepcopy(made.value)
    scorers = ReferenceModels(
        policy,
        plain(made.ema.model),
        made.worker.marks.open,
        made.worker.marks.close,
        plain(made.began_as),
        head,
        made.worker.marks.lead,
    )
    positions = [
        ReferencePosition(
            group.position.document.tokens,
            group.position.index,
            [
                ReferenceThought(
                    tokens, not stopped, None if group.step == number else logprobs, shaping=more
                )
                for tokens, stopped, logprobs, more in zip(
                    group.tokens,
                    group.stopped,
                    group.logprobs,
                    group.shaping or [0.0] * len(group.tokens),
                    strict=True,
                )
            ],
        )
        for group in groups
    ]
    config = made.settings.model_copy(update={"temperature": made.temperature(number)})
    result = step_loss(scorers, positions, config)
    moved = [
        *(p for p in policy.parameters() if p.requires_grad),
        *(head.parameters() if head is not None else ()),
    ]
    return result, list(torch.autograd.grad(result.total, moved))


def gradients(made: RLPLearner) -> list[Tensor]:
    """Those that `accumulate` left, which are cleared."""
    head = made.value.parameters() if made.value is not None else ()
    parameters = [*(p for p in made.policy.parameters() if p.requires_grad), *head]
    found = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    for parameter in parameters:
        parameter.grad = None
    return found


def distance(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """The largest relative difference of any parameter's gradient."""
    return max(
        float((a - b).norm() / (b.norm() + 1e-12)) for a, b in zip(found, expected, strict=True)
    )


def thought_logprobs(
    model: PreTrainedModel, group: RolloutGroup, open_id: int, temperature: float
) -> list[Tensor]:
    """Of every thought's tokens, densely and with gradient."""
    before = [*group.position.context, open_id]
    return [logprobs_after(model, before, tokens, temperature) for tokens in group.tokens]


def logprobs_after(
    model: PreTrainedModel, context: Sequence[int], tokens: Sequence[int], temperature: float = 1.0
) -> Tensor:
    """Of tokens that follow a context, by transformers' own attention."""
    ids = torch.tensor([[*context, *tokens]])
    logits = model(input_ids=ids, use_cache=False).logits[0, len(context) - 1 : -1]
    logprobs = (logits / temperature).log_softmax(1)
    return logprobs.gather(1, torch.tensor(tokens)[:, None])[:, 0]


def saved(state: State, folder: Path) -> State:
    """A state after its way through a file."""
    kept = Checkpoints(folder)
    kept.save(1, state)
    found = kept.latest()
    assert found is not None
    return found[1]


def same(first: State, second: State) -> bool:
    """Whether two states are equal to the bit; NaN equals NaN."""
    return (
        first.everything.keys() == second.everything.keys()
        and repr(first.values) == repr(second.values)
        and all(
            torch.equal(tensor.nan_to_num(7.0), second.everything[name].nan_to_num(7.0))
            for name, tensor in first.everything.items()
        )
    )

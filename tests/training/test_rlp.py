"""The trainer against the textbook: rewards, loss and gradients of fresh random rollouts."""

import torch

from rlp_core.data.records import Document
from rlp_core.params import Optimizer, Rlp, Thought
from rlp_core.rollout.attention import enable
from rlp_core.training.places import text_of
from rlp_core.training.rlp import RlpTrainer
from tests import models

TEXTS = ("Q: 3+4-5\nA:2\n", "The nurse said that she was late.\n", "Q: 9-8\nW: 9-8=1\nA:1\n")


def settings(**changes) -> Rlp:
    values = {
        "steps": 4,
        "documents": 3,
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
        "optimizer": Optimizer(name="adamw", lr=1e-3),
    }
    return Rlp(**(values | changes))


def trainer(seed: int = 5, branching: bool = True, selection="uniform", **changes) -> RlpTrainer:
    policy = models.model(seed)
    if branching:
        assert enable(policy)
    fixed = {k: changes.pop(k) for k in ("micro_batch", "tokens", "compute") if k in changes}
    made = RlpTrainer(
        policy,
        models.codec(),
        settings(position_selection=selection, **changes),
        Thought(open="<think>", close="</think>", max_tokens=6),
        seed,
        texts(selection),
        **fixed,
    )
    apart = models.model(seed + 1)  # apart from the policy, so that a mix-up shows
    made.ema.model.load_state_dict(apart.state_dict())
    return made


def texts(selection: str = "uniform"):
    documents = [
        Document(id=f"d{i}", key=f"k{i}", source="s", licence="l", text=text, spans=[[2, 3]])
        for i, text in enumerate(TEXTS)
    ]
    return [text_of(models.codec(), document, 40, selection) for document in documents]


def gradients(model) -> list[torch.Tensor]:
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]

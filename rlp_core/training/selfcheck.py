"""Branches against the dense path on the first batch of a run, before it is trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.rollout import engine, verify
from rlp_core.training.groups import branches_of, trunks_of

if TYPE_CHECKING:
    from rlp_core.training.learner import RLPLearner

VERIFIED = 2
"""Positions of the first batch that both paths are compared on."""


def verify_branches(learner: RLPLearner) -> None:
    """Compare both paths, and say by how much they differ; go densely where it is too much."""
    model = learner.compute.model
    if not engine.branching(model):
        return
    spent = learner.ledger.state()
    first = [learner.documents[i] for i in learner.indices(0)]
    positions = learner.positions(first, 0)[:VERIFIED]
    groups = learner.draw(positions, 0)
    learner.ledger.restore(spent)
    trunks, _ = trunks_of(positions, learner.worker.marks.lead)
    branches, _ = branches_of(groups, learner.worker.marks, reasoned=True)
    good, worst = verify.agrees(model, trunks, branches)
    print(f"rlp: branch attention differs from the dense path by {worst:.1e} nats at most")
    if not good:
        print("warning: that is more than rounding; thoughts are read densely, which is slower")
        for each in (model, learner.policy, learner.ema.model, learner.start):
            if each is not None:
                each.set_attn_implementation("sdpa")

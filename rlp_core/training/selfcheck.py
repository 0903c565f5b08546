"""Branches against the dense path on the first batch of a run, before it is trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.errors import TrainingError
from rlp_core.rollout import verify
from rlp_core.training.groups import branches_of, trunks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel

    from rlp_core.training.config import Verify
    from rlp_core.training.groups import Delimiters, RolloutGroup
    from rlp_core.training.learner import RLPLearner
    from rlp_core.training.rlvr import RlvrLearner

VERIFIED = 2
"""Positions of the first batch that both paths are compared on."""


def verify_branches(learner: RLPLearner, verdict: Verify) -> None:
    """Compare both paths on thoughts of the first batch, and say by how much they differ.

    Args:
        learner: fresh; nothing of it changes.
        verdict: what a difference is that rounding does not explain; `off`: nothing is compared.

    Raises:
        TrainingError: there is one, and it is an error.
    """
    if verdict == "off":
        return
    spent = learner.ledger.state()
    first = [learner.documents[i] for i in learner.indices(0)]
    positions = learner.positions(first, 0)[:VERIFIED]
    groups = learner.draw(positions, 0)
    learner.ledger.restore(spent)
    _compare(learner.compute.model, groups, learner.worker.marks, verdict, "rlp")


def verify_answers(learner: RlvrLearner, verdict: Verify, name: str) -> None:
    """The same on thoughts with answers, of stage `name`.

    Raises:
        TrainingError: as of `verify_branches`.
    """
    if verdict == "off":
        return
    spent = learner.ledger.state()
    settings, answering = learner.settings, learner.answering
    model, first = learner.compute.model, learner.chosen(0)[:VERIFIED]
    groups = answering.draw(model, first, settings.group_size, settings.temperature, 0)
    learner.ledger.restore(spent)
    _compare(model, groups, answering.worker.marks, verdict, name)


def _compare(
    model: PreTrainedModel,
    groups: Sequence[RolloutGroup],
    marks: Delimiters,
    verdict: Verify,
    name: str,
) -> None:
    """Compare both paths on what was drawn, and say by how much they differ."""
    trunks, _ = trunks_of([group.position for group in groups], marks.lead)
    branches, _ = branches_of(groups, marks, reasoned=True)
    found = verify.compare(model, trunks, branches)
    print(f"{name}: {found}", flush=True)
    if found.good:
        return
    said = "branch attention differs from the dense path by more than rounding"
    if verdict == "error":
        raise TrainingError(
            f"{said}: {found}",
            where=f"{type(model).__name__}, on thoughts of the first batch",
            fix="set runtime.attention to blocks if it is flex, take another version of "
            "transformers, and report it; runtime.verify: warn trains all the same",
        )
    print(f"warning: {said}; what this run learns is in doubt", flush=True)

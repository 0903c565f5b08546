"""Documents by what thinking at them still teaches: shares, epochs, and a run that is taken up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.records import Document
from rlp_core.monitoring.dump import DumpedDocuments, DumpWriter, StepDump
from rlp_core.monitoring.rerun import rerun
from rlp_core.training.config import CurriculumConfig
from rlp_core.training.curriculum import UNKNOWN, Curriculum, level_of
from rlp_core.training.groups import RolloutGroup, ThinkPosition
from rlp_core.training.positions import TokenizedDocument
from tests.training.steps import trainer

ON = CurriculumConfig(strength=0.5, memory=0.5)
COUNTS = {("chains", 1): 6, ("chains", 3): 2, ("heaps", 4): 4}


def document(source: str, difficulty: int, number: int) -> TokenizedDocument:
    record = Document(
        id=f"{source}-{difficulty}-{number}", key="k", source=source, licence="l", text="t",
        difficulty=difficulty,
    )  # fmt: skip
    return TokenizedDocument(number, [1, 2, 3], [1], record)


def corpus() -> list[TokenizedDocument]:
    return [document(*level, n) for level, count in COUNTS.items() for n in range(count)]


def group(of: TokenizedDocument, gains: list[float]) -> RolloutGroup:
    """Thoughts at a place with a baseline of 0, each worth a gain."""
    each = len(gains)
    position = ThinkPosition(of, 1, range(1, 2))
    return RolloutGroup(position, 0, [[2]] * each, [True] * each, [[0.0]] * each, gains, 0.0)


@given(
    strength=st.floats(0, 1),
    success=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    step=st.integers(0, 10_000),
    count=st.integers(1, 64),
)
def test_a_level_is_drawn_by_its_weight(
    strength: float, success: list[float], step: int, count: int
) -> None:
    documents = corpus()
    made = Curriculum(documents, CurriculumConfig(strength=strength), seed=3)
    made.success = success
    assert sum(made.weights) == pytest.approx(1)
    chosen = made.indices(count, step)
    assert chosen == sorted(chosen)
    assert chosen == made.indices(count, step)
    drawn = Counter(level_of(documents[i]) for i in chosen)
    for level, weight in zip(made.levels, made.weights, strict=True):
        assert abs(drawn[level] - weight * count) < 1 + 1e-9


def test_what_is_learnt_and_what_is_out_of_reach_is_drawn_less() -> None:
    made = Curriculum(corpus(), CurriculumConfig(strength=1.0), seed=3)
    equal = made.weights
    assert equal == pytest.approx([6 / 12, 2 / 12, 4 / 12])
    made.success = [1.0, 0.5, 0.1]
    easy, middle, hard = made.weights
    assert easy == 0
    assert middle / 2 > hard / 4 > 0


def test_where_nothing_is_left_to_learn_all_are_drawn_alike() -> None:
    made = Curriculum(corpus(), CurriculumConfig(strength=1.0), seed=3)
    made.success = [1.0, 0.0, 1.0]
    assert made.weights == pytest.approx([6 / 12, 2 / 12, 4 / 12])


def test_the_documents_of_a_level_come_in_epochs() -> None:
    documents = corpus()
    made = Curriculum(documents, ON, seed=3)
    seen: Counter[int] = Counter()
    for step in range(24):
        chosen = made.indices(4, step)
        seen.update(chosen)
        made.learn(chosen, [])
    for level in made.levels:
        times = [seen[i] for i, one in enumerate(documents) if level_of(one) == level]
        assert max(times) - min(times) <= 1


def test_success_is_the_share_of_thoughts_that_helped() -> None:
    documents = corpus()
    made = Curriculum(documents, ON, seed=3)
    helped = [group(documents[0], [1.0, -1.0, 0.5, 2.0]), group(documents[1], [-1.0] * 4)]
    unscored = replace(group(documents[8], [1.0]), baseline=None)
    made.learn([0, 1, 8], [*helped, unscored])
    assert made.success == [0.5 * UNKNOWN + 0.5 * (0.75 + 0) / 2, UNKNOWN, UNKNOWN]
    told = made.metrics([documents[0], documents[8]])
    assert told["difficulty"] == (1 + 4) / 2
    assert told["success_chains"] == pytest.approx((6 * made.success[0] + 2 * UNKNOWN) / 8)
    assert told["share_chains"] + told["share_heaps"] == pytest.approx(1)


def test_its_state_is_all_that_it_remembers() -> None:
    documents = corpus()
    made, other = Curriculum(documents, ON, seed=3), Curriculum(documents, ON, seed=3)
    for step in range(3):
        chosen = made.indices(4, step)
        made.learn(chosen, [group(documents[i], [1.0, -1.0, -1.0]) for i in chosen])
    assert other.indices(4, 3) != made.indices(4, 3)
    other.restore(made.state())
    assert [other.indices(4, step) for step in range(3, 9)] == [
        made.indices(4, step) for step in range(3, 9)
    ]


def test_a_run_that_is_taken_up_ends_as_an_unbroken_one() -> None:
    whole, first, second = (trainer(curriculum=ON) for _ in range(3))
    rows = [whole.step(number).metrics for number in range(4)]
    assert {"difficulty", "share_s", "success_s"} <= rows[0].keys()
    for number in range(2):
        first.step(number)
    second.restore(first.state())
    assert [second.step(number).metrics for number in (2, 3)] == rows[2:]
    for mine, theirs in zip(whole.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_without_strength_the_order_is_that_of_epochs() -> None:
    plain = trainer()
    assert plain.curriculum is None
    assert "curriculum" not in plain.state().values


def test_a_step_of_a_curriculum_is_run_again_from_its_dump(tmp_path: Path) -> None:
    made, again = trainer(curriculum=ON), trainer(curriculum=ON)
    for one in (made, again):
        one.step(0)
    chosen = again.indices(1)
    kept = DumpedDocuments.of(again.documents, chosen)
    metrics = made.step(1).metrics
    step = StepDump(
        1, again.seed, {**again.runtime}, again.settings, again.thought, kept, chosen,
        again.state(), metrics,
    )  # fmt: skip
    folder = DumpWriter(tmp_path).write(step, again.policy, again.codec)
    assert folder is not None
    found = rerun(folder)
    assert not found.raised
    of_levels = {name for name in metrics if name.startswith(("share_", "success_"))}
    expected = {k: v for k, v in metrics.items() if k not in of_levels | {"difficulty"}}
    assert found.metrics == pytest.approx(expected, abs=1e-5)

"""From what was measured to criteria: which figure each takes, and a model whose thoughts help."""

from __future__ import annotations

from typing import Any

import pytest

from rlp_core.advising.criteria import criteria_of
from rlp_core.advising.profile import profile_corpus, profile_demonstrations
from rlp_core.advising.rule import advise
from rlp_core.advising.trial import ModelTrial
from rlp_core.advising.trying import helpful, over
from rlp_core.evaluation.statistics import Estimate
from tests.advising.cases import demonstrations, documents, share


def trial(**changes: Any) -> ModelTrial:
    usual: dict[str, Any] = {
        "asked": 200, "asked_from": "corpus", "thinking": share(0.1), "direct": share(0.1),
        "read": 400, "losses": (), "information_gain": share(0.0), "helpful": share(0.0, 0.005),
        "empty": share(0.0), "forced": share(0.0), "max_thought_tokens": 24,
        "longer_demonstrations": share(0.0),
    }  # fmt: skip
    return ModelTrial(**(usual | changes))


@pytest.mark.parametrize(
    ("shown", "changes", "recommended"),
    [
        (0, {}, "neither"),
        (0, {"helpful": share(0.12, 0.03)}, "rlp"),
        (0, {"helpful": share(0.12, 0.03), "direct": share(0.99, 0.01)}, "neither"),
        (200, {"helpful": share(0.12, 0.03)}, "both"),
        (200, {"thinking": None, "direct": None}, "both"),
    ],
)
def test_the_model_s_own_success_is_heard(
    shown: int, changes: dict[str, Any], recommended: str
) -> None:
    texts = documents(600)
    profile = profile_demonstrations(demonstrations(shown), texts)
    found = criteria_of(profile_corpus(texts), profile, trial(**changes))
    assert advise(found).recommendation == recommended


def test_the_better_way_of_answering_counts() -> None:
    nothing = profile_demonstrations([], [])
    for one, other in ((0.2, 0.9), (0.9, 0.2)):
        found = criteria_of(
            profile_corpus([]), nothing, trial(thinking=share(one), direct=share(other))
        )
        figure = found["solved"].figure
        assert isinstance(figure, Estimate)
        assert figure.value == 0.9


def test_a_thought_is_held_against_no_thought_and_every_control() -> None:
    row = {
        "direct": [-2.0, -1.0],
        "thinking": [[-0.5, -2.0], [-0.1, -0.2]],
        "empty": [[-1.5, -1.5], [-3.0, -3.0]],
        "other": [[-2.5, -1.0], [-3.0, -0.1]],
        "random": [[-4.0, -4.0], [-0.6, -4.0]],
    }
    assert over(row) == pytest.approx([1.0, -1.0, 0.5, -0.1])
    assert over(row, "other") == pytest.approx([-2.0, 0.5, -2.9, 0.1])


def weighed(key: int, thinking: float, other: float) -> dict[str, Any]:
    return {
        "id": str(key), "key": str(key), "direct": [-2.0], "thinking": [[thinking] * 4],
        "empty": [[-2.0] * 4], "other": [[other] * 4], "random": [[-2.0] * 4],
    }  # fmt: skip


def test_what_another_text_s_thought_wins_by_chance_is_taken_off() -> None:
    lots = [weighed(i, -1.0, -3.0) for i in range(10)]
    lots += [weighed(i, -3.0, -1.0) for i in range(10, 20)]
    found = helpful(lots, 1)
    assert found.value == 0
    assert found.low < 0 < found.high
    assert helpful(lots[:10], 1).value == 1
    assert helpful(lots[10:], 1).value == -1


def test_that_no_thought_helped_in_few_texts_does_not_say_that_none_does() -> None:
    few, many = ([weighed(i, -2.0, -2.0) for i in range(count)] for count in (16, 400))
    assert helpful(few, 1).value == helpful(many, 1).value == 0
    assert helpful(few, 1).high > 0.1
    assert helpful(many, 1).high < 0.01

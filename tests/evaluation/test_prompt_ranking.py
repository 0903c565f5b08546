"""The order of prompts, and what may be said of the first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.evaluation.prompt_ranking import NO_PROMPT, RANKED, ranking, verdict

TEXTS = 12


def rows(gain: float, content: float, direct: float = -2.0) -> list[dict[str, Any]]:
    """Texts of two places and two thoughts; thoughts add `gain`, controls `gain - content`."""
    made = []
    for i in range(TEXTS):
        noise = 0.01 * ((7 * i) % 5 - 2)
        thinking = [[-2.0 + gain + noise] * 2] * 2
        control = [[-2.0 + gain - content] * 2] * 2
        made.append(
            {
                "id": f"t{i}", "key": f"t{i}", "positions": [1, 2], "tokens": [1, 1],
                "bytes": [3, 3], "direct": [direct] * 2, "thinking": thinking, "empty": control,
                "other": control, "random": control, "lengths": [3, 0, 3, 3],
                "closed": [1, 1, 0, 1],
            }
        )  # fmt: skip
    return made


def test_the_order_is_by_the_baseline_that_all_share() -> None:
    tree = ranking(
        {NO_PROMPT: rows(0.1, 0.0), "good": rows(0.5, 0.2), "spoils": rows(0.2, 0.0, -4.0)}, 1
    )
    assert tree["order"] == ["good", "spoils", NO_PROMPT]
    spoils = tree["prompts"]["spoils"]
    # by its own baseline it wins
    assert spoils["horizon_gain"]["value"] == pytest.approx(2.2, abs=0.01)
    assert spoils["true_gain"]["value"] == pytest.approx(0.2, abs=0.01)
    good = tree["prompts"]["good"]
    assert good["over_no_prompt"]["value"] == pytest.approx(0.4)
    assert good["over_no_prompt"]["p"] < 0.01
    assert good["content_gain"]["value"] == pytest.approx(0.2, abs=0.01)
    assert good["thought_tokens"]["value"] == pytest.approx(2.25)
    assert good["empty_share"]["value"] == pytest.approx(0.25)
    assert good["true_gain"]["clusters"] == TEXTS
    assert set(RANKED) <= set(good)
    said = verdict(tree)
    assert "First is `good`" in said
    assert "under `good`, `spoils`. What is thought is worth more than every control" in said
    assert said.endswith("under `good`.")


def test_no_more_is_said_than_was_measured() -> None:
    tree = ranking({NO_PROMPT: rows(0.1, 0.0), "same": rows(0.1, 0.0)}, 1)
    assert tree["prompts"]["same"]["over_no_prompt"]["p"] == 1.0
    assert tree["order"][0] == NO_PROMPT
    said = verdict(tree)
    assert "First is no prompt." in said
    worse = verdict(ranking({NO_PROMPT: rows(-0.5, 0.0), "p": rows(-0.4, 0.0)}, 1))
    assert "First is `p`, and even there a thought takes away: -0.40 nats a place." in worse
    assert "Under no prompt are thoughts worth more" in said
    assert "no prompt was seen to make this model think" in said


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=5, unique=True))
def test_the_order_does_not_depend_on_the_order_in_which_prompts_were_measured(
    gains: list[float],
) -> None:
    made = {f"p{i}": rows(gain, 0.0) for i, gain in enumerate(gains)} | {NO_PROMPT: rows(0, 0.0)}
    tree = ranking(made, 3)
    again = ranking(dict(reversed(made.items())), 3)
    assert tree["order"] == again["order"]
    assert tree["prompts"] == again["prompts"]

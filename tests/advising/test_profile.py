"""What is counted of demonstrations and texts, and what is found false in them."""

from __future__ import annotations

import math

import pytest

from rlp_core.advising.profile import profile_corpus, profile_demonstrations
from rlp_core.advising.soundness import checked
from rlp_core.data.records import Demonstration
from tests.advising.cases import demonstrations, documents


def shown(thought: str, continuation: str = "\n", source: str = "mine") -> Demonstration:
    return Demonstration(
        id=thought or "none", key="k", source=source, licence="mine", context="Q: ?\nA:",
        thought=thought, continuation=continuation,
    )  # fmt: skip


def test_amount_is_counted_in_distinct_demonstrations() -> None:
    once = demonstrations(40, shown=0.5)
    again = [demo.model_copy(update={"id": f"again-{demo.id}"}) for demo in once]
    found = profile_demonstrations(once + again, [])
    assert (found.demonstrations, found.distinct, found.contexts) == (80, 40, 40)
    assert found.shown.value == 0.5
    assert (found.usable, found.by_world, found.not_checkable) == (20, 20, 0)
    assert (found.steps.median, found.step_count) == (3, 60)
    assert found.step_forms == 2  # 0+0=0 and 0-0=0
    assert found.sources == {"arithmetic": 80}


@pytest.mark.parametrize("sound", [1.0, 0.7, 0.0])
def test_the_world_finds_the_false_steps(sound: float) -> None:
    found = profile_demonstrations(demonstrations(50, sound=sound), [])
    assert found.sound.value == pytest.approx(sound)
    assert found.usable == round(50 * sound)
    assert found.answers.value == 1
    assert len(found.unsound) == min(3, round(50 * (1 - sound)))
    assert all("is false" in fault for _, fault in found.unsound)


def test_a_wrong_answer_is_unsound_though_every_step_is_true() -> None:
    (demo,) = demonstrations(1)
    wrong = (int(demo.continuation) + 1) % 10
    found = profile_demonstrations([demo.model_copy(update={"continuation": f"{wrong}\n"})], [])
    assert found.answers.value == 0
    assert found.sound.value == 0
    assert found.unsound == ((demo.id, f"the answer '{wrong}' is wrong"),)


@pytest.mark.parametrize(
    ("demo", "sound", "by"),
    [
        (shown("He has 3 + 4 = 7 apples.\nThen 7 * 2 = 14."), True, "equations"),
        (shown("He has 3 + 4 = 8 apples."), False, "equations"),
        (shown("He counts them twice."), None, ""),
        (shown("W: 3+4=8", source="arithmetic"), False, "equations"),  # asks nothing of the world
        (shown("Thus she is late.", source="occupations"), None, ""),  # a world that asks nothing
    ],
)
def test_what_no_world_asks_is_judged_by_its_equations(
    demo: Demonstration, sound: bool | None, by: str
) -> None:
    (found,) = checked([demo])
    assert (found.sound, found.by, found.answer_right) == (sound, by, None)


def test_what_nothing_can_judge_is_counted_and_is_not_held_against_it() -> None:
    demos = [shown("He counts them."), shown("She waits."), shown("")]
    found = profile_demonstrations(demos, [])
    assert (found.not_checkable, found.usable, found.sound.n) == (2, 2, 0)
    assert math.isnan(found.sound.value)
    assert (found.sound.low, found.sound.high) == (0, 1)


def test_overlap_is_by_key_or_by_shared_words() -> None:
    demos = demonstrations(10)
    same = documents(10, seed=0)
    found = profile_demonstrations(demos, same[:4])
    assert (found.repeated, found.overlapping) == (4, 4)
    renamed = [text.model_copy(update={"key": f"other{i}"}) for i, text in enumerate(same[:4])]
    found = profile_demonstrations(demos, renamed)
    assert found.repeated == 0
    assert found.overlapping >= 4
    words = [text.model_copy(update={"text": "Nothing of the kind at all is said here, Sir.",
                                     "spans": []}) for text in renamed]  # fmt: skip
    assert profile_demonstrations(demos, words).overlapping == 0


def test_no_demonstrations_are_no_fault() -> None:
    found = profile_demonstrations([], documents(5))
    assert (found.demonstrations, found.usable, found.lengths.longest) == (0, 0, 0)
    assert found.shown.n == found.sound.n == 0


def test_texts_are_counted_with_their_places() -> None:
    texts = documents(20)
    plain = [t.model_copy(update={"id": f"p{t.id}", "spans": [], "key": t.id}) for t in texts[:5]]
    found = profile_corpus([*texts, *plain, texts[0]])
    assert (found.documents, found.distinct, found.marked) == (26, 25, 20)
    assert found.characters.median == len(texts[0].text)

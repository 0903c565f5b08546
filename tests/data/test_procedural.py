"""Generated records: kinds, sides of the split, identity, and worlds that are too small."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlp_core.data import procedural
from rlp_core.data.procedural_config import Procedural
from rlp_core.data.records import Demonstration, Document, Problem, Record, content_key, heldout
from rlp_core.environments import Environment, get
from rlp_core.errors import ConfigError
from rlp_core.workspace import EVALUATION_PARTS, PARTS, TRAINING_PARTS

SHARE = 0.2
ARITHMETIC = get("arithmetic")
assert isinstance(ARITHMETIC, Environment)


def make(part: str, *, index: int = 0, seed: int = 1, first: int = 0, **keys: Any) -> list[Record]:
    source = Procedural.model_validate(
        {"kind": "procedural", "count": 40}
        | ({} if "world" in keys else {"world": "arithmetic", "max_terms": 3})
        | keys
    )
    return list(
        procedural.records(source, part=part, index=index, seed=seed, share=SHARE, first=first)
    )


@settings(max_examples=40)
@given(st.sampled_from(PARTS), st.integers(0, 5), st.integers(0, 10**6), st.integers(1, 60))
def test_every_record_lies_on_its_side_of_the_split(
    part: str, index: int, seed: int, count: int
) -> None:
    made = make(part, index=index, seed=seed, count=count)
    assert len(made) == count
    assert all(heldout(record.key, SHARE) is (part in EVALUATION_PARTS) for record in made)
    assert len({record.id for record in made}) == count


@pytest.mark.parametrize("part", EVALUATION_PARTS)
def test_no_problem_comes_twice_in_an_evaluation_part(part: str) -> None:
    keys = [record.key for record in make(part, count=300)]
    assert len(set(keys)) == 300


def test_problems_repeat_in_a_training_part() -> None:
    made = make("base", count=500, max_terms=2)
    assert len({record.key for record in made}) < 500
    assert len({record.id for record in made}) == 500


def test_the_key_is_that_of_the_question() -> None:
    for record in make("problems"):
        assert isinstance(record, Problem)
        chain = ARITHMETIC.parse(record.prompt)
        assert record.key == content_key(ARITHMETIC.question(chain))
        assert ARITHMETIC.verify(chain, record.answer)
        assert record.choices == []
        assert record.difficulty == len(ARITHMETIC.expert(chain).steps)


@pytest.mark.parametrize("worked", [0.0, 1.0])
def test_demonstrations_show_their_work_as_asked(worked: float) -> None:
    for record in make("bootstrap", worked=worked):
        assert isinstance(record, Demonstration)
        solution = ARITHMETIC.expert(ARITHMETIC.parse(record.context))
        assert record.thought == (ARITHMETIC.thought(solution) if worked else "")
        assert record.continuation == ARITHMETIC.continuation(solution)


def test_share_of_worked_records_is_about_what_was_asked() -> None:
    made = make("bootstrap", count=2000, worked=0.25)
    shown = sum("=" in record.thought for record in made if isinstance(record, Demonstration))
    assert shown / 2000 == pytest.approx(0.25, abs=0.04)


def test_documents_mark_their_answer() -> None:
    for record in make("rlp"):
        assert isinstance(record, Document)
        [[start, end]] = record.spans
        assert ARITHMETIC.verify(ARITHMETIC.parse(record.text), record.text[start:end])


def test_seed_part_and_place_decide_and_nothing_else() -> None:
    texts = {
        name: [record.key for record in made]
        for name, made in {
            "one": make("base"),
            "again": make("base"),
            "other seed": make("base", seed=2),
            "other part": make("rlp"),
            "other place": make("base", index=1),
        }.items()
    }
    assert texts["one"] == texts.pop("again")
    assert len({tuple(keys) for keys in texts.values()}) == 4


def test_a_longer_count_begins_with_the_shorter() -> None:
    assert make("base", count=20) == make("base", count=40)[:20]


def test_ids_name_world_part_and_number() -> None:
    assert [record.id for record in make("base", count=2, first=123)] == [
        "arithmetic-base-000123",
        "arithmetic-base-000124",
    ]


@pytest.mark.parametrize("count", [1, 40, 41])
def test_occupations_are_balanced_in_training(count: int) -> None:
    made = make("base", world="occupations", count=count)
    pronouns = Counter(word for r in made for word in _text(r).split() if word in ("he", "she"))
    assert sum(pronouns.values()) == count
    assert abs(pronouns["he"] - pronouns["she"]) == count % 2


def test_twins_lie_on_one_side_and_evaluation_takes_one_of_them() -> None:
    training, evaluation = (
        make(part, world="occupations", count=20) for part in ("base", "heldout")
    )
    assert not {r.key for r in training} & {r.key for r in evaluation}
    assert len({r.key for r in evaluation}) == 20
    assert Counter("she" in _text(r).split() for r in evaluation) == {True: 10, False: 10}


@pytest.mark.parametrize("part", ["bootstrap", "finetune", "problems"])
def test_occupations_make_documents_only(part: str) -> None:
    with pytest.raises(ConfigError, match="documents only") as caught:
        make(part, world="occupations")
    assert f"prepare.{part}[0]" in caught.value.where


def test_a_world_that_is_too_small_says_so() -> None:
    with pytest.raises(ConfigError, match="too small: 200 different") as caught:
        make("problems", count=200, max_terms=2)
    assert "prepare.problems[0].count" in caught.value.where


@pytest.mark.parametrize("part", TRAINING_PARTS)
def test_training_never_meets_a_held_out_problem(part: str) -> None:
    held = {record.key for record in make("problems", count=100)}
    assert not held & {record.key for record in make(part, count=2000)}


def _text(record: Record) -> str:
    assert isinstance(record, Document)
    return record.text.rstrip(".\n")

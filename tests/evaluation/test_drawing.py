"""Equal shares, by content, whatever the order of the file."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.records import Document, Problem, content_key
from rlp_core.evaluation.drawing import draw_equally, draw_problems, shares
from rlp_core.params import load

EVALUATE = load(Path(__file__).resolve().parents[2] / "profiles" / "tiny.yaml").evaluate
SIZES = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 30), min_size=1)


def problems(sizes: dict[str, int]) -> list[Problem]:
    return [
        Problem(
            id=f"{s}{n}",
            key=content_key(f"{s} {n}"),
            source=s,
            licence="l",
            benchmark=s,
            prompt=f"{s} {n}",
            answer="1",
        )
        for s, size in sizes.items()
        for n in range(size)
    ]


def documents(sizes: dict[str, int]) -> list[Document]:
    return [
        Document(id=f"{s}{n}", key=content_key(f"{s} {n}"), source=s, licence="l", text="t")
        for s, size in sizes.items()
        for n in range(size)
    ]


@given(SIZES, st.integers(1, 100))
def test_shares_are_as_equal_as_the_groups_allow(sizes: dict[str, int], limit: int) -> None:
    given_ = shares(sizes, limit)
    assert sum(given_.values()) == min(limit, sum(sizes.values()))
    assert all(given_[name] <= size for name, size in sizes.items())
    short = [given_[name] for name, size in sizes.items() if given_[name] < size]
    assert not short or max(given_.values()) - min(short) <= 1


@given(SIZES, st.integers(1, 60), st.randoms(use_true_random=False))
def test_the_order_of_the_file_changes_nothing_but_the_order(sizes, limit, random) -> None:
    made = documents(sizes)
    shuffled = random.sample(made, len(made))
    chosen = draw_equally(made, limit, lambda d: d.source)
    assert chosen == [d for d in made if d in chosen]
    assert {d.id for d in draw_equally(shuffled, limit, lambda d: d.source)} == {
        d.id for d in chosen
    }


def test_the_first_records_are_not_what_is_drawn() -> None:
    made = documents({"a": 500})
    drawn = {d.id for d in draw_equally(made, 100, lambda d: d.source)}
    assert 5 < len(drawn & {d.id for d in made[:100]}) < 50


@given(SIZES, st.integers(1, 40), st.integers(1, 60))
def test_what_is_asked_of_one_benchmark_changes_no_other(sizes, own, limit) -> None:
    made = problems(sizes | {"z": 40})
    settings = EVALUATE.model_copy(update={"problems": limit, "problems_of": {"z": own}})
    chosen = draw_problems(made, settings)
    assert chosen == [p for p in made if p in chosen]
    others = [p for p in made if p.benchmark != "z"]
    assert [p for p in chosen if p.benchmark != "z"] == draw_equally(
        others, limit, lambda p: p.benchmark
    )
    assert len([p for p in chosen if p.benchmark == "z"]) == own
    assert draw_problems(made, settings.model_copy(update={"problems_of": {}})) == draw_equally(
        made, limit, lambda p: p.benchmark
    )


@given(SIZES)
def test_other_sources_do_not_change_which_of_a_source_come_first(sizes: dict[str, int]) -> None:
    alone = [d.id for d in draw_equally(documents({"z": 40}), 5, lambda d: d.source)]
    limit = sum(shares(sizes | {"z": 40}, 5 * (len(sizes) + 1)).values())
    beside = draw_equally(documents(sizes | {"z": 40}), limit, lambda d: d.source)
    assert set(alone) <= {d.id for d in beside}

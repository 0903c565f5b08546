"""Which rows a limit takes."""

from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.draw import Drawn
from rlp_core.data.records import Document, content_key

TEXTS = st.lists(st.text("abcdef", min_size=3, max_size=9), max_size=40, unique=True)


def drawn(texts: list[str], limit: int, how: str = "hash") -> tuple[list[str], Drawn]:
    made = Drawn(limit, how)  # type: ignore[arg-type]
    found = []
    for number, text in enumerate(texts):
        record = Document(id=f"{number}", key=content_key(text), source="s", licence="l", text=text)
        found += [one.model_dump()["text"] for one in made.add([record], "f")]
        if made.full:
            break
    found += [one.model_dump()["text"] for one, _ in made.chosen()]
    return found, made


@given(TEXTS, st.integers(0, 50), st.randoms())
def test_the_same_rows_are_drawn_in_whatever_order_they_come(
    texts: list[str], limit: int, rng: object
) -> None:
    found, made = drawn(texts, limit)
    shuffled = sorted(texts, key=lambda _: rng.random())  # type: ignore[attr-defined]
    assert set(drawn(shuffled, limit)[0]) == set(found)
    assert found == [text for text in texts if text in found]
    assert len(found) == made.used == (min(limit, len(texts)) if limit else len(texts))
    assert made.used + made.passed_over["limit"] == len(texts)


@given(TEXTS, st.integers(1, 50))
def test_the_first_rows_where_that_is_asked_for(texts: list[str], limit: int) -> None:
    found, made = drawn(texts, limit, "first")
    assert found == texts[:limit]
    assert made.used == len(found)


@given(TEXTS, st.integers(1, 20))
def test_a_greater_limit_keeps_what_a_smaller_one_drew(texts: list[str], limit: int) -> None:
    assert set(drawn(texts, limit)[0]) <= set(drawn(texts, limit + 1)[0])


def test_a_limit_does_not_draw_what_the_split_holds_out() -> None:
    texts = [f"text {n}" for n in range(1000)]
    found = drawn(texts, 100)[0]
    first_digits = [int(content_key(text)[0], 16) for text in found]
    assert 4 < sum(first_digits) / len(found) < 11

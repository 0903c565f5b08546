"""What a limit on tokens cost: counted, and told by its size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.errors import ConfigError
from rlp_core.training.truncation import ERROR_SHARE, WARNING_SHARE, Truncation

lengths = st.lists(
    st.integers(1, 50).flatmap(lambda whole: st.tuples(st.just(whole), st.integers(0, whole)))
)


@given(lengths)
def test_every_record_is_whole_cut_or_dropped_and_every_token_kept_or_lost(pairs) -> None:
    found = Truncation.of(pairs)
    whole = sum(kept == tokens for tokens, kept in pairs)
    assert found.records == whole + found.cut + found.dropped == len(pairs)
    assert found.tokens - found.lost == sum(kept for _, kept in pairs)
    assert all(0 <= value <= 1 for value in found.metrics().values())
    assert (found.lost == 0) == (found.cut == found.dropped == 0)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([(10, 10)] * 100, ""),
        ([], ""),
        ([(10, 10)] * 99 + [(10, 9)], "part 'p', a.b: 1 of 100 records cut"),
        ([(10, 10)] * 9 + [(10, 4)], "warning: part 'p', a.b: 1 of 10 records cut (10.0%)"),
        ([(10, 10)] * 9 + [(1, 0)], "warning: part 'p', a.b: 0 of 10 records cut (0.0%), 1 drop"),
    ],
)
def test_what_is_lost_is_said_and_much_is_a_warning(pairs, said, capsys) -> None:
    Truncation.of(pairs).tell("p", "a.b")
    out = capsys.readouterr().out
    assert out.startswith(said)
    assert bool(out) == bool(said)


@pytest.mark.parametrize("pairs", [[(10, 4)], [(1, 0), (1, 0), (100, 100)]])
def test_where_most_is_lost_the_stage_refuses(pairs) -> None:
    with pytest.raises(ConfigError, match="most of the data") as raised:
        Truncation.of(pairs).tell("p", "a.b")
    assert "a.b" in raised.value.where
    assert "chunk_chars" in raised.value.fix


def test_a_warning_comes_before_an_error() -> None:
    assert 0 < WARNING_SHARE < ERROR_SHARE < 1

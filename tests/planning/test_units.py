"""Sizes of memory as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.errors import EXIT_USAGE, UsageError
from rlp_core.planning.units import UNITS, bytes_of, gigabytes


@given(st.integers(1, 10**6), st.sampled_from(sorted(UNITS)), st.sampled_from(["", " "]))
def test_a_number_and_a_unit_are_read(number: int, unit: str, space: str) -> None:
    for written in (unit, unit.lower(), unit.upper()):
        assert bytes_of(f"{number}{space}{written}", "here") == number * UNITS[unit]


def test_decimal_and_binary_units_differ() -> None:
    assert bytes_of("80GB", "here") == 80 * 10**9
    assert bytes_of("1.5GiB", "here") == 3 * 2**29


@pytest.mark.parametrize("text", ["", "80", "GB", "80 bananas", "-4GB", "0GB", "4GB8", "4,5GB"])
def test_what_is_no_size_is_told(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        bytes_of(text, "rlp plan --memory")
    assert caught.value.exit_code == EXIT_USAGE
    assert repr(text) in str(caught.value)
    assert "rlp plan --memory" in str(caught.value)
    assert "80GB" in str(caught.value)


@pytest.mark.parametrize(
    ("size", "told"), [(80 * 10**9, "80.0"), (6_882_299_904, "6.88"), (1_500_000, "0.002")]
)
def test_three_digits_are_told(size: int, told: str) -> None:
    assert gigabytes(size) == told

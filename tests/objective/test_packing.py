import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.objective.packing import owners, steps


@given(st.lists(st.integers(0, 5), max_size=6))
def test_each_element_knows_its_row_and_its_place_there(lengths):
    packed = torch.tensor(lengths, dtype=torch.long)
    expected = [(row, step) for row, length in enumerate(lengths) for step in range(length)]
    assert list(zip(owners(packed).tolist(), steps(packed).tolist(), strict=True)) == expected

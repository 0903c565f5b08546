import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.rollout.rng import generator, number_of, uniform

numbers = st.integers(0, 2**62)


@given(st.lists(numbers, min_size=1, max_size=6))
def test_a_number_is_a_function_of_its_coordinates(coordinates):
    first = float(uniform(*coordinates))
    assert 0 <= first < 1
    assert first == float(uniform(*coordinates))


@given(numbers, numbers, st.integers(1, 20))
def test_an_array_gives_what_its_cells_give_one_by_one(seed, step, count):
    tokens = np.arange(count)
    together = uniform(seed, step, tokens)
    assert together.tolist() == [float(uniform(seed, step, t)) for t in tokens]


def test_the_order_of_coordinates_matters_and_neighbours_differ():
    assert uniform(1, 2) != uniform(2, 1)
    grid = uniform(np.arange(50)[:, None], np.arange(50)[None])
    assert len(np.unique(grid)) == grid.size


def test_the_numbers_are_uniform_and_uncorrelated():
    values = uniform(7, np.arange(200_000))
    counts, _ = np.histogram(values, bins=20, range=(0, 1))
    assert np.abs(counts - 10_000).max() < 5 * np.sqrt(10_000)
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.01


def test_names_and_generators_are_stable():
    assert number_of("a") == number_of("a") != number_of("b")
    assert 0 <= number_of("a") < 2**63
    assert generator(1, 2).integers(100, size=5).tolist() == [
        *generator(1, 2).integers(100, size=5).tolist()
    ]
    assert (generator(1, 2).random(8) != generator(1, 3).random(8)).all()

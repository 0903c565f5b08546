"""The benchmarks that come with the package, on their published files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from rlp_core.data import files
from rlp_core.data.config import Files
from rlp_core.data.mapping import Mapper
from rlp_core.data.opening import Form
from rlp_core.data.records import Problem
from rlp_core.evaluation import benchmarks
from rlp_core.workspace import CHOICE_RULES
from tests.evaluation import test_hub_benchmarks
from tests.evaluation.test_benchmarks import WORLDS

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

# Problems, and how many options they have: of the files' own README, or counted in them.
EXPECTED = {
    "aqua": (254, {5: 254}),
    "arc-challenge": (1172, {3: 4, 4: 1165, 5: 3}),
    "arc-easy": (2376, {3: 7, 4: 2365, 5: 4}),
    "bbh": (5574, {0: 5574}),
    "boolq": (3270, {2: 3270}),
    "cladder": (844, {2: 844}),
    "commonsense-qa": (1221, {5: 1221}),
    "e-care": (2132, {2: 2132}),
    "folio": (204, {3: 204}),
    "gsm8k": (1319, {0: 1319}),
    "hellaswag": (10042, {4: 10042}),
    "mmlu-sample": (2842, {4: 2842}),
    "piqa": (1838, {2: 1838}),
    "strategyqa": (229, {2: 229}),
    "winogrande": (1267, {2: 1267}),
}


def problems(name: str) -> list[Problem]:
    benchmark = benchmarks.read(benchmarks.BUILT_IN / f"{name}.yaml")
    source = benchmark.source
    assert isinstance(source, Files)
    if not list(DATA.glob(source.pattern)):
        pytest.skip(f"{DATA} holds no {source.pattern}")
    common = {"benchmark": name, "rule": benchmark.answer, "group": benchmark.group}
    mapper = Mapper(source, Problem, 0.1, name, common)
    found = []
    for path in files.matching(DATA, source.pattern):
        for row in files.read_rows(path, Form(1_000_000, source.separator, source.encoding)):
            found += mapper.records(row.fields, f"{name}-{row.number}", row.where)
    assert all(isinstance(one, Problem) for one in found)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("name", EXPECTED)
def test_every_problem_is_read_and_has_its_answer_among_its_options(name: str) -> None:
    found = problems(name)
    count, options = EXPECTED[name]
    assert len(found) == count
    assert Counter(len(one.choices) for one in found) == options
    assert (found[0].rule in CHOICE_RULES) is bool(found[0].choices)
    for one in found:
        assert not one.choices or one.answer in one.choices
        assert one.prompt == one.prompt.rstrip(" ")  # the answer brings its space with it
        assert all(text[:1] == " " for _, text in one.weighed())


def test_truthful_answers_stand_first_among_wrong_ones() -> None:
    found = problems("truthfulqa")
    assert len(found) == 817
    assert all(one.answer == one.choices[0] for one in found)
    assert Counter(len(one.choices) for one in found)[2] == 40


def test_winogrande_reads_a_name_and_weighs_how_the_sentence_goes_on() -> None:
    one = problems("winogrande")[0]
    assert one.weighed() == [
        ("Sarah was a much better surgeon than Maria so Sarah", " always got the easier cases."),
        ("Sarah was a much better surgeon than Maria so Maria", " always got the easier cases."),
    ]
    assert one.answer == "Maria"


def test_every_benchmark_of_files_is_looked_at_here() -> None:
    elsewhere = {"mawps", "truthfulqa", *WORLDS}  # test_prepare.py; above; test_benchmarks.py
    elsewhere |= {*test_hub_benchmarks.ROWS, "gpqa-diamond"}
    assert set(benchmarks.files(Path("nowhere"))) == set(EXPECTED) | elsewhere

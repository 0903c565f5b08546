"""The worked examples that a benchmark names: prepared beside its problems, and never asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlp_core.data import files as rows_of_files
from rlp_core.data import prepare as library
from rlp_core.data.benchmark_config import Benchmark
from rlp_core.data.config import Files
from rlp_core.data.mapping import Mapper
from rlp_core.data.opening import Form
from rlp_core.data.records import Problem
from rlp_core.errors import ConfigError
from rlp_core.evaluation import benchmarks
from rlp_core.files import read_jsonl
from rlp_core.stages import prepare as stage
from tests.contracts.samples import measured, record
from tests.data.test_prepare import files, put, settings
from tests.evaluation.test_benchmarks import GOOD, write

MAPPING = {"prompt": "Q: {q}\nA:", "choices_field": "o", "answer": "{a}"}
SOURCE = files(pattern="test.jsonl", mapping=MAPPING)
EXAMPLES = {"pattern": "train.jsonl"}
WEIGHED: dict[str, Any] = GOOD | {"answer": "acc", "source": SOURCE}


def rows(low: int, high: int) -> list[dict[str, Any]]:
    return [{"q": f"{n}?", "o": ["yes", "no"], "a": "no"} for n in range(low, high)]


def prepared(root: Path, *described: dict[str, Any]) -> tuple[list[Problem], list[dict[str, Any]]]:
    """The problems of benchmarks `b0`, `b1`, ..., and their sources in the manifest."""
    out = root / "out"
    out.mkdir()
    used = {f"b{n}": Benchmark.model_validate(WEIGHED | of) for n, of in enumerate(described)}
    told = library.prepare(settings(), used, 1, root, out)["parts"]["problems"]["sources"]
    return [Problem.model_validate(row) for row in read_jsonl(out / "problems.jsonl")], told


def test_examples_are_read_as_problems_are_but_for_what_they_name() -> None:
    told = {"pattern": "train.jsonl", "limit": 7, "mapping": {"answer": "{right}"}}
    made = Benchmark.model_validate(WEIGHED | {"examples": told})
    assert isinstance(made.examples, Files)
    assert made.examples.model_dump() == {
        **made.source.model_dump(),
        "pattern": "train.jsonl",
        "limit": 7,
        "mapping": {**made.source.model_dump()["mapping"], "answer": "{right}"},
    }
    assert Benchmark.model_validate(WEIGHED).examples is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"examples": {"patern": "x"}}, "did you mean `pattern`?"),
        ({"examples": {}}, "names the rows of `source` again"),
        ({"examples": {"pattern": "test.jsonl"}}, "names the rows of `source` again"),
        ({"examples": "train.jsonl"}, "Input should be a valid dictionary"),
        ({"examples": EXAMPLES, "answer": "choice"}, "belong to options that are weighed"),
        ({"examples": {"kind": "procedural"}}, "'files', 'hub'"),
    ],
)
def test_examples_that_cannot_be_are_told(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, "mine.yaml", **(WEIGHED | changes))
    with pytest.raises(ConfigError) as caught:
        benchmarks.load(["mine"], tmp_path)
    assert message in caught.value.what
    assert str(path) in caught.value.where


def test_they_stand_behind_all_problems_under_ids_of_their_own(tmp_path: Path) -> None:
    put(tmp_path, "test.jsonl", rows(0, 4))
    put(tmp_path, "train.jsonl", rows(3, 9))
    found, told = prepared(
        tmp_path,
        {"problems": 3, "examples": EXAMPLES | {"limit": 5}},
        {"source": SOURCE | {"name": "m"}},
    )
    assert [(one.benchmark, one.role) for one in found] == [
        *[("b0", "asked")] * 3,
        *[("b1", "asked")] * 4,
        *[("b0", "example")] * 5,
    ]
    assert {one.rule for one in found} == {"acc"}
    assert len({one.id for one in found}) == len(found)
    assert all(one.id.endswith("/example") == (one.role == "example") for one in found)
    assert [(of["benchmark"], of.get("role"), of["records"], of["left_out"]) for of in told] == [
        ("b0", None, 3, 1),
        ("b1", None, 4, 0),
        ("b0", "example", 5, 0),
    ]
    assert told[2]["rows_passed_over"] == {"limit": 1}
    assert [stage._told(of) for of in told] == [
        "3 problems, 1 left out",
        "4 problems",
        "5 examples",
    ]
    assert "role" not in found[0].model_dump()


def test_rows_of_one_file_may_be_shared_out(tmp_path: Path) -> None:
    put(tmp_path, "test.jsonl", rows(0, 60))
    source = SOURCE | {"hash_between": [0.2, 1.0]}
    found, _ = prepared(tmp_path, {"source": source, "examples": {"hash_between": [0.0, 0.2]}})
    keys = {role: {o.key for o in found if o.role == role} for role in ("asked", "example")}
    assert keys["example"]
    assert not keys["asked"] & keys["example"]
    assert len(keys["asked"] | keys["example"]) == 60


def test_a_file_that_is_not_there_takes_no_problem_with_it_and_is_told(tmp_path: Path) -> None:
    put(tmp_path, "test.jsonl", rows(0, 4))
    found, told = prepared(tmp_path, {"examples": EXAMPLES})
    assert {one.role for one in found} == {"asked"}
    assert (told[1]["absent"], told[1]["records"], told[1]["licence"]) == (True, 0, "MIT")
    assert "no file matches `examples.pattern` = 'train.jsonl'" in stage._told(told[1])


def test_examples_without_choices_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "test.jsonl", rows(0, 4))
    put(tmp_path, "train.jsonl", [{"q": "q", "o": [], "a": "no"}])
    with pytest.raises(ConfigError, match="has no choices"):
        prepared(tmp_path, {"examples": EXAMPLES})


def test_what_is_shown_may_be_trained_on_and_what_is_asked_may_not() -> None:
    asked = record("problems", 4)
    leaked = record("rlp", 2, key=asked["key"])
    for role, clean in (("asked", False), ("example", True)):
        table = measured("rlp", [leaked], evaluations={"problems": [asked | {"role": role}]})
        assert table.columns["rule_leak"] == [clean]


DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NAMED = {
    name: benchmark
    for name, path in benchmarks.files(DATA / "nowhere").items()
    if isinstance((benchmark := benchmarks.read(path)).examples, Files)
}


@pytest.mark.parametrize("name", NAMED)
def test_published_examples_are_read_as_the_problems_are(name: str) -> None:
    """Each has its answer among its options, and few are asked as well."""
    benchmark, made = NAMED[name], {}
    for what, source in (("asked", benchmark.source), ("example", benchmark.examples)):
        assert isinstance(source, Files)
        if not list(DATA.glob(source.pattern)):
            pytest.skip(f"{DATA} holds no {source.pattern}")
        common = {"benchmark": name, "rule": benchmark.answer, "role": what}
        mapper = Mapper(source, Problem, 0.1, name, common)
        made[what] = [
            one
            for path in rows_of_files.matching(DATA, source.pattern)
            for row in rows_of_files.read_rows(path, Form(1_000_000, "", ""))
            for one in mapper.records(row.fields, f"{name}-{row.number}", row.where)
        ]
    shown = [one for one in made["example"] if isinstance(one, Problem)]
    assert len(shown) >= 250
    assert all(one.answer in one.choices and one.role == "example" for one in shown)
    asked = {one.key for one in made["asked"]}
    assert sum(one.key in asked for one in shown) < 0.01 * len(shown)

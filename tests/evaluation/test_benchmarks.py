"""Benchmarks by name: found, checked, told apart in the metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data import prepare as library
from rlp_core.data.benchmark_config import Benchmark
from rlp_core.data.procedural_config import Procedural
from rlp_core.data.records import Problem
from rlp_core.errors import ConfigError
from rlp_core.evaluation import benchmarks
from rlp_core.evaluation.abilities import ability_statistics, chance_levels
from rlp_core.evaluation.benchmarks import benchmarks_in
from rlp_core.evaluation.statistics import Resampler
from rlp_core.evaluation.written import marked
from rlp_core.files import read_jsonl
from tests.data.test_prepare import files, put, settings
from tests.evaluation import arms

GOOD: dict[str, Any] = {
    "title": "T",
    "description": "d",
    "licence": "MIT",
    "answer": "exact",
    "source": files(mapping={"prompt": "{q}", "answer": "{a}"}),
}
GONE = object()


def write(folder: Path, name: str, **changes: Any) -> Path:
    tree = {key: value for key, value in (GOOD | changes).items() if value is not GONE}
    path = folder / name
    path.write_text(yaml.safe_dump(tree))
    return path


def test_those_that_come_with_the_package_can_be_read(tmp_path: Path) -> None:
    known = benchmarks.files(tmp_path / "nowhere")
    assert {"arithmetic", "gsm8k"} <= set(known)
    assert all(isinstance(benchmarks.read(path), Benchmark) for path in known.values())


def test_those_of_the_user_are_found_in_the_order_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "mine.yaml")
    assert list(benchmarks.load(["mine", "arithmetic"], tmp_path)) == ["mine", "arithmetic"]


def test_an_unknown_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no benchmark is called 'aritmetic'") as caught:
        benchmarks.load(["aritmetic"], tmp_path)
    assert "did you mean `arithmetic`?" in caught.value.fix
    assert caught.value.where == "params.yaml, key evaluate.benchmarks"


@pytest.mark.parametrize("name", ["arithmetic.yaml", "arithmetic.yml"])
def test_a_name_that_stands_twice_is_told_with_both_files(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name)
    with pytest.raises(ConfigError, match="two benchmarks are called 'arithmetic'") as caught:
        benchmarks.load(["gsm8k"], tmp_path)
    assert str(path) in caught.value.where
    assert str(benchmarks.BUILT_IN) in caught.value.where


@pytest.mark.parametrize("name", ["Capitals.yaml", "a b.yaml", "ä.yaml", "-.yaml"])
def test_a_name_that_no_metric_can_carry_is_told(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    with pytest.raises(ConfigError, match="cannot name a benchmark"):
        benchmarks.load(["arithmetic"], tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": GONE}, "`title`: missing"),
        ({"source": GONE}, "`source`: missing"),
        ({"answr": "exact"}, "unknown key; did you mean `answer`?"),
        ({"answer": "fuzzy"}, "Input should be 'exact', 'math', 'choice'"),
        ({"licence": "GPL-3.0"}, "must be equal"),
        ({"problems": -1}, "greater than or equal to 0"),
        ({"source": {"kind": "web"}}, "'procedural', 'files', 'hub'"),
        ({"source": GOOD["source"] | {"patern": "x"}}, "did you mean `pattern`?"),
    ],
)
def test_a_file_that_is_no_benchmark_is_told(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, "mine.yaml", **changes)
    with pytest.raises(ConfigError) as caught:
        benchmarks.load(["mine"], tmp_path)
    assert message in caught.value.what
    assert str(path) in caught.value.where
    assert "add-a-benchmark.md" in caught.value.fix


@pytest.mark.parametrize("text", ["title: [1", "- a list\n", "", "title: a\ntitle: b\n"])
def test_a_file_that_is_no_yaml_mapping_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        benchmarks.load(["mine"], tmp_path)
    assert str(tmp_path / "mine.yaml") in caught.value.where
    assert "add-a-benchmark.md" in caught.value.fix


# ------------------------------------------------------------------------------ their problems


def prepared(root: Path, **used: dict[str, Any]) -> list[Problem]:
    out = root / "out"
    out.mkdir()
    made = {name: Benchmark.model_validate(GOOD | changes) for name, changes in used.items()}
    library.prepare(settings(), made, 1, root, out)
    return [Problem.model_validate(row) for row in read_jsonl(out / "problems.jsonl")]


def test_at_most_so_many_are_drawn_by_content(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", [{"q": f"q {n}", "a": "1"} for n in range(100)])
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "in").symlink_to(tmp_path / "in")
    whole = prepared(tmp_path, mine={})
    drawn = prepared(tmp_path / "x", mine={"problems": 10})
    assert (len(whole), len(drawn)) == (100, 10)
    assert [p for p in whole if p in drawn] == drawn
    assert drawn != whole[:10]


@pytest.mark.parametrize("answer", ["exact", "choice"])
def test_choices_and_their_rule_belong_together(tmp_path: Path, answer: str) -> None:
    put(tmp_path, "a.jsonl", [{"q": "q", "a": "1", "o": ["1", "2"]}])
    mapping = {"prompt": "{q}", "answer": "{a}"}
    mapping |= {"choices_field": "o"} if answer == "exact" else {}
    with pytest.raises(ConfigError, match=r"has (no )?choices"):
        prepared(tmp_path, mine={"answer": answer, "source": files(mapping=mapping)})


def test_two_benchmarks_of_one_world_ask_different_problems(tmp_path: Path) -> None:
    world = {"kind": "procedural", "world": "arithmetic", "count": 20}
    chains = {"licence": "CC0-1.0", "source": world}
    made = prepared(tmp_path, one=chains, two=chains)
    assert len({p.id for p in made}) == 40
    assert [p.key for p in made[:20]] != [p.key for p in made[20:]]


PACKAGE = {path.stem: benchmarks.read(path) for path in benchmarks.BUILT_IN.glob("*.yaml")}
WORLDS = sorted(name for name, part in PACKAGE.items() if part.source.kind == "procedural")


@pytest.mark.parametrize("name", WORLDS)
def test_a_benchmark_of_a_world_has_as_many_problems_as_it_says(tmp_path: Path, name: str) -> None:
    benchmark = PACKAGE[name]
    assert isinstance(benchmark.source, Procedural)
    out = tmp_path / "out"
    out.mkdir()
    library.prepare(settings(), {name: benchmark}, 1, tmp_path, out)
    made = [Problem.model_validate(row) for row in read_jsonl(out / "problems.jsonl")]
    assert len({p.key for p in made}) == len(made) == benchmark.source.count
    assert all(marked(p.answer, p) for p in made)
    assert {p.group for p in made} == {benchmark.group} != {"other"}


# ------------------------------------------------------------------------------- their metrics


def rows(**rights: list[int]) -> list[dict[str, Any]]:
    made = arms._problems(0.5, 0.5, 0)
    return [
        made[0]
        | {"id": f"{name}{n}", "key": f"{name}{n}", "benchmark": name}
        | {"thinking": [right], "direct": [0]}
        for name, members in rights.items()
        for n, right in enumerate(members)
    ]


SCORES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.lists(st.integers(0, 1), min_size=1, max_size=9),
    min_size=1,
)


@given(SCORES)
def test_the_macro_average_weighs_benchmarks_alike(rights: dict[str, list[int]]) -> None:
    heldout = arms._heldout(1.0, 0.2, 0)
    made = {n: s.value() for n, s in ability_statistics(rows(**rights), heldout).items()}
    assert benchmarks_in(made) == sorted(rights)
    for name, members in rights.items():
        assert made[f"pass_at_1_thinking/{name}"] == pytest.approx(np.mean(members))
    means = [np.mean(members) for members in rights.values()]
    assert made["pass_at_1_thinking"] == pytest.approx(np.mean(means))


def test_with_one_benchmark_its_metric_is_the_average_and_so_is_the_interval() -> None:
    made = ability_statistics(rows(a=[1, 0, 1, 1, 0, 1]), arms._heldout(1.0, 0.2, 0))
    resampler = Resampler(1, 200)
    for name in ("pass_at_1_thinking", "thought_tokens"):
        assert resampler.estimate(made[name]) == resampler.estimate(made[f"{name}/a"])


def test_benchmarks_of_one_ability_are_averaged_too() -> None:
    made_up = rows(a=[1, 0], b=[1, 1], c=[0, 0, 0])
    of = {"a": "commonsense", "b": "commonsense", "c": "mathematics"}
    grouped = [row | {"group": of[row["benchmark"]]} for row in made_up]
    made = ability_statistics(grouped, arms._heldout(1.0, 0.2, 0))
    assert made["pass_at_1_thinking/group:commonsense"].value() == pytest.approx(0.75)
    assert made["pass_at_1_thinking"].value() == pytest.approx(0.5)
    assert "pass_at_1_thinking/group:mathematics" not in made  # one benchmark: it says it itself
    assert benchmarks_in(made) == ["a", "b", "c"]


def test_problems_of_one_cluster_are_drawn_together() -> None:
    made_up = [row | {"cluster": f"k{i % 3}"} for i, row in enumerate(rows(a=[1, 0] * 6))]
    made = ability_statistics(made_up, arms._heldout(1.0, 0.2, 0))
    for name in ("pass_at_1_thinking", "pass_at_1_thinking/a"):
        assert (len(made[name].items), len(made[name].clusters)) == (12, 3)


CHOSEN = {"characters": [1, 9], "right": 1, "options": 2}


def test_weighed_choices_tell_both_ways_of_taking_the_likeliest() -> None:
    made_up = [
        row | CHOSEN | {"logprob_direct": [-1.0, -3.0], "logprob_thinking": [-3.0, -1.0]}
        for row in rows(a=[1, 1])
    ] + [row | {"thinking_majority": 1, "direct_majority": 0} for row in rows(b=[0, 1, 1])]
    made = {n: s.value() for n, s in ability_statistics(made_up, arms._heldout(1, 0.2, 0)).items()}
    assert (made["acc_direct/a"], made["acc_norm_direct/a"]) == (0.0, 1.0)
    assert (made["acc_thinking"], made["acc_norm_thinking"]) == (1.0, 1.0)
    assert (made["maj_at_k_thinking/b"], made["maj_at_k_direct"]) == (1.0, 0.0)
    assert not {"acc_direct/b", "maj_at_k_thinking/a"} & set(made)
    assert chance_levels(made_up) == {"a": 0.5}


def test_a_group_may_not_be_taken_for_a_benchmark(tmp_path: Path) -> None:
    write(tmp_path, "group:x.yaml")
    with pytest.raises(ConfigError, match="cannot name a benchmark"):
        benchmarks.files(tmp_path)

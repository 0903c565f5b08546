"""Sources to parts: the files, the manifest, and what stops it."""

import json
from pathlib import Path
from typing import Any

import pytest

from rlp_core.contracts.steps import steps as shown_steps
from rlp_core.data import prepare as library
from rlp_core.data.benchmark_config import Benchmark
from rlp_core.data.config import Prepare
from rlp_core.data.files import read_rows, stem_of
from rlp_core.data.opening import Form
from rlp_core.data.records import Demonstration, Document, Record, content_key, kind_of
from rlp_core.errors import ConfigError, DataError, MissingInputError
from rlp_core.evaluation import benchmarks
from rlp_core.files import read_jsonl, sha256, write_jsonl
from rlp_core.params import load
from rlp_core.workspace import EVALUATION_PARTS, PARTS, SOURCE_PARTS, TRAINING_PARTS

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
CHAINS = {"kind": "procedural", "world": "arithmetic", "count": 50}


BENCHMARKS = {
    "chains": Benchmark.model_validate(
        {"title": "C", "description": "d", "licence": "CC0-1.0", "answer": "exact"}
        | {"source": CHAINS}
    )
}


def settings(**parts: list[dict[str, Any]]) -> Prepare:
    whole: dict[str, Any] = {"folder": "in", "heldout_share": 0.2, "max_line_bytes": 1000}
    whole |= {part: [CHAINS] for part in SOURCE_PARTS} | parts
    return Prepare.model_validate(whole)


def run(root: Path, name: str = "out", seed: int = 1, **parts: Any) -> tuple[Path, dict[str, Any]]:
    out = root / name
    out.mkdir()
    return out, library.prepare(settings(**parts), BENCHMARKS, seed, root, out)


def put(root: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    path = root / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def files(**keys: Any) -> dict[str, Any]:
    return {"kind": "files", "name": "n", "licence": "MIT", "pattern": "*.jsonl"} | keys


def records(out: Path, part: str) -> list[Record]:
    return [kind_of(part).model_validate(row) for row in read_jsonl(out / f"{part}.jsonl")]


def test_every_part_is_written_and_counted(tmp_path: Path) -> None:
    out, manifest = run(tmp_path)
    assert {path.name for path in out.iterdir()} == {"manifest.json"} | {
        f"{part}.jsonl" for part in PARTS
    }
    assert json.loads((out / "manifest.json").read_text()) == manifest
    for part in PARTS:
        entry = manifest["parts"][part]
        assert len(records(out, part)) == entry["records"] == 50
        assert entry["sha256"] == sha256(out / f"{part}.jsonl")
        assert entry["kind"] == kind_of(part).__name__.lower()
        assert [source["records"] for source in entry["sources"]] == [50]


def test_characters_are_those_of_the_texts(tmp_path: Path) -> None:
    out, manifest = run(tmp_path)
    rows = list(read_jsonl(out / "bootstrap.jsonl"))
    expected = sum(len(r["context"] + r["thought"] + r["continuation"]) for r in rows)
    flat = library.metrics(manifest)
    assert flat["bootstrap_characters"] == expected
    assert flat["bootstrap_records"] == 50
    assert len(flat) == 2 * len(PARTS)


def test_equal_input_gives_equal_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    one, two, three = (
        run(tmp_path, name, seed)[0] for name, seed in [("1", 1), ("2", 1), ("3", 2)]
    )
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()
        assert path.read_bytes() != (three / path.name).read_bytes()


PINNED = {
    "base": "50c56b2587e4eb6e",
    "rlp": "c6689d653e49868a",
    "heldout": "d66edd2cc235d563",
    "bootstrap": "ed5f45db4a4a406b",
    "finetune": "492dcb279e961354",
    "rlvr": "ae8fae36d3141d3a",
    "problems": "8ec6ad1b4354b5a2",
}
"""Digests of what `test_generated_bytes_are_pinned` makes."""


def test_generated_bytes_are_pinned(tmp_path: Path) -> None:
    """Every result rests on these bytes: a change of them is a change of all results."""
    chains = CHAINS | {"max_terms": 3, "worked": 0.5}
    sentences = {"kind": "procedural", "world": "occupations", "count": 21}
    parts = {part: [chains] for part in SOURCE_PARTS}
    parts |= {"base": [chains, sentences], "heldout": [sentences, chains]}
    out, _ = run(tmp_path, **parts)
    assert {part: sha256(out / f"{part}.jsonl")[:16] for part in PARTS} == PINNED
    bare = [
        {name: value for name, value in row.items() if name != "difficulty"}
        for row in read_jsonl(out / "problems.jsonl")
    ]
    write_jsonl(tmp_path / "bare.jsonl", bare)  # what was made before problems told it
    assert sha256(tmp_path / "bare.jsonl")[:16] == "9571dda9f398c7a9"


def test_generated_parts_are_disjoint_by_content(tmp_path: Path) -> None:
    out, _ = run(tmp_path, base=[CHAINS | {"count": 3000, "max_terms": 3}])
    keys = {part: {record.key for record in records(out, part)} for part in PARTS}
    for evaluation in EVALUATION_PARTS:
        for training in TRAINING_PARTS:
            assert not keys[evaluation] & keys[training]


def test_a_fault_of_the_split_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the sides not told apart, the check itself must notice."""
    monkeypatch.setattr("rlp_core.data.procedural.heldout", lambda *_: True)
    monkeypatch.setattr("rlp_core.data.procedural.EVALUATION_PARTS", PARTS)
    with pytest.raises(DataError, match="lie on both sides of the split"):
        run(tmp_path, base=[CHAINS | {"count": 200, "max_terms": 2}], heldout=[CHAINS])


def test_two_sources_of_one_world_have_ids_of_their_own(tmp_path: Path) -> None:
    occupations = {"kind": "procedural", "world": "occupations", "count": 4}
    out, _ = run(tmp_path, base=[CHAINS, occupations, CHAINS])
    ids = [record.id for record in records(out, "base")]
    assert len(set(ids)) == 104
    assert ids[0] == "arithmetic-base-000000"
    assert ids[50] == "occupations-base-000000"
    assert ids[54] == "arithmetic-base-000050"


def test_files_are_named_in_ids_and_manifest(tmp_path: Path) -> None:
    path = put(tmp_path, "sub/train.jsonl", [{"text": f"text {n}", "s": str(n)} for n in range(4)])
    source = files(pattern="sub/*", limit=2, mapping={"only": {"s": "1"}})
    out, manifest = run(tmp_path, base=[source | {"mapping": {}}], heldout=[source])
    assert [record.id for record in records(out, "base")] == ["n-train-1", "n-train-2"]
    assert [record.id for record in records(out, "heldout")] == ["n-train-2"]
    [entry] = manifest["parts"]["heldout"]["sources"]
    assert entry["files"] == {"sub/train.jsonl": sha256(path)}
    assert (entry["rows_read"], entry["rows_used"], entry["records"]) == (4, 1, 1)
    assert (entry["name"], entry["licence"], entry["limit"]) == ("n", "MIT", 2)
    assert entry["mapping"] == {"only": {"s": "1"}}
    assert str(tmp_path) not in (out / "manifest.json").read_text()


def test_one_file_may_feed_both_sides(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", [{"text": f"text {n}"} for n in range(100)])
    out, _ = run(tmp_path, base=[files(take="train")], heldout=[files(take="heldout")])
    base, heldout = ({r.key for r in records(out, part)} for part in ("base", "heldout"))
    assert not base & heldout
    assert base | heldout == {content_key(f"text {n}") for n in range(100)}
    assert 5 < len(heldout) < 40


def test_leaks_in_files_are_left_to_validation(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", [{"text": "the same"}])
    out, _ = run(tmp_path, base=[files()], heldout=[files()])
    assert records(out, "base")[0].key == records(out, "heldout")[0].key


def test_files_of_one_name_in_two_folders(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        put(tmp_path, f"{folder}/train.jsonl", [{"text": folder}])
    out, _ = run(tmp_path, base=[files(pattern="*/train.jsonl")])
    assert [r.id for r in records(out, "base")] == ["n-x/train.jsonl-1", "n-y/train.jsonl-1"]


def test_an_id_that_comes_twice(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", [{"text": "t"}])
    with pytest.raises(DataError, match="the id 'n-a-1' comes twice in the part `base`") as caught:
        run(tmp_path, base=[files(), files()])
    assert caught.value.where.count("a.jsonl, line 1") == 2


def test_a_source_that_gives_nothing(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", [{"text": "t", "split": "test"}])
    with pytest.raises(DataError, match="gave no record") as caught:
        run(tmp_path, base=[CHAINS, files(mapping={"only": {"split": "train"}})])
    assert caught.value.where == "prepare.base[1]"


BOOK = "".join(f"Line {n} of a long book, about herons.\n" for n in range(400))


def test_one_book_feeds_both_sides_when_it_is_parted_within(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "book.txt").write_text(BOOK)
    book = files(pattern="*.txt", block_chars=600, gap_chars=100)
    parts: dict[str, Any] = {
        "base": [book | {"take": "train"}],
        "heldout": [book | {"take": "heldout"}],
    }
    out, manifest = run(tmp_path, **parts)
    texts = {
        part: [r.text for r in records(out, part) if isinstance(r, Document)] for part in parts
    }
    assert all(texts.values())
    assert not {r.key for r in records(out, "base")} & {r.key for r in records(out, "heldout")}
    [entry] = manifest["parts"]["base"]["sources"]
    kept = sum(len(text) for both in texts.values() for text in both)
    assert kept + entry["characters_in_gaps"] == len(BOOK)
    assert (entry["block_chars"], entry["gap_chars"]) == (600, 100)
    metrics = library.metrics(manifest)
    assert metrics["heldout_characters_in_gaps"] == entry["characters_in_gaps"]


def test_a_split_that_leaves_nothing_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "book.txt").write_text(BOOK)
    told = []
    for take in ("train", "heldout"):
        book = files(pattern="*.txt", take=take)
        try:
            run(tmp_path, take, base=[book])
        except DataError as error:
            told.append(error)
    [only] = told
    assert "of 1 rows 1 by `take` passed over" in only.what
    assert "set `block_chars` (with `gap_chars`)" in only.fix


def test_every_row_is_used_or_counted_with_its_reason(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": f"text {n}", "k": n % 3} for n in range(60)]
    rows += [{"text": None, "k": 1}] * 4
    put(tmp_path, "a.jsonl", rows)
    mapping = {"only": {"k": 1}, "null": "skip"}
    _, manifest = run(tmp_path, base=[files(mapping=mapping, take="train", limit=5)])
    [entry] = manifest["parts"]["base"]["sources"]
    passed = entry["rows_passed_over"]
    assert passed.keys() == {"only", "null", "take", "limit"}
    assert (passed["only"], passed["null"]) == (40, 4)
    assert entry["rows_read"] == entry["rows_used"] + sum(passed.values()) == 64
    metrics = library.metrics(manifest)
    assert {name: metrics[f"base_rows_passed_over_{name}"] for name in passed} == passed


def test_a_limit_draws_from_all_of_a_source(tmp_path: Path) -> None:
    for name in "abcd":
        put(tmp_path, f"{name}.jsonl", [{"text": f"{name} {n}"} for n in range(50)])
    out, _ = run(tmp_path, base=[files(limit=40)], rlp=[files(limit=40, draw="first")])
    drawn, first = ({r.id.split("-")[1] for r in records(out, part)} for part in ("base", "rlp"))
    assert drawn == set("abcd")
    assert first == {"a"}


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (files(pattern="*.csv"), MissingInputError, "no file matches"),
        (files(mapping={"text": "{body}"}), DataError, "no field is called `body`"),
        (files(mapping={"prompt": "x"}), ConfigError, r"prepare.base\[0\].mapping.prompt"),
        ({"kind": "hub", "name": "a/b", "licence": "MIT"}, ConfigError, "without a revision"),
    ],
)
def test_what_stops_it(
    tmp_path: Path, source: dict[str, Any], error: type[Exception], message: str
) -> None:
    put(tmp_path, "a.jsonl", [{"text": "t"}])
    with pytest.raises(error, match=message):
        run(tmp_path, base=[source])


def test_a_local_data_set_of_the_hub_library(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    put(tmp_path, "set/train.jsonl", [{"text": f"text {n}"} for n in range(4)])
    source = {"kind": "hub", "name": "set", "licence": "MIT", "streaming": True, "limit": 3}
    source |= {"draw": "first"}
    out, manifest = run(tmp_path, base=[source])
    assert [r.id for r in records(out, "base")] == ["set-train-1", "set-train-2", "set-train-3"]
    [entry] = manifest["parts"]["base"]["sources"]
    assert len(entry["sha256"]) == 64
    assert entry["rows_used"] == 3


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
def test_the_profile_real_text_keeps_test_parts_out_of_training(tmp_path: Path) -> None:
    profile = ROOT / "profiles" / "real-text.yaml"
    real = load(profile).prepare
    used = benchmarks.load(load(profile).evaluate.benchmarks, ROOT / "data" / "benchmarks")
    library.prepare(real, used, 1, ROOT, tmp_path)
    made = {part: records(tmp_path, part) for part in PARTS}
    keys = {part: {record.key for record in made[part]} for part in PARTS}
    for training in TRAINING_PARTS:
        assert not keys["problems"] & keys[training]
        assert not keys["heldout"] & keys[training]
    splits = {
        f"{stem_of(path)}-{row.number}": row.fields["split"]
        for path in (SHARED / "corpora").glob("*.jsonl.gz")
        for row in read_rows(path, Form(10**6))
    }
    pieces = [r.id.split(".")[0] for r in made["base"] + made["rlp"] if r.source != "gsm8k"]
    assert len(pieces) > 1000
    assert {splits[piece.removeprefix(f"{_source(piece)}-")] for piece in pieces} == {"train"}


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
def test_the_profile_smollm2_135m_parts_one_file_without_overlap(tmp_path: Path) -> None:
    profile = load(ROOT / "profiles" / "smollm2-135m.yaml")
    used = benchmarks.load(profile.evaluate.benchmarks, ROOT / "data" / "benchmarks")
    manifest = library.prepare(profile.prepare, used, 1, ROOT, tmp_path)
    made = {part: records(tmp_path, part) for part in PARTS}
    keys = {part: [record.key for record in made[part]] for part in PARTS}
    for measured in ("problems", "heldout"):
        assert len(set(keys[measured])) == len(keys[measured])  # none counts twice
        for training in TRAINING_PARTS:
            assert not set(keys[measured]) & set(keys[training])
    assert sorted(keys["bootstrap"]) == sorted(keys["rlp"]) == sorted(keys["finetune"])
    mawps = [problem for problem in made["problems"] if problem.source == "mawps"]
    assert sorted(problem.key for problem in mawps) == sorted(keys["heldout"])
    assert len(mawps) >= profile.evaluate.problems
    shown = [row for row in made["bootstrap"] if isinstance(row, Demonstration)]
    worked = [row for row in shown if row.thought]
    assert {row.source for row in worked} == {"mawps-worked"}
    assert abs(len(worked) / len(shown) - 0.5) < 0.03
    for row in worked:
        steps = list(shown_steps(row.thought))
        assert steps
        assert all(step.holds for step in steps)
        assert row.continuation == f" {row.thought.rpartition(' = ')[2]}\n"
    marked = [row for row in made["rlp"] if isinstance(row, Document)]
    answers = {row.key: row.continuation for row in shown}
    for row in marked:
        [[start, _]] = row.spans
        assert row.text[start:] == answers[row.key]
    for part in ("rlp", "problems"):
        entry = manifest["parts"][part]["sources"][0]
        assert entry["rows_passed_over"]["unequal"] == 8
        assert entry["rows_used"] + sum(entry["rows_passed_over"].values()) == 1920


def _source(piece: str) -> str:
    """`hott-book` of `hott-book-hott_book-3`."""
    return piece.rsplit("-", 2)[0]


def test_a_range_and_repeats_are_in_the_manifest_where_they_are_set(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", [{"text": f"text {n % 40}"} for n in range(60)])
    chosen = files(hash_between=[0.25, 1], repeats="skip")
    _, manifest = run(tmp_path, base=[chosen], rlp=[files()])
    [entry] = manifest["parts"]["base"]["sources"]
    assert (entry["hash_between"], entry["repeats"]) == ((0.25, 1.0), "skip")
    assert entry["rows_used"] + sum(entry["rows_passed_over"].values()) == 60
    assert set(entry["rows_passed_over"]) == {"hash_between", "repeats"}
    [plain] = manifest["parts"]["rlp"]["sources"]
    assert not {"hash_between", "repeats"} & set(plain)


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        ({"hash_between": [0.0, 1e-9]}, "widen it"),
        (
            {"mapping": {"equation": {"field": "e", "numbers": "n", "answer": "a"}}},
            "correct `mapping.equation`",
        ),
    ],
)
def test_a_source_that_gives_nothing_says_which_setting_does_that(
    tmp_path: Path, changes: dict[str, Any], fix: str
) -> None:
    put(tmp_path, "a.jsonl", [{"text": "x", "e": "+ 1 2", "n": [], "a": "4"}])
    with pytest.raises(DataError, match="gave no record") as caught:
        run(tmp_path, base=[files(**changes)])
    assert fix in caught.value.fix

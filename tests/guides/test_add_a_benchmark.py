"""docs/guides/add-a-benchmark.md, followed to the letter in a folder of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from rlp_core.data import prepare as library
from rlp_core.data.benchmark_config import Benchmark
from rlp_core.data.config import Prepare
from rlp_core.data.records import Problem
from rlp_core.evaluation import benchmarks, item_files
from rlp_core.evaluation.abilities import ability_statistics
from rlp_core.evaluation.benchmarks import benchmarks_in
from rlp_core.evaluation.drawing import draw_equally
from rlp_core.evaluation.problem_rows import problem_rows
from rlp_core.files import read_jsonl, sha256, write_jsonl
from rlp_core.params import load
from rlp_core.stage import StageContext
from rlp_core.stages import prepare
from rlp_core.tracking.tracker import Tracker
from rlp_core.workspace import SOURCE_PARTS, Workspace
from tests.evaluation.samples import DOCUMENTS, ITEMS, evaluator

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "guides" / "add-a-benchmark.md").read_text("utf-8")
BLOCK = re.compile(r"```(?P<kind>json|yaml)\n(?P<text>.*?)\n *```", re.DOTALL)


def digests(root: Path) -> dict[str, str]:
    return {
        p.relative_to(root).as_posix(): sha256(p) for p in sorted(root.rglob("*")) if p.is_file()
    }


def block(text: str) -> str:
    """A block's text without the indentation of the list that it stands in."""
    return re.sub(r"(?m)^   ", "", text) if text.startswith("   ") else text


BLOCKS = [block(found["text"]) for found in BLOCK.finditer(GUIDE)]
"""The data, the benchmark, its name; options that are weighed, their examples; a harness task."""


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, list[str]]:
    """A workspace after the steps, and the files besides the data that they touched."""
    root = tmp_path_factory.mktemp("project")
    tree = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    for part in ("base", "rlp", "heldout", "bootstrap", "finetune"):
        for source in tree["prepare"][part]:
            source["count"] = 20
    (root / "params.yaml").write_text(yaml.safe_dump(tree))
    (root / "data" / "external").mkdir(parents=True)
    (root / "data" / "benchmarks").mkdir()
    data, written, named = BLOCKS[:3]
    (root / "data" / "external" / "capitals.jsonl").write_text(data + "\n")
    before = digests(root)
    place = re.search(r"`(data/benchmarks/[a-z]+\.yaml)`:", GUIDE)
    assert place is not None
    (root / place[1]).write_text(written + "\n")
    tree["evaluate"] |= yaml.safe_load(named)["evaluate"]
    (root / "params.yaml").write_text(yaml.safe_dump(tree))
    after = digests(root)
    touched = sorted(name for name in after if after[name] != before.get(name))
    workspace = Workspace(root)
    tracker = Tracker(None, None, workspace, "prepare")
    prepare.run(StageContext("prepare", load(workspace.params), workspace, tracker))
    return workspace, touched


def test_one_file_is_written_besides_the_parameters(
    followed: tuple[Workspace, list[str]],
) -> None:
    assert followed[1] == ["data/benchmarks/capitals.yaml", "params.yaml"]


def test_its_problems_are_prepared_under_its_name(followed: tuple[Workspace, list[str]]) -> None:
    workspace, _ = followed
    rows = [Problem.model_validate(r) for r in read_jsonl(workspace.prepared / "problems.jsonl")]
    of = {name: [r for r in rows if r.benchmark == name] for name in ("arithmetic", "capitals")}
    assert {name: len(members) for name, members in of.items()} == {
        "arithmetic": 200,
        "capitals": 2,
    }
    assert {r.rule for r in of["capitals"]} == {"choice"}
    assert of["capitals"][0].prompt == "Q: Capital of France?\n(A) Lyon\n(B) Paris\nA:"
    assert of["capitals"][0].choices == ["Lyon", "Paris"]
    manifest = json.loads((workspace.prepared / "manifest.json").read_text())
    told = [s["benchmark"] for s in manifest["parts"]["problems"]["sources"]]
    assert told == ["arithmetic", "capitals"]


def test_metrics_name_it(followed: tuple[Workspace, list[str]], tmp_path: Path) -> None:
    workspace, _ = followed
    rows = [Problem.model_validate(r) for r in read_jsonl(workspace.prepared / "problems.jsonl")]
    asked = draw_equally(rows, 4, lambda problem: problem.benchmark)
    assert sorted(problem.benchmark for problem in asked) == [
        *["arithmetic"] * 2,
        *["capitals"] * 2,
    ]
    made = evaluator()
    write_jsonl(tmp_path / "problems.jsonl", problem_rows(made, asked))
    write_jsonl(tmp_path / "heldout.jsonl", made.heldout(DOCUMENTS))
    write_jsonl(tmp_path / "bias.jsonl", made.bias(ITEMS))
    items = item_files.read(tmp_path)
    found = ability_statistics(items.problems, items.heldout)
    metrics = {name: statistic.value() for name, statistic in found.items()}
    assert benchmarks_in(metrics) == ["arithmetic", "capitals"]
    own = [metrics[f"greedy_direct/{name}"] for name in ("arithmetic", "capitals")]
    assert metrics["greedy_direct"] == pytest.approx(sum(own) / 2)


def test_the_page_names_every_key_of_a_benchmark() -> None:
    section = GUIDE.partition("## What the keys mean")[2].partition("\n## ")[0]
    table = re.findall(r"(?m)^\| `([a-z_]+)` \|", section)
    assert sorted(table) == sorted(Benchmark.model_fields)


def prepared(
    root: Path, name: str, text: str, rows: list[dict[str, object]], **more: list[dict[str, object]]
) -> list[Problem]:
    """The problems of a benchmark file of the guide, with rows as it describes them.

    `more` holds the rows of further files.
    """
    own, data, out = root / "benchmarks", root / "texts", root / "out"
    for folder in (own, data, out):
        folder.mkdir()
    (own / f"{name}.yaml").write_text(text)
    for file, lines in {name: rows, **more}.items():
        write_jsonl(data / f"{file}.jsonl", lines)
    chains = {"kind": "procedural", "world": "arithmetic", "count": 20}
    whole = {part: [chains] for part in SOURCE_PARTS}
    settings = Prepare.model_validate(
        {"folder": "texts", "heldout_share": 0.2, "max_line_bytes": 10_000} | whole
    )
    library.prepare(settings, benchmarks.load([name], own), 1, root, out)
    return [Problem.model_validate(row) for row in read_jsonl(out / "problems.jsonl")]


def test_options_are_weighed_as_it_shows(tmp_path: Path) -> None:
    described = "title: Endings\ndescription: d\nlicence: CC0-1.0\n"
    rows: list[dict[str, object]] = [
        {"scene": "A man opens", "endings": ["the door.", "sky."], "label": 0, "film": "f1"},
        {"scene": "She reads", "endings": ["stones.", "a book."], "label": 1, "film": "f1"},
    ]
    one, other = prepared(tmp_path, "endings", described + BLOCKS[3], rows)
    assert one.weighed() == [("A man opens", " the door."), ("A man opens", " sky.")]
    assert (one.rule, one.answer, other.answer) == ("acc_norm", "the door.", "a book.")
    assert one.cluster == other.cluster != ""


def test_options_have_examples_as_it_shows(tmp_path: Path) -> None:
    described = "title: Endings\ndescription: d\nlicence: CC0-1.0\n"
    row = {"scene": "A man opens", "endings": ["the door.", "sky."], "label": 0, "film": "f1"}
    train = [row | {"scene": f"Take {n}", "film": "f2"} for n in range(3)]
    text = f"{described}{BLOCKS[3]}\n{BLOCKS[4]}"
    asked, *shown = prepared(tmp_path, "endings", text, [row], endings_train=train)
    assert (asked.role, [one.role for one in shown]) == ("asked", ["example"] * 3)
    assert shown[0].weighed()[0] == ("Take 0", " the door.")


def test_a_task_of_the_harness_is_asked_as_it_shows(tmp_path: Path) -> None:
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed")
    (one,) = prepared(tmp_path, "sums", BLOCKS[5], [{"question": "3+4", "answer": "7"}])
    assert one.prompt == "Q: 3+4\nA:"
    assert one.harness is not None
    assert (one.harness.targets, one.harness.until, one.harness.max_tokens) == (["7"], ["\n"], 8)

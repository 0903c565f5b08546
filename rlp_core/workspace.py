"""Where everything lies: the one place that knows the names of folders and files.

`dvc.yaml` names the same paths, because DVC needs them written out; a test compares the two.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

DOCUMENT_PARTS = ("base", "rlp", "heldout")
DEMONSTRATION_PARTS = ("bootstrap", "finetune")
REWARDED_PART = "rlvr"
"""Problems that are trained on: an answer is rewarded where it is verified. It may be empty."""
BENCHMARK_PART = "problems"
"""Problems that are asked to measure; their sources stand in their benchmarks."""
PROBLEM_PARTS = (REWARDED_PART, BENCHMARK_PART)
PARTS = DOCUMENT_PARTS + DEMONSTRATION_PARTS + PROBLEM_PARTS
SOURCE_PARTS = (*DOCUMENT_PARTS, *DEMONSTRATION_PARTS, REWARDED_PART)
"""Parts whose sources stand in section `prepare`."""
TRAINING_PARTS = ("base", "rlp", "bootstrap", "finetune", REWARDED_PART)
EVALUATION_PARTS = ("heldout", "problems")
EXAMPLE_PART = "finetune"
"""Training data that evaluation shows as worked examples (`evaluate.shots`), and never asks."""

AnswerRule = Literal["exact", "math", "choice", "acc", "acc_norm", "verified", "harness"]
"""How the answer to a problem is marked: `docs/reference/answers.md`."""

VERIFIED: Final = "verified"
"""The rule of problems that a world made, which knows every right answer."""

WEIGHED_RULES = ("acc", "acc_norm")
"""Rules of choices that are weighed by their likelihood; by all others answers are written."""

CHOICE_RULES = ("choice", *WEIGHED_RULES)
"""Rules of problems with choices."""

ProblemRole = Literal["asked", "example", "bare"]
"""What a problem is for where examples are shown (`evaluate.shots`): it is asked, with examples and
without; it is an example itself, and never asked; it is asked without, its prompt being whole."""

BenchmarkGroup = Literal[
    "question-answering",
    "commonsense",
    "mathematics",
    "planning-and-games",
    "in-distribution",
    "transfer",
    "abstract-reasoning",
    "cause-and-effect",
    "other",
]
"""Benchmarks that ask for one ability, reported together."""

WRITTEN = ("data/prepared", "data/validated", "data/quarantine", "models", "reports", ".rlp")
"""Folders that stages write to."""


def output_at(folder: str) -> str | None:
    """The folder of `WRITTEN` that a path is, holds or lies in; None where it keeps clear.

    What a stage writes cannot be a dependency of one of the first: DVC would refuse the graph.
    """
    path = posixpath.normpath(folder)
    for output in WRITTEN:
        inside = path == output or path.startswith(f"{output}/")
        if inside or path == "." or output.startswith(f"{path}/"):
            return output
    return None


@dataclass(frozen=True)
class Workspace:
    """A checkout of the project, by its root folder."""

    root: Path

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def prepared(self) -> Path:
        """Folder of stage `prepare`: one JSON-lines file per part, and `manifest.json`."""
        return self.root / "data" / "prepared"

    @property
    def validated(self) -> Path:
        """Folder of stage `validate`: the parts that may enter training and evaluation."""
        return self.root / "data" / "validated"

    @property
    def quarantine(self) -> Path:
        """Folder of rows that broke a rule: `PART.jsonl` with id, rules and the record."""
        return self.root / "data" / "quarantine"

    def part(self, name: str) -> Path:
        """A validated part."""
        return self.validated / f"{name}.jsonl"

    @property
    def seams(self) -> Path:
        """What stands right behind the thoughts of the validated parts: `rlp_core.data.seam`."""
        return self.validated / "seams.json"

    def model(self, arm: str) -> Path:
        """The Hugging Face folder of an arm."""
        return self.root / "models" / arm

    def supervised(self, arm: str) -> Path:
        """The model of an arm after supervised fine-tuning, which `rlvr@ARM` goes on from."""
        return self.model(f"{arm}-sft")

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    def report(self, stage: str) -> Path:
        """A stage's report folder: `metrics.json`, and `steps.csv` where it trains.

        `evaluate@rlp` reports in `reports/evaluate/rlp`.
        """
        return self.reports.joinpath(*stage.split("@"))

    @property
    def private(self) -> Path:
        """Untracked state: run records, locks, scratch, the tracking database."""
        return self.root / ".rlp"

    def scratch(self, stage: str, fingerprint: str) -> Path:
        """A stage's checkpoints while it trains, apart by all that decides its result."""
        return self.private / "scratch" / stage / fingerprint

    def steps(self, stage: str) -> Path:
        """The metrics of a stage under way, a line of JSON per step."""
        return self.private / "steps" / f"{stage}.jsonl"

    def run_record(self, stage: str) -> Path:
        """The sidecar that holds what DVC must not see: times, run ids, host."""
        return self.private / "runs" / f"{stage}.json"

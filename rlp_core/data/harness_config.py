"""A task file of lm-evaluation-harness as a benchmark: what of it can be used, told beforehand."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import Field

from rlp_core.errors import ConfigError, UnavailableError
from rlp_core.section import Section

FORMATS = ("json", "csv", "parquet", "text")
"""Values of `dataset_path` that name a format of local files, and no repository of the hub."""

METRICS = ("acc", "acc_norm", "exact_match")
"""Metrics of lm-evaluation-harness that mark one problem right or wrong."""

KINDS = ("multiple_choice", "generate_until")

_FIX = "docs/guides/add-a-benchmark.md says which task files of lm-evaluation-harness can be used"


class HarnessTask(Section):
    """Where a benchmark's problems come from, if it is a task file of lm-evaluation-harness."""

    kind: Literal["harness"]
    file: str = Field(min_length=1, description="The task file.")
    licence: str = Field(default="see the task's data", description="What the file states.")


def is_task(tree: dict[str, Any]) -> bool:
    """Whether a YAML file is a task of lm-evaluation-harness."""
    return "task" in tree and "source" not in tree


def refuse_code(path: Path) -> None:
    """Raise ConfigError where a file names functions to be run, which no other check would see."""
    if "!function" in path.read_text(encoding="utf-8"):
        raise ConfigError(
            "the task file asks for code of its own (`!function`), and none is ever run",
            where=str(path),
            fix="write what it computes as templates; or write the benchmark as "
            "docs/guides/add-a-benchmark.md shows",
        )


def require_harness(path: Path) -> None:
    """Raise UnavailableError where lm-evaluation-harness is not installed."""
    if find_spec("lm_eval") is None:
        raise UnavailableError(
            "task files of lm-evaluation-harness need it, and it is not installed",
            where=str(path),
            fix="pip install 'rlp[harness]'; in a checkout `make install`",
        )


def described(path: Path, tree: dict[str, Any]) -> dict[str, Any]:
    """The task as a tree that `Benchmark` validates.

    Raises:
        ConfigError: a task of another kind, a group of tasks, one that asks for the network or for
            code, or whose metrics mark no single problem.
    """
    _check(path, tree)
    rule = next(m["metric"] for m in metrics_of(tree) if m["metric"] in METRICS)
    metadata = tree.get("metadata") if isinstance(tree.get("metadata"), dict) else {}
    licence = str((metadata or {}).get("licence", "see the task's data"))
    return {
        "title": str(tree.get("task_alias") or tree["task"]),
        "description": f"Task {tree['task']} of lm-evaluation-harness.",
        "licence": licence,
        "answer": "harness" if tree["output_type"] == "generate_until" else rule,
        "source": {"kind": "harness", "file": str(path), "licence": licence},
    }


def _check(path: Path, tree: dict[str, Any]) -> None:
    where, kind = str(path), tree.get("output_type", "generate_until")
    if not isinstance(tree["task"], str):
        raise ConfigError(
            "a group of tasks is no benchmark", where=f"{where}, key task", fix="name each task"
        )
    if kind not in KINDS:
        raise ConfigError(
            f"tasks of the kind {kind!r} mark no problem right or wrong",
            where=f"{where}, key output_type",
            fix=f"use {' or '.join(KINDS)}; {_FIX}",
        )
    tree["output_type"] = kind
    for key in ("include", "process_docs", "process_results", "use_prompt", "unsafe_code"):
        if tree.get(key):
            raise ConfigError(
                f"`{key}` reads or runs what is not in this file",
                where=f"{where}, key {key}",
                fix=f"write it into the file; {_FIX}",
            )
    if tree.get("dataset_path") not in FORMATS:
        raise ConfigError(
            f"`dataset_path` = {tree.get('dataset_path')!r} would be fetched from the network",
            where=f"{where}, key dataset_path",
            fix="fetch the data once, and name its files: dataset_path: json, dataset_kwargs: "
            "{data_files: {test: FILE}}, below `prepare.folder` or beside this file",
        )
    if not any(m.get("metric") in METRICS for m in metrics_of(tree)):
        raise ConfigError(
            "no metric of the task marks one problem right or wrong",
            where=f"{where}, key metric_list",
            fix=f"name one of {', '.join(METRICS)}",
        )
    for key, template in _templates(tree):
        if "__" in template or re.search(r"\.\s*_|\battr\b", template):
            raise ConfigError(
                "a template reaches for what is inside Python",
                where=f"{where}, key {key}",
                fix="use the fields of the row, and Jinja's own filters",
            )


def metrics_of(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics that a task names, or its kind's usual one."""
    usual = "acc" if tree.get("output_type") == "multiple_choice" else "exact_match"
    found: list[dict[str, Any]] = tree.get("metric_list") or [{"metric": usual}]
    return found


def _templates(tree: dict[str, Any]) -> list[tuple[str, str]]:
    """Every text of the file that may be a template, also inside lists and mappings."""
    found: list[tuple[str, str]] = []

    def look(key: str, value: Any) -> None:
        if isinstance(value, str) and "{" in value:
            found.append((key, value))
        elif isinstance(value, dict):
            for name, inner in value.items():
                look(f"{key}.{name}", inner)
        elif isinstance(value, list):
            for inner in value:
                look(key, inner)

    for key, value in tree.items():
        look(key, value)
    return found


def data_files(path: Path, tree: dict[str, Any], root: Path, folder: Path) -> dict[str, list[Path]]:
    """The task's own data files by split, all of them tracked.

    Args:
        path: the task file.
        tree: what it holds.
        root: the checkout, which a relative name is meant from, as by lm-evaluation-harness.
        folder: `prepare.folder`.

    Raises:
        ConfigError: no file is named, or one that lies where nothing is tracked.
    """
    named = (tree.get("dataset_kwargs") or {}).get("data_files")
    by_split = named if isinstance(named, dict) else {"train": named} if named else {}
    found: dict[str, list[Path]] = {}
    for split, names in by_split.items():
        for name in names if isinstance(names, list) else [names]:
            file = _found(str(name), path, root, folder)
            found.setdefault(str(split), []).append(file)
    if not found:
        raise ConfigError(
            "the task names no data files",
            where=f"{path}, key dataset_kwargs.data_files",
            fix="name them by split: dataset_kwargs: {data_files: {test: FILE}}",
        )
    return found


def _found(name: str, path: Path, root: Path, folder: Path) -> Path:
    places = [folder / name, path.parent / name, root / name]
    for file in places:
        if file.is_file():
            inside = file.resolve()
            if any(inside.is_relative_to(at.resolve()) for at in (folder, path.parent)):
                return file
            raise ConfigError(
                f"{PurePosixPath(name)} lies where nothing is tracked: it could change and nothing "
                "would run again",
                where=f"{path}, key dataset_kwargs.data_files",
                fix=f"put it below {folder} or beside the task file",
            )
    raise ConfigError(
        f"no such file: {name}",
        where=f"{path}, key dataset_kwargs.data_files",
        fix=f"put it below {folder} or beside the task file",
    )

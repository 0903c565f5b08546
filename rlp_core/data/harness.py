"""Problems of a task file of lm-evaluation-harness, rendered by its own code.

What is asked, what is weighed and what counts as right are the harness's: its templates, its
delimiters, its examples in the prompt, its filters and metrics. The model is run by this project.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlp_core.data import files, harness_config
from rlp_core.data.harness_config import HarnessTask
from rlp_core.data.opening import Form
from rlp_core.data.records import HarnessMarks, Problem, content_key
from rlp_core.errors import ConfigError, DataError
from rlp_core.files import sha256
from rlp_core.yaml_file import read_yaml

LONGEST_ANSWER = 256
"""Tokens where the task sets no `max_gen_toks`: the harness's own limit."""

_OF_SEVERAL = ("take_first", "take_first_k", "majority_vote")
"""Filters that choose among several answers to one problem, each of which is marked here."""


def records(
    source: HarnessTask,
    root: Path,
    folder: Path,
    form: Form,
    seed: int,
    common: dict[str, str],
    entry: dict[str, Any],
) -> Iterator[tuple[Problem, str]]:
    """The problems of a task, each with its place for messages; fills `entry` of the manifest.

    Args:
        source: the task file.
        root: the checkout.
        folder: `prepare.folder`.
        form: how its files are read.
        seed: of the examples that are drawn for prompts, if the task has any.
        common: fields that every problem carries.
        entry: of the manifest.

    Raises:
        UnavailableError: lm-evaluation-harness is not installed.
        ConfigError: the task is none that the harness can make.
        DataError: a row has not what its templates name, or several right choices.
    """
    path = Path(source.file)
    tree = read_yaml(path, "a task file of lm-evaluation-harness")
    found = harness_config.data_files(path, tree, root, folder)
    entry |= {"name": str(tree["task"]), "licence": source.licence, "task_sha256": sha256(path)}
    entry["files"] = {
        file.name: files.digest(file) for split in sorted(found) for file in found[split]
    }
    rows = {
        split: [row.fields for file in named for row in files.read_rows(file, form)]
        for split, named in found.items()
    }
    task = _task(path, tree, rows, seed)
    read = 0
    for number, doc in enumerate(task.eval_docs, start=1):
        where = f"{path}, problem {number}"
        try:
            problem = _problem(task, tree, dict(doc), number, source, common)
        except (KeyError, IndexError, TypeError, ValueError, AssertionError, SyntaxError) as error:
            raise DataError(
                f"the task cannot be asked: {error}", where=where, fix="mend the row or the task"
            ) from error
        read += 1
        yield problem, where
    entry["rows_read"] = read


def _task(path: Path, tree: dict[str, Any], rows: dict[str, list[Any]], seed: int) -> Any:
    """The harness's own task, over rows that were read here: it opens no file and no connection."""
    harness_config.require_harness(path)
    from datasets import Dataset, DatasetDict  # type: ignore[import-untyped]
    from jinja2 import TemplateError
    from lm_eval.api.task import ConfigurableTask

    config = {key: value for key, value in tree.items() if key not in _NOT_TAKEN}
    config["custom_dataset"] = lambda **_: DatasetDict(
        {split: Dataset.from_list(listed) for split, listed in rows.items()}
    )
    config["metric_list"] = [
        {"aggregation": "mean", "higher_is_better": True} | metric
        for metric in harness_config.metrics_of(tree)
        if metric["metric"] in harness_config.METRICS
    ]
    try:
        task = ConfigurableTask(config=config)
        task.set_fewshot_seed(seed)
        return task
    except (TypeError, ValueError, KeyError, IndexError, SyntaxError, TemplateError) as error:
        raise ConfigError(
            f"lm-evaluation-harness makes no task of it: {error}",
            where=str(path),
            fix="mend what it names; `lm-eval validate` of the harness checks task files too",
        ) from error


_NOT_TAKEN = ("dataset_path", "dataset_name", "dataset_kwargs", "metric_list", "tag", "group")


def _problem(
    task: Any,
    tree: dict[str, Any],
    doc: dict[str, Any],
    number: int,
    source: HarnessTask,
    common: dict[str, str],
) -> Problem:
    shots = int(tree.get("num_fewshot") or 0)
    context = task.fewshot_context(doc, num_fewshot=shots, gen_prefix=task.doc_to_prefix(doc))
    asked = task.construct_requests(doc, context, metadata=(str(tree["task"]), number, 1))
    made: dict[str, Any] = {
        "id": f"{tree['task']}-{number}",
        "source": str(tree["task"]),
        "licence": source.licence,
        "role": "bare",  # its examples are the task's own
        **common,
    }
    if tree["output_type"] == "multiple_choice":
        choices = [str(choice) for choice in task.doc_to_choice(doc)]
        right = _right(
            task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc), choices
        )
        pairs = [_moved(*request.args) for request in asked[: len(choices)]]
        made |= {
            "prompt": pairs[0][0],
            "choices": choices,
            "answer": choices[right],
            "contexts": [before for before, _ in pairs],
            "continuations": [text for _, text in pairs],
        }
        text = "\0".join(one for pair in pairs for one in pair)
    else:
        prompt, generation = asked.args
        targets = _targets(task, doc)
        made |= {
            "prompt": prompt,
            "answer": targets[0],
            "harness": _marks(tree, targets, generation),
        }
        text = prompt
    return Problem.model_validate(made | {"key": content_key(text)})


def _right(told: Any, choices: list[str]) -> int:
    if isinstance(told, list):
        raise ValueError("several choices are right")
    if isinstance(told, str):
        return choices.index(told)
    if not 0 <= int(told) < len(choices):
        raise ValueError(f"choice {told} of {len(choices)}")
    return int(told)


def _moved(context: str, text: str) -> tuple[str, str]:
    """Spaces at the end of what is read go to what is weighed, as the harness tokenizes them."""
    kept = context.rstrip()
    return kept, context[len(kept) :] + text


def _targets(task: Any, doc: dict[str, Any]) -> list[str]:
    told = task.doc_to_target(doc)
    if task.config.doc_to_choice is not None:
        return [str(task.doc_to_choice(doc)[told])]
    return [str(one) for one in told] if isinstance(told, list) else [str(told)]


def _marks(tree: dict[str, Any], targets: list[str], generation: dict[str, Any]) -> HarnessMarks:
    until = generation.get("until") or []
    metric = next(
        m for m in harness_config.metrics_of(tree) if m["metric"] in harness_config.METRICS
    )
    filters = (tree.get("filter_list") or [{"filter": []}])[0]["filter"]
    return HarnessMarks(
        targets=targets,
        until=[until] if isinstance(until, str) else list(until),
        max_tokens=int(generation.get("max_gen_toks") or LONGEST_ANSWER),
        filters=[one for one in filters if one["function"] not in _OF_SEVERAL],
        arguments={
            key: value
            for key, value in metric.items()
            if key not in ("metric", "aggregation", "higher_is_better")
        },
    )

"""Benchmarks, found by their names: one YAML file each, here or in the user's own folder.

A file of the user's own may be a task of lm-evaluation-harness, as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlp_core.data import harness_config
from rlp_core.data.benchmark_config import Benchmark
from rlp_core.evaluation.named_files import NAME, NamedFiles
from rlp_core.yaml_file import read_yaml

BUILT_IN = Path(__file__).parent


def _tree(path: Path, shape: str) -> dict[str, Any]:
    """What a file says, one of lm-evaluation-harness in the words of a benchmark."""
    harness_config.refuse_code(path)
    tree = read_yaml(path, shape)
    return harness_config.described(path, tree) if harness_config.is_task(tree) else tree


_ALL = NamedFiles(
    "benchmark",
    Benchmark,
    BUILT_IN,
    "evaluate.benchmarks",
    "docs/guides/add-a-benchmark.md",
    tree_of=_tree,
)

load, files, read = _ALL.load, _ALL.files, _ALL.read


def benchmarks_in(metrics: Mapping[str, object]) -> list[str]:
    """The benchmarks that metrics tell apart, in order of name.

    Args:
        metrics: by name; `pass_at_1_thinking/NAME` is that of one benchmark,
            `pass_at_1_thinking` the macro average of all.
    """
    prefix = "pass_at_1_thinking/"
    told = (name.removeprefix(prefix) for name in metrics if name.startswith(prefix))
    return sorted(name for name in told if NAME.fullmatch(name))  # and no group of them

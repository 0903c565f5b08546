"""Benchmarks, found by their names: one YAML file each, here or in the user's own folder.

A file of the user's own may be a task of lm-evaluation-harness, as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from rlp_core.data import harness_config
from rlp_core.data.benchmark_config import Benchmark
from rlp_core.errors import ConfigError, did_you_mean
from rlp_core.yaml_file import faults_of, read_yaml

BUILT_IN = Path(__file__).parent

_SHAPE = "docs/guides/add-a-benchmark.md shows what a file holds"

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
"""What MLflow, DVC and file systems all take for a part of a metric's name."""


def load(names: Sequence[str], folder: Path) -> dict[str, Benchmark]:
    """Read the benchmarks that a run uses, in the order of `names`.

    Args:
        names: key `evaluate.benchmarks`.
        folder: the user's own, `evaluate.benchmark_folder`; one that is not there holds none.

    Raises:
        ConfigError: no benchmark has a name, two files have the same, or a file is no benchmark.
    """
    known = files(folder)
    for name in names:
        if name not in known:
            raise ConfigError(
                f"no benchmark is called {name!r}",
                where="params.yaml, key evaluate.benchmarks",
                fix=f"{did_you_mean(name, known)}known: {', '.join(sorted(known))}; or write "
                f"{folder / name}.yaml (docs/guides/add-a-benchmark.md)",
            )
    return {name: read(known[name]) for name in names}


def files(folder: Path) -> dict[str, Path]:
    """Every benchmark's file by its name.

    Raises:
        ConfigError: a name stands twice, or is none that metrics can carry.
    """
    found: dict[str, Path] = {}
    for path in sorted([*BUILT_IN.glob("*.y*ml"), *folder.glob("*.y*ml")]):
        name = path.stem
        if name in found:
            raise ConfigError(
                f"two benchmarks are called {name!r}",
                where=f"{found[name]} and {path}",
                fix="give one of the files another name",
            )
        if not NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} cannot name a benchmark",
                where=str(path),
                fix="use small letters, digits, `_`, `-` and `.`: the name becomes a part of the "
                "names of metrics",
            )
        found[name] = path
    return found


def read(path: Path) -> Benchmark:
    """Read and check one file.

    Raises:
        ConfigError: it is no YAML mapping, or a key, type or combination is wrong.
    """
    harness_config.refuse_code(path)
    tree = read_yaml(path, _SHAPE)
    if harness_config.is_task(tree):
        tree = harness_config.described(path, tree)
    try:
        return Benchmark.model_validate(tree)
    except ValidationError as error:
        faults = faults_of(error, tree, Benchmark, {})
        raise ConfigError(
            "\n".join(["no benchmark:", *(f"  - {text}" for _, text in faults)]),
            where=f"{path}, key {', '.join(place for place, _ in faults)}",
            fix=f"correct the keys named above; {_SHAPE}",
        ) from error


def benchmarks_in(metrics: Mapping[str, object]) -> list[str]:
    """The benchmarks that metrics tell apart, in order of name.

    Args:
        metrics: by name; `pass_at_1_thinking/NAME` is that of one benchmark,
            `pass_at_1_thinking` the macro average of all.
    """
    prefix = "pass_at_1_thinking/"
    told = (name.removeprefix(prefix) for name in metrics if name.startswith(prefix))
    return sorted(name for name in told if NAME.fullmatch(name))  # and no group of them

"""Settings that are found by the name of their file: one YAML file each, ours or the user's.

Benchmarks and bias sets are found so, with the same words for the same faults.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from rlp_core.errors import ConfigError, did_you_mean
from rlp_core.yaml_file import faults_of, read_yaml

S = TypeVar("S", bound=BaseModel)

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
"""What MLflow, DVC and file systems all take for a part of a metric's name."""


@dataclass(frozen=True)
class NamedFiles(Generic[S]):
    """All files of one kind, those that come with the package and those of a user's folder.

    Attributes:
        kind: what one of them is called: `benchmark`.
        model: what a file holds.
        built_in: folder of those that come with the package.
        key: of `params.yaml`, which names those in use.
        guide: the page that shows what a file holds.
        taken: names that no file may have.
        tree_of: reads a file, given what to say of its shape, and may put it in other words.
    """

    kind: str
    model: type[S]
    built_in: Path
    key: str
    guide: str
    taken: tuple[str, ...] = ()
    tree_of: Callable[[Path, str], dict[str, Any]] = read_yaml

    def load(self, names: Sequence[str], folder: Path) -> dict[str, S]:
        """Read those that a run uses, in the order of `names`.

        Args:
            names: those in use.
            folder: the user's own; one that is not there holds none.

        Raises:
            ConfigError: none has a name, two files have the same, or a file is none of the kind.
        """
        known = self.files(folder)
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"no {self.kind} is called {name!r}",
                    where=f"params.yaml, key {self.key}",
                    fix=f"{did_you_mean(name, known)}known: {', '.join(sorted(known))}; or write "
                    f"{folder / name}.yaml ({self.guide})",
                )
        return {name: self.read(known[name]) for name in names}

    def files(self, folder: Path) -> dict[str, Path]:
        """Every file by its name.

        Raises:
            ConfigError: a name stands twice, or is none that metrics can carry.
        """
        found: dict[str, Path] = {}
        for path in sorted([*self.built_in.glob("*.y*ml"), *folder.glob("*.y*ml")]):
            name = path.stem
            if name in found or name in self.taken:
                other = f"{found[name]} and " if name in found else ""
                raise ConfigError(
                    f"two {self.kind}s are called {name!r}",
                    where=f"{other}{path}",
                    fix="give one of the files another name"
                    if other
                    else f"give the file another name: {name!r} comes with the package",
                )
            if not NAME.fullmatch(name):
                raise ConfigError(
                    f"{name!r} cannot name a {self.kind}",
                    where=str(path),
                    fix="use small letters, digits, `_`, `-` and `.`: the name becomes a part of "
                    "the names of metrics",
                )
            found[name] = path
        return found

    def read(self, path: Path) -> S:
        """Read and check one file.

        Raises:
            ConfigError: it is no YAML mapping, or a key, type or combination is wrong.
        """
        shape = f"{self.guide} shows what a file holds"
        tree = self.tree_of(path, shape)
        try:
            return self.model.model_validate(tree)
        except ValidationError as error:
            faults = faults_of(error, tree, self.model, {})
            raise ConfigError(
                "\n".join([f"no {self.kind}:", *(f"  - {text}" for _, text in faults)]),
                where=f"{path}, key {', '.join(place for place, _ in faults)}",
                fix=f"correct the keys named above; {shape}",
            ) from error

"""Reads a parameter file, and explains what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rlp_core.errors import ConfigError, MissingInputError
from rlp_core.params.moved import MOVED
from rlp_core.params.root import Params
from rlp_core.yaml_file import faults_of, read_yaml

LARGEST = 2**63 - 1
"""What a seed, a count or a size may be: the largest whole number that every library holds."""


def load(path: Path, moved: Mapping[str, str] = MOVED) -> Params:
    """Read and check a parameter file, as YAML 1.2, which is what DVC takes it for.

    Args:
        path: the file.
        moved: keys of older files, and what to write instead.

    Raises:
        MissingInputError: there is no such file.
        ConfigError: it is no YAML mapping, a key stands twice, or a key, type or combination is
            wrong. The message names file, key, value, what is allowed, and the nearest known key.
    """
    if not path.is_file():
        raise MissingInputError(
            "no parameters here",
            where=str(path),
            fix="run `rlp profile use tiny`, which writes params.yaml",
        )
    return from_tree(read_yaml(path, "see profiles/tiny.yaml for the shape"), str(path), moved)


def from_tree(tree: dict[str, Any], where: str, moved: Mapping[str, str] = MOVED) -> Params:
    """Check parameters that have been read.

    Args:
        tree: section, key, value.
        where: what a message calls the place that they were read from.
        moved: as of `load`.

    Raises:
        ConfigError: as `load`.
    """
    faults = list(_beyond_64_bits(tree))
    if faults:
        raise _impossible(faults, where)
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise _impossible(faults_of(error, tree, Params, moved), where) from error


def _beyond_64_bits(tree: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every whole number that the libraries below cannot hold: its key, and what to say."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _beyond_64_bits(value, f"{place}.{key}" if place else str(key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _beyond_64_bits(value, f"{place}.{index}")
    elif isinstance(tree, int) and abs(tree) > LARGEST:
        yield place, f"`{place}`: a whole number of {tree.bit_length()} bits; {LARGEST} at most"


def _impossible(faults: list[tuple[str, str]], where: str) -> ConfigError:
    return ConfigError(
        "\n".join(["impossible parameters:", *(f"  - {text}" for _, text in faults)]),
        where=f"{where}, key {', '.join(place for place, _ in faults)}",
        fix="correct the keys named above; docs/reference/params.md lists all of them",
    )

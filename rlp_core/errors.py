"""Errors that a person can mend: each says what is wrong, where, and what to do.

Every one carries the exit code of its process. The codes follow BSD `sysexits.h`, so that a
scheduler can tell a lost cause from a run worth repeating: only 75 means "try again". 79, the
first that BSD leaves free, is a training run that was stopped because it had collapsed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_USAGE = 64
EXIT_DATA = 65
EXIT_MISSING = 66
EXIT_UNAVAILABLE = 69
EXIT_SOFTWARE = 70
EXIT_OUTPUT = 73
EXIT_TRY_AGAIN = 75
EXIT_CONFIG = 78
EXIT_TRAINING = 79
EXIT_INTERRUPTED = 130


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The start of a `fix` that names the nearest known name; empty where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"did you mean `{near[0]}`? " if near else ""


class RlpError(Exception):
    """A fault of input or surroundings, told in three parts.

    Args:
        what: what is wrong, one sentence.
        where: the file, key, row or address at fault.
        fix: what the reader can do about it.
    """

    exit_code: int = 1

    def __init__(self, what: str, *, where: str, fix: str) -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__(str(self))

    def __str__(self) -> str:
        return f"{self.what}\n  where: {self.where}\n  fix:   {self.fix}"


class UsageError(RlpError):
    """An unknown stage, profile or arm, or a command that cannot be understood."""

    exit_code = EXIT_USAGE


class DataError(RlpError):
    """A data file or record that cannot be used."""

    exit_code = EXIT_DATA


class MissingInputError(RlpError):
    """A file or folder that must exist and does not."""

    exit_code = EXIT_MISSING


class UnavailableError(RlpError):
    """A server that must answer and does not."""

    exit_code = EXIT_UNAVAILABLE


class PluginError(RlpError):
    """An added file (a world, a prompt, ...) that does not load or does not keep its protocol."""

    exit_code = EXIT_SOFTWARE


class RewardTermError(PluginError):
    """A reward term that raised, or gave no finite number; the step has changed nothing yet."""


class OutputError(RlpError):
    """An output that cannot be written: full disk, missing rights."""

    exit_code = EXIT_OUTPUT


class TryAgainError(RlpError):
    """A passing fault: a lock held by another process, a preempted run."""

    exit_code = EXIT_TRY_AGAIN


class ConfigError(RlpError):
    """A parameter that is unknown, of the wrong type, or impossible."""

    exit_code = EXIT_CONFIG


class TrainingError(RlpError):
    """A training run that went wrong beyond mending: a collapse, or steps that are not finite."""

    exit_code = EXIT_TRAINING

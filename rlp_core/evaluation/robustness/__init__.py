"""Perturbations of problems that leave the right answer right: one file each.

A perturbation changes the body of a question and never the form around it ("Q: ...\nA:", the
choices). What the answer rests on (numbers, number words, words of logic, words of the answer and
of the choices) is checked to be there still, whatever the function does: `rlp_core/evaluation/
perturbed.py`. docs/reference/robustness.md says what each declares, and how one is added.

No file here imports torch.
"""

from __future__ import annotations

import functools

from rlp_core.errors import PluginError
from rlp_core.evaluation.robustness._perturbation import Perturbation, perturbation
from rlp_core.registry import Registry

__all__ = ["Perturbation", "built_in", "fault", "get", "names", "perturbation", "where"]

_REGISTRY = Registry(
    package="rlp_core.evaluation.robustness",
    group="rlp.perturbations",
    noun="perturbation",
    guide="docs/reference/robustness.md",
)

built_in = _REGISTRY.built_in
names = _REGISTRY.names
where = _REGISTRY.where


@functools.cache
def get(name: str) -> Perturbation:
    """The perturbation of a name; its file is imported at the first call.

    Raises:
        ConfigError: there is none; the message names the nearest.
        PluginError: its file does not import, or declares no perturbation or several.
    """
    found: Perturbation = _REGISTRY.declared(name, Perturbation)
    if not found.summary:
        raise _REGISTRY.fault(name, "has no docstring to say what it does")
    return found


def fault(name: str, what: str) -> PluginError:
    """The error of a perturbation that does not keep what it declares."""
    return _REGISTRY.fault(name, what)

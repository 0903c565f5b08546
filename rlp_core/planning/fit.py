"""The nearest settings under which a stage fits, found by trying them in the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlp_core.errors import ConfigError
from rlp_core.planning.device import Memory
from rlp_core.planning.plan import known_kind, stage_plan
from rlp_core.planning.stage import Plan
from rlp_core.planning.units import gigabytes

if TYPE_CHECKING:
    from rlp_core.params import Params

STEPS = 16
"""A number is lowered by sixteenths of itself at the finest."""


@dataclass(frozen=True)
class Change:
    """A setting that takes less memory.

    Attributes:
        key: its dotted key in `params.yaml`.
        value: what to set it to.
    """

    key: str
    value: Any

    def __str__(self) -> str:
        told = str(self.value).lower() if isinstance(self.value, bool) else self.value
        return f"{self.key}: {told}"


@dataclass(frozen=True)
class Fit:
    """Settings that fit, or the smallest that were found.

    Attributes:
        changes: of the parameters.
        plan: with them.
        fits: whether it does.
    """

    changes: tuple[Change, ...]
    plan: Plan
    fits: bool


def require(params: Params, plan: Plan, memory: Memory, *, on_gpu: bool) -> None:
    """Refuse a plan that does not fit.

    Raises:
        ConfigError: it does not; the message names the nearest settings that do.
    """
    if plan.peak.total <= memory.usable:
        return
    found = nearest(params, plan, memory, on_gpu=on_gpu)
    told = ", ".join(map(str, found.changes))
    after = f"({gigabytes(found.plan.peak.total)} GB in all)"
    if found.fits:
        fix = f"set {told} {after}"
    else:
        tried = f"even with {told} it takes {gigabytes(found.plan.peak.total)} GB" if told else ""
        fix = f"take a smaller model or a larger device{'; ' if tried else ''}{tried}"
    raise ConfigError(
        f"stage {plan.stage} needs {gigabytes(plan.peak.total)} GB of memory at its largest "
        f"({plan.peak.name}), and {gigabytes(memory.usable)} GB may be used",
        where=f"memory: {memory}; `rlp plan --stage {plan.stage}` shows what takes it",
        fix=f"{fix}; or set runtime.memory_limit, if you know of more",
    )


def nearest(params: Params, plan: Plan, memory: Memory, *, on_gpu: bool) -> Fit:
    """The least change that fits: speed is given up first, then precision, then lengths.

    Args:
        params: the parameters that do not fit.
        plan: of the stage under them.
        memory: what it must fit into.
        on_gpu: whether the model lies on a GPU.
    """
    changes: dict[str, Change] = {}
    now, limit = plan, memory.usable

    def planned(changed: Params) -> Plan:
        return stage_plan(changed, plan.stage, plan.model, on_gpu=on_gpu)

    for _ in range(STEPS):
        if now.peak.total <= limit:
            break
        step = next(_steps(params, now, planned, limit), None)
        if step is None:
            break
        changes[step.key] = step
        params = _set(params, step)
        now = planned(params)
    return Fit(tuple(changes.values()), now, now.peak.total <= limit)


def _steps(
    params: Params, now: Plan, planned: Callable[[Params], Plan], limit: int
) -> Iterator[Change]:
    """Changes that lower the present peak, the mildest first."""
    lowered = _lowered(params, now, planned, limit)
    if lowered is not None:
        yield lowered
    for change in _switches(params, now):
        if planned(_set(params, change)).peak.total < now.peak.total:
            yield change


def _number(stage: str, moment: str) -> tuple[str, int]:
    """The number that a moment of a stage depends on, and the least that it may be."""
    kind = known_kind(stage)
    if kind == "rlp":
        if moment in ("prefill", "decode", "self-check"):
            return "runtime.decode_batch_size", 1
        return (
            ("rlp.audit.positions", 2) if moment == "audit" else ("runtime.update_token_budget", 1)
        )
    if kind in ("evaluate", "rlvr") and moment in ("prefill", "thoughts", "answers"):
        return "runtime.decode_batch_size", 1
    if kind == "rlvr":
        return "runtime.update_token_budget", 1
    return "runtime.micro_batch", 1


def _switches(params: Params, now: Plan) -> Iterator[Change]:
    """What costs more than speed, or nothing where it applies."""
    kind = known_kind(now.stage)
    if kind not in ("rlp", "rlvr", "evaluate") and not params.runtime.recompute:
        yield Change("runtime.recompute", True)
    if kind == "rlp" and not params.runtime.ema_device:
        yield Change("runtime.ema_device", "cpu")
    if now.precision == "float32":
        yield Change(f"{kind}.precision", "bfloat16")
    lengths = {
        "rlp": ("rlp.max_tokens", "thought.max_tokens"),
        "rlvr": ("rlvr.max_tokens", "thought.max_tokens"),
        "cpt": ("rlp.max_tokens",),
        "evaluate": ("evaluate.max_tokens", "thought.max_tokens"),
    }
    for key in lengths.get(kind, (f"{kind}.max_tokens",)):
        value = _get(params, key)
        if value > 64:
            yield Change(key, value // 2)


def _lowered(
    params: Params, now: Plan, planned: Callable[[Params], Plan], limit: int
) -> Change | None:
    """The largest value of the peak's number under which the moments that it decides fit.

    The least value where none does; None where that lowers nothing.
    """
    key, least = _number(now.stage, now.peak.name)

    def most(value: int) -> int:
        moments = planned(_set(params, Change(key, value))).moments
        return max(m.total for m in moments if _number(now.stage, m.name)[0] == key)

    high = _get(params, key)
    if high <= least or (below := most(least)) >= now.peak.total:
        return None
    if below > limit:
        return Change(key, least)
    low = least
    while high - low > max(1, low // STEPS):
        middle = (low + high) // 2
        low, high = (middle, high) if most(middle) <= limit else (low, middle)
    return Change(key, low)


def _get(params: Params, key: str) -> Any:
    value: Any = params
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _set(params: Params, change: Change) -> Params:
    """The parameters with one value changed."""

    def changed(section: Any, names: list[str]) -> Any:
        first, *rest = names
        value = changed(getattr(section, first), rest) if rest else change.value
        return section.model_copy(update={first: value})

    result: Params = changed(params, change.key.split("."))
    return result

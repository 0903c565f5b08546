"""`rlp plan`: the plans of the stages, without starting anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rlp_core.errors import ConfigError, RlpError
from rlp_core.planning import device as devices
from rlp_core.planning import fit, report, shapes, work
from rlp_core.planning.device import Memory
from rlp_core.planning.plan import PLANNED, known_kind, stage_plan
from rlp_core.planning.stage import Plan
from rlp_core.planning.units import bytes_of
from rlp_core.planning.work import Speed
from rlp_core.policy.model import choose_device
from rlp_core.threads import threads_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlp_core.params import Params


@dataclass(frozen=True)
class Machine:
    """What a plan is held against.

    Attributes:
        memory: None: not known.
        speed: None: no time is told.
        on_gpu: whether the model lies on a GPU.
    """

    memory: Memory | None
    speed: Speed | None
    on_gpu: bool


def told(
    params: Params,
    root: Path,
    *,
    stage: str | None = None,
    memory: str | None = None,
    model: str | None = None,
) -> Iterator[str]:
    """The plans, line by line.

    Args:
        params: the parameters.
        root: the checkout.
        stage: one stage; None: every kind that holds a model.
        memory: of the GPU that is meant, such as 80GB; None: what is here.
        model: a folder or name of a model that takes the place of the one that params name.

    Raises:
        UsageError: no stage has this name, or the size of memory cannot be read.
        ConfigError: a stage does not fit; raised when all have been told.
        RlpError: the model's configuration is not at hand.
    """
    kinds = list(PLANNED) if stage is None else [stage]
    for kind in kinds:
        known_kind(kind)
    given = (
        None if memory is None else Memory(bytes_of(memory, "rlp plan --memory"), "as asked for")
    )
    faults: list[RlpError] = []
    for kind in kinds:
        shape = shapes.of_stage(params, kind, root)
        if model is not None:
            config = shapes.read_config(model, where="rlp plan --model")
            shape = shapes.ModelShape.of(config, model, shape.adapters)
        # of a GPU that is not here only its memory is known
        machine = machine_here(params, kind) if given is None else Machine(given, None, True)
        plan = stage_plan(params, kind, shape, on_gpu=machine.on_gpu)
        yield from report.lines(plan, machine.memory, machine.speed)
        yield ""
        if machine.memory is not None:
            try:
                fit.require(params, plan, machine.memory, on_gpu=machine.on_gpu)
            except ConfigError as fault:
                faults.append(fault)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise ConfigError(
            "\n".join(
                [f"{len(faults)} stages do not fit:", *(f"  - {f.what}; {f.fix}" for f in faults)]
            ),
            where="the tables above",
            fix="change the parameters as said of each stage, together",
        )


def machine_here(params: Params, stage: str) -> Machine:
    """The device that a stage would take here."""
    device = choose_device(params.runtime.device)
    threads = threads_of(params)
    torch.set_num_threads(threads)
    speed = work.measured(threads, str(device), precision_of(params, stage))
    return Machine(devices.of_device(params.runtime, device), speed, device.type == "cuda")


def precision_of(params: Params, stage: str) -> str:
    """What a stage computes in."""
    section = getattr(params, known_kind(stage))
    precision: str = section.precision
    return precision


def before_stage(params: Params, stage: str, root: Path) -> Plan:
    """Tell the plan of a stage that is about to load its model, and refuse what cannot fit.

    Raises:
        ConfigError: it cannot fit; the message names the nearest settings that do.
    """
    machine = machine_here(params, stage)
    plan = stage_plan(params, stage, shapes.of_stage(params, stage, root), on_gpu=machine.on_gpu)
    for line in report.lines(plan, machine.memory, machine.speed):
        print(line, flush=True)
    if machine.memory is not None:
        fit.require(params, plan, machine.memory, on_gpu=machine.on_gpu)
    return plan

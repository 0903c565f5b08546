"""What a save costs: the copy in the thread of the training, and the write beside it.

    python -m benchmarks.saves --threads 2

prints JSON as the last line of stdout: seconds of a save in the foreground, of the copy alone, and
of the write while training goes on; and the time per step with a write beside it and without. A
step is a fixed number of matrix products, so that what slows it is the write alone.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from benchmarks.work import TEST, Work
from rlp_core import quiet

if TYPE_CHECKING:
    from rlp_core.training.learner import RLPLearner

MODEL = dataclasses.replace(
    TEST, layers=30, width=576, heads=9, kv_heads=3, feed_forward=1536, vocabulary=49152
)
"""A model of the size of SmolLM2-135M."""
PRESETS = {"135m": MODEL, "test": TEST}
EDGE, PRODUCTS = 512, 100
STEPS = 20


def measure(work: Work, folder: Path, saves: int) -> dict[str, Any]:
    """Time saves of the state of RLP on a model, with its optimizer.

    Args:
        work: its model.
        folder: on the disk that is measured; what is written there is removed.
        saves: of each kind; the medians are given.
    """
    import torch

    from rlp_core.training.checkpoint import Checkpoints
    from rlp_core.training.saving import Saver

    torch.set_num_threads(work.threads)
    made = _stepped(work)
    state = made.state()
    found: dict[str, list[float]] = {"foreground": [], "copy": [], "write": [], "beside": []}
    with TemporaryDirectory(dir=folder) as temporary:
        disk = Checkpoints(Path(temporary))
        alone = [_step() for _ in range(STEPS)]
        for number in range(saves):
            begun = time.perf_counter()
            disk.save(2 * number + 1, state)
            found["foreground"].append(time.perf_counter() - begun)
            saver = Saver(disk, 1.0)
            begun = time.perf_counter()
            saver.save(2 * number + 2, state)
            found["copy"].append(time.perf_counter() - begun)
            while saver.going is not None and saver.going.ended is None:
                found["beside"].append(_step())
            saver.poll()
            found["write"].append(time.perf_counter() - begun - found["copy"][-1])
    size = sum(t.numel() * t.element_size() for t in state.everything.values())
    median = {f"seconds_{name}": statistics.median(times) for name, times in found.items() if times}
    return {"gigabytes": size / 1e9, **median, "seconds_alone": statistics.median(alone)}


def _stepped(work: Work) -> RLPLearner:
    """A trainer after one optimizer step, so that there are moments to save."""
    import torch

    from benchmarks.rlp_step import trainer

    made = trainer(work)
    for parameter in made.policy.parameters():
        parameter.grad = torch.full_like(parameter, 1e-3)
    made.stepper.step()
    return made


def _step() -> float:
    """Seconds of some matrix products."""
    import torch

    a = torch.ones(EDGE, EDGE)
    begun = time.perf_counter()
    for _ in range(PRODUCTS):
        torch.mm(a, a)
    return time.perf_counter() - begun


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--model", type=click.Choice(list(PRESETS)), default="135m", show_default=True)
@click.option("--folder", type=click.Path(path_type=Path, exists=True), default=Path())
@click.option("--saves", type=click.IntRange(1), default=3, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
def main(model: str, folder: Path, saves: int, threads: int) -> None:
    """Time saves; JSON is the last line of stdout."""
    quiet.apply()
    work = dataclasses.replace(PRESETS[model], threads=threads)
    click.echo(json.dumps(measure(work, folder, saves)))


if __name__ == "__main__":
    main()

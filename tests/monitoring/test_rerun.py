"""`rlp rerun`: a step that was not finite is run again, and the reading names the cause."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from rlp_core.cli import main
from rlp_core.data.records import Document
from rlp_core.data.thought import ThoughtConfig
from rlp_core.errors import EXIT_DATA, EXIT_MISSING
from rlp_core.monitoring.dump import DumpedDocuments, DumpWriter, StepDump
from rlp_core.training.batches import batch_indices
from rlp_core.training.config import LearnerConfig
from rlp_core.training.learner import STREAM, RLPLearner
from rlp_core.training.positions import tokenize_document
from tests import models
from tests.training import steps

SEED, NUMBER, LAYER = 5, 2, "model.layers.1.mlp.down_proj"
THOUGHT = ThoughtConfig(open="<think>", close="</think>", max_tokens=6)
LINES = [
    f"Q: {a}+{b}-{c}\nA:{(a + b - c) % 10}\n" for a in (1, 2, 3) for b in (4, 5) for c in (6, 7)
]


def settings(precision: str = "float32") -> LearnerConfig:
    return steps.settings(steps=6, documents=3, precision=precision)


def documents() -> list:
    documents = [
        Document(id=f"d{i}", key=f"k{i}", source="s", licence="l", text=text, spans=[])
        for i, text in enumerate(LINES)
    ]
    return [tokenize_document(models.codec(), document, 40, "uniform") for document in documents]


def trainer(precision: str = "float32") -> RLPLearner:
    chosen = settings(precision)
    return RLPLearner(models.model(SEED), models.codec(), chosen, THOUGHT, SEED, documents())


def spoil_policy(made: RLPLearner) -> None:
    """A weight so large that the layer's output overflows."""
    with torch.no_grad():
        made.policy.get_parameter(f"{LAYER}.weight")[0] = math.inf
    made.compute.refresh()


def spoil_target(made: RLPLearner) -> None:
    with torch.no_grad():
        made.ema.model.get_parameter(f"{LAYER}.weight")[0] = math.nan
    made.ema_compute.refresh()


def spare(_made: RLPLearner) -> None:
    """No fault."""


def dumped(folder: Path, spoil, precision: str = "float32") -> tuple[Path, dict[str, float]]:
    """Two good steps, then a fault, a step under it, and its dump."""
    made = trainer(precision)
    for number in range(NUMBER):
        made.step(number)
    spoil(made)
    state = copy.deepcopy(made.state())  # a step that is not skipped changes the live tensors
    metrics = made.step(NUMBER).metrics
    chosen = batch_indices(len(LINES), settings().documents, NUMBER, SEED, STREAM)
    kept = DumpedDocuments.of(documents(), chosen)
    step = StepDump(NUMBER, SEED, {}, made.settings, THOUGHT, kept, chosen, state, metrics)
    written = DumpWriter(folder).write(step, made.policy, made.codec)
    assert written is not None
    return written, metrics


def rlp(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["replay", *arguments])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("spoil", "phase", "model"),
    [(spoil_policy, "thoughts", "policy"), (spoil_target, "baseline", "target")],
)
def test_a_fault_is_reproduced_and_the_layer_is_named(
    tmp_path: Path, spoil, phase, model, precision
) -> None:
    folder, metrics = dumped(tmp_path, spoil, precision)
    assert not math.isfinite(metrics["information_gain"])
    said = rlp(str(folder))
    assert said.exit_code == 0, said.output
    lines = said.output.splitlines()
    assert any(line.startswith("state before") and "1 of" in line for line in lines)
    (found,) = (line for line in lines if line.startswith(phase))
    assert f"first in {LAYER} of the {model}" in found
    (rewards,) = (line for line in lines if line.startswith("rewards"))
    assert rewards.split()[1] != "0"
    assert "reproduced: the step is not finite here either" in said.output
    assert "after   '" in said.output


def test_a_healthy_step_is_not_reproduced(tmp_path: Path) -> None:
    folder, metrics = dumped(tmp_path, spare)
    assert all(map(math.isfinite, metrics.values()))
    said = rlp(str(folder))
    assert said.exit_code == 1
    assert "not reproduced" in said.output
    assert "every metric is finite" in said.output


def test_the_same_step_is_run_again(tmp_path: Path) -> None:
    """To the bit: texts, thoughts, optimizer and weights are those of the run."""
    from rlp_core.monitoring.rerun import rerun

    folder, metrics = dumped(tmp_path, spare)
    assert rerun(folder).metrics == metrics


def test_bad_input_is_told(tmp_path: Path) -> None:
    nothing = rlp(str(tmp_path / "nowhere"))
    assert nothing.exit_code == EXIT_MISSING
    assert "no dump here" in nothing.output
    folder, _ = dumped(tmp_path, spoil_policy)
    (folder / "dump.json").write_text("{}")
    damaged = rlp(str(folder))
    assert damaged.exit_code == EXIT_DATA
    assert "damaged" in damaged.output
    assert "Traceback" not in nothing.output + damaged.output

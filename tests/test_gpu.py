"""On a GPU what a CPU proves of everything else: equal results, equal runs, and its own kernels.

All is skipped where there is none. What can be said without one is said by
`tests/test_accelerator.py` and `tests/rollout/test_varlen.py`.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rlp_core import RLPConfig, RLPTrainer
from rlp_core.data.thought import ThoughtConfig
from rlp_core.policy.logits import logits_of, token_logprobs
from rlp_core.rollout import recording
from rlp_core.rollout.branches import Branch, pack
from rlp_core.rollout.decoding import Users, inverse, inverse_by_products
from rlp_core.rollout.engine import prepare
from rlp_core.rollout.sampler import SamplingParams, sample
from rlp_core.stages import base, bootstrap, cpt, evaluate, finetune, rlp, rlvr
from rlp_core.stages import prepare as prepare_stage
from rlp_core.thoughts import generate_thoughts
from rlp_core.workspace import Workspace
from tests import models
from tests.rollout.test_attention import tensors
from tests.small_runs import CHANGES, PROMPTS, TRUNKS, learner, numbers
from tests.stages.admitted import admit
from tests.stages.test_training import context, params

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

DEVICE = "cuda"


@pytest.fixture(autouse=True)
def deterministic(monkeypatch):
    """As stages run by default."""
    monkeypatch.setenv(
        "CUBLAS_WORKSPACE_CONFIG", os.environ.get("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    )
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


def on_gpu(dtype=torch.float32, seed: int = 0):
    model = models.model(seed)
    model.to(DEVICE, dtype)
    prepare(model)
    return model


# Stages.


def all_stages(root: Path, device: str, validated: Path | None = None) -> Workspace:
    made = Workspace(root)
    chosen = params(runtime__device=device, rlvr__steps=2)
    if validated is None:
        prepare_stage.run(context("prepare", made, chosen))
        admit(made)
    else:
        (root / "data").mkdir(parents=True)
        made.validated.symlink_to(validated)
    stages = {"base": base, "bootstrap": bootstrap, "rlp": rlp, "cpt": cpt}
    stages |= {"finetune@rlp": finetune, "rlvr@rlp": rlvr, "evaluate@rlp-ft": evaluate}
    for name, stage in stages.items():
        stage.run(context(name, made, chosen))
    return made


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Workspace]:
    """All stages on the GPU, twice from the same records, and on the CPU."""
    one = all_stages(tmp_path_factory.mktemp("one"), DEVICE)
    two = all_stages(tmp_path_factory.mktemp("two"), DEVICE, one.validated)
    return [one, two, all_stages(tmp_path_factory.mktemp("cpu"), "cpu", one.validated)]


@pytest.mark.parametrize("arm", ["base", "bootstrap", "rlp", "cpt", "rlp-ft"])
def test_equal_runs_on_a_gpu_end_in_equal_bytes(runs, arm) -> None:
    one, two, _ = ((run.model(arm) / "model.safetensors").read_bytes() for run in runs)
    assert one == two


@pytest.mark.parametrize("arm", ["base", "bootstrap"])
def test_a_stage_makes_the_model_that_a_cpu_makes(runs, arm) -> None:
    there, _, here = (load_file(run.model(arm) / "model.safetensors") for run in runs)
    torch.testing.assert_close(there, here, atol=1e-3, rtol=1e-2)


# Decoding.


def drawn(model, record: bool, temperature: float = 1.0, least: int = 0):
    with pytest.MonkeyPatch.context() as patch:
        if not record:
            patch.setattr(recording, "RECORDERS", {})
        chosen = SamplingParams(4, 1, 64, temperature, least)
        return sample(model, TRUNKS, PROMPTS, chosen, numbers, 64)


@pytest.mark.parametrize("least", [0, 40, 63])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_recorded_step_draws_to_the_bit_what_an_unrecorded_one_does(
    dtype, temperature, least
) -> None:
    model = on_gpu(dtype)
    recorded, plain = (drawn(model, record, temperature, least) for record in (True, False))
    assert dataclasses.asdict(recorded) == dataclasses.asdict(plain)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_thoughts_are_those_that_a_cpu_draws(temperature) -> None:
    here = models.model()
    prepare(here)
    expected = drawn(here, False, temperature)
    found = drawn(on_gpu(), True, temperature)
    assert found.tokens == expected.tokens
    for name in ("logprobs", "predicted"):
        for one, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            assert one == pytest.approx(other, abs=1e-4)


@pytest.mark.parametrize("vocabulary", [96, 151_936])
def test_a_number_chooses_the_token_that_a_cumulative_sum_chooses(vocabulary) -> None:
    logits = 4 * torch.randn(64, vocabulary, generator=torch.Generator().manual_seed(1))
    probability = torch.softmax(logits, 1, dtype=torch.float64)
    uniform = torch.rand(64, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    everyone = torch.arange(64)
    expected = inverse(probability, Users(everyone, None), uniform)
    users = Users(everyone.to(DEVICE), None)
    found = inverse_by_products(probability.to(DEVICE), users, uniform.to(DEVICE))
    assert torch.equal(found.cpu(), expected)


# Kernels.


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("heads", [(4, 4), (4, 2)])
@pytest.mark.parametrize("kernel", ["varlen", "flex"])
def test_a_kernel_of_a_gpu_is_as_near_the_blocks_as_bf16_is(kernel, heads, seed) -> None:
    trunks = [list(range(3, 3 + n)) for n in (70, 9, 200)]
    branches = [
        Branch(0, 60, [5] * 40), Branch(0, 60, [6] * 7), Branch(0, 20, [7] * 130),
        Branch(1, 0, [8]), Branch(1, 0, [9] * 3), Branch(2, 200, [4] * 64), Branch(2, 1, [4] * 65),
    ]  # fmt: skip
    found = []
    for name, dtype in ((kernel, torch.bfloat16), ("blocks", torch.float32)):
        packed = pack(trunks, branches, DEVICE, name)
        made = tensors(packed.ids.shape[1], *heads, seed, size=64)
        inputs = [t.detach().bfloat16().to(DEVICE, dtype).requires_grad_() for t in made]
        out = packed.attention.attend(0, *inputs, 0.125, 0.0)
        weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)
        found.append([out.detach(), *torch.autograd.grad((out * weight).sum(), inputs)])
    for one, other in zip(*found, strict=True):
        assert float((one.float() - other).norm()) < 0.02 * float(other.norm())


def test_the_head_is_not_rounded_in_bf16() -> None:
    model = models.model()
    model.to(DEVICE, torch.bfloat16)
    made = torch.Generator().manual_seed(3)
    hidden = torch.randn(50, model.config.hidden_size, generator=made).to(DEVICE, torch.bfloat16)
    weight = model.get_output_embeddings().weight
    exact = hidden.double() @ weight.detach().double().T
    hidden.requires_grad_()
    logits = logits_of(model, hidden)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits.double(), exact, atol=1e-5, rtol=1e-5)
    tokens = torch.arange(50, device=DEVICE) % len(weight)
    gradients = []
    for kept in (1 << 30, 0):  # the table waits for the backward pass, or is made again there
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("rlp_core.policy.logits.KEPT", kept)
            loss = token_logprobs(model, hidden, tokens, 0.7).sum()
            gradients.append(torch.autograd.grad(loss, (hidden, weight)))
    for one, other in zip(*gradients, strict=True):
        assert float((one - other).norm()) < 0.02 * float(other.norm())


# Learning.


@pytest.mark.parametrize("changes", CHANGES, ids=str)
@pytest.mark.parametrize("budget", [10**6, 60])
def test_a_step_of_rlp_is_that_of_a_cpu(changes, budget) -> None:
    found = []
    for device in ("cpu", DEVICE):
        made = learner(device, "auto" if device == DEVICE else "blocks", **changes)
        made.update_token_budget = budget
        found.append(made.step(0).metrics)
    close = {"abs": 0.02, "rel": 0.1} if "precision" in changes else {"abs": 1e-4, "rel": 1e-2}
    assert found[1] == pytest.approx(found[0], **close)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_library_trains_twice_to_the_same_weights(tmp_path: Path, precision) -> None:
    texts = ["Q: 3+4-5\nA:2\n", "Q: 9-8\nA:1\n", "The nurse said that she was late.\n"]
    config = RLPConfig(
        steps=3, documents=2, max_tokens=40, positions=2, position_selection="uniform",
        group_size=2, horizon=1, precision=precision,
    )  # fmt: skip
    thought = ThoughtConfig(open="<think>", close="</think>", max_tokens=5)
    weights = []
    for name in ("one", "two"):
        model = models.model()
        model.to(DEVICE)
        RLPTrainer(
            model, models.tokenizer(), texts, config, thought=thought, output_dir=tmp_path / name
        ).train()
        generate_thoughts(model, models.tokenizer(), texts[:1], thought=thought)
        weights.append({name: value.cpu() for name, value in model.state_dict().items()})
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])

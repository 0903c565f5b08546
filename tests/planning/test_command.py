"""`rlp plan`: what it prints, and how it fails; and what a stage says before it begins."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rlp_core.cli import main
from rlp_core.errors import (
    EXIT_CONFIG,
    EXIT_MISSING,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    ConfigError,
)
from rlp_core.planning import command
from rlp_core.planning.device import Memory
from rlp_core.planning.plan import PLANNED
from rlp_core.planning.work import Speed
from tests.planning.plans import TINY, changed

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of the tiny profile, and a machine that is not measured anew for each stage."""
    monkeypatch.setattr(
        "rlp_core.planning.work.measured", lambda *_: Speed(0.1, 20, 0.4, "as a test says")
    )
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    shutil.copy(ROOT / "profiles" / "tiny.yaml", tmp_path / "params.yaml")
    return tmp_path


def rlp(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--root", str(root), "plan", *arguments])


def folder(root: Path, name: str, config: object) -> str:
    made = root / name
    made.mkdir(parents=True)
    text = config if isinstance(config, str) else json.dumps(config)
    (made / "config.json").write_text(text)
    return str(made)


def test_every_stage_is_told(checkout: Path) -> None:
    said = rlp(checkout)
    assert said.exit_code == 0, said.output
    for stage in PLANNED:
        assert f"plan of {stage}: base.architecture, 631,872 parameters" in said.output
    for line in ("weights", "optimizer state", "gradients", "activations", "decoding cache"):
        assert line in said.output
    assert "it fits into" in said.output
    assert "as a test says" in said.output
    assert "assumed: " in said.output
    assert [path for path in checkout.iterdir() if path.name.startswith(".")] == []


def test_one_stage_of_a_profile_on_a_gpu_elsewhere(checkout: Path) -> None:
    said = rlp(checkout, "--stage", "finetune@rlp", "--profile", "real-text", "--memory", "24 GB")
    assert said.exit_code == 0, said.output
    assert said.output.count("plan of ") == 1
    assert "95% of 24.0 GB, as asked for" in said.output
    assert "TFLOP/s" not in said.output  # nobody knows how fast that GPU is


def test_what_does_not_fit_is_told_after_the_tables(checkout: Path) -> None:
    one = rlp(checkout, "--stage", "rlp", "--memory", "100MB")
    assert one.exit_code == EXIT_CONFIG
    assert "it does NOT fit" in one.output
    assert "set runtime.update_token_budget: " in one.output
    several = rlp(checkout, "--memory", "100MB")
    assert several.exit_code == EXIT_CONFIG
    assert several.output.count("plan of ") == len(PLANNED)
    assert "stages do not fit" in several.output


def test_an_arm_that_was_made_is_read(checkout: Path) -> None:
    config = {"model_type": "qwen3", "hidden_size": 32, "num_hidden_layers": 2}
    config |= {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    folder(checkout, "models/bootstrap", config | {"intermediate_size": 64, "vocab_size": 100})
    said = rlp(checkout, "--stage", "rlp", "--memory", "1GB")
    assert "plan of rlp: models/bootstrap, " in said.output
    assert "plan of base: base.architecture" in rlp(checkout, "--stage", "base").output


MISTAKES: list[tuple[tuple[str, ...], int, str]] = [
    (("--stage", "finetun"), EXIT_USAGE, "did you mean `finetune`?"),
    (("--stage", "validate"), EXIT_USAGE, "holds no model"),
    (("--memory", "80 bananas"), EXIT_USAGE, "is no size of memory"),
    (("--memory", "80"), EXIT_USAGE, "rlp plan --memory"),
    (("--profile", "tny"), EXIT_USAGE, "did you mean `tiny`?"),
    (("--params", "nowhere.yaml"), EXIT_MISSING, "no parameters here"),
    (("--params", "params.yaml", "--profile", "tiny"), EXIT_USAGE, "give one of them"),
    (("--model", "./nowhere"), EXIT_MISSING, "no model folder here"),
    (("--model", "nobody/knows-this"), EXIT_UNAVAILABLE, "rlp plan --model = nobody/knows-this"),
]


@pytest.mark.parametrize(("arguments", "code", "hint"), MISTAKES)
def test_mistakes_are_told(
    checkout: Path,
    arguments: tuple[str, ...],
    code: int,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(checkout)
    said = rlp(checkout, *arguments)
    assert said.exit_code == code, said.output
    assert hint in said.output
    assert "Traceback" not in said.output


@pytest.mark.parametrize(
    ("config", "hint"),
    [
        ({"model_type": "vit"}, "is no causal language model"),
        ({"model_type": "t5"}, "is no causal language model"),
        ({"model_type": "no-such-thing"}, "cannot be read"),
        ("{", "cannot be read"),
        ({}, "cannot be read"),
    ],
)
def test_what_is_no_model_is_told(checkout: Path, config: object, hint: str) -> None:
    said = rlp(checkout, "--model", folder(checkout, "given", config), "--memory", "1GB")
    assert said.exit_code == EXIT_CONFIG, said.output
    assert hint in said.output


def test_a_stage_tells_its_plan_and_is_refused_before_it_loads_anything(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.before_stage(TINY, "rlp", checkout)
    assert "plan of rlp: " in capsys.readouterr().out
    small = changed(TINY, runtime__memory_limit="100MB")
    with pytest.raises(ConfigError, match=r"runtime\.update_token_budget: "):
        command.before_stage(small, "rlp", checkout)
    assert "it does NOT fit" in capsys.readouterr().out


def test_where_the_machine_tells_nothing_nothing_is_refused(
    checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlp_core.planning.device.available", lambda: None)
    command.before_stage(TINY, "bootstrap", checkout)
    assert "does not say how much memory it has" in capsys.readouterr().out
    assert Memory(1, "x").usable == 0


def test_measuring_the_machine_draws_from_no_generator() -> None:
    import torch

    from rlp_core.planning.work import measured

    before = torch.random.get_rng_state()
    speed = measured(1, "cpu", "float32")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert speed.teraflops > 0
    assert speed.gigabytes > 0

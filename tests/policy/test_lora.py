"""Adapters: they begin as nothing, merge, share their base, and live in folders that peft reads."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import AutoPeftModelForCausalLM
from safetensors.torch import load_file, save_file

from rlp_core.errors import ConfigError, MissingInputError, RlpError, UnavailableError
from rlp_core.policy import adapter_folder, lora
from rlp_core.policy.compute import Compute
from rlp_core.policy.config import LoraConfig
from rlp_core.policy.ema import EmaTarget
from rlp_core.policy.model import load, save
from rlp_core.policy.sharing import copy_sharing, frozen, trained_names
from tests import models
from tests.training.steps import stir

ROOT = Path(__file__).resolve().parents[2]
CONFIG = LoraConfig(rank=3, alpha=6.0)
IDS = torch.tensor([[5, 6, 7, 8, 9, 10]])


def adapted(config: LoraConfig = CONFIG, *, base: str = "", stirred: bool = True):
    model = models.model(4)
    lora.attach(model, config, 1, base)
    if stirred:
        stir(model, 2)
    return model


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS, use_cache=False).logits


def unique_bytes(*held) -> int:
    """Of all parameters of some models, what is shared counted once."""
    return sum({p.data_ptr(): p.nbytes for model in held for p in model.parameters()}.values())


def test_fresh_adapters_change_nothing_and_the_seed_decides_them() -> None:
    fresh = adapted(stirred=False)
    assert torch.equal(logits(fresh), logits(models.model(4)))
    again, other = models.model(4), models.model(4)
    lora.attach(again, CONFIG, 1)
    lora.attach(other, CONFIG, 2)
    for name, parameter in fresh.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name))
    assert any(not torch.equal(p, other.get_parameter(n)) for n, p in fresh.named_parameters())


@pytest.mark.parametrize("targets", [(), ("q_proj",), ("v_proj", "down_proj")])
def test_the_targets_get_one_and_all_else_is_frozen(targets) -> None:
    model = adapted(LoraConfig(rank=2, targets=targets))
    names = trained_names(model)
    assert names
    assert all("lora_" in name for name in names)
    layers = {name.split(".lora_")[0].rpartition(".")[2] for name in names}
    every = {f"{kind}_proj" for kind in ("q", "k", "v", "o", "gate", "up", "down")}
    assert layers == (set(targets) or every)
    assert not any("lm_head" in name or "embed" in name for name in names)
    assert set(lora.describe(model).targets) == layers
    assert frozen(model).keys() | names == {name for name, _ in model.named_parameters()}


def test_a_target_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"(?s)no linear layer 'q_prj'.*did you mean `q_proj`"):
        adapted(LoraConfig(rank=2, targets=("v_proj", "q_prj")))


def test_without_peft_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UnavailableError, match=r"pip install 'rlp\[lora\]'"):
        adapted()


def test_merging_is_rounding_and_leaves_the_model_as_it_is() -> None:
    model = adapted()
    before = logits(model)
    whole = lora.merged(model)
    assert torch.equal(logits(model), before)
    assert lora.adapted(model)
    assert not lora.adapted(whole)
    assert not torch.allclose(before, logits(models.model(4)), atol=0.1)
    assert (logits(whole) - before).abs().max() < 1e-4 * before.abs().max()
    assert whole.state_dict().keys() == models.model(4).state_dict().keys()
    assert all(p.requires_grad for p in whole.parameters())


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A base, and adapters for it, below one root."""
    base, folder = tmp_path / "models" / "base", tmp_path / "models" / "arm"
    for path in (base, folder):
        path.mkdir(parents=True)
    save(models.model(4), models.tokenizer(), base)
    save(adapted(base="models/base"), models.tokenizer(), folder, "adapter")
    return base, folder


def test_a_folder_of_adapters_is_small_and_comes_back_to_the_bit(folders) -> None:
    base, folder = folders
    model = adapted()
    weights = [path.stat().st_size for path in (folder / "adapter_model.safetensors",)]
    assert weights[0] < (base / "model.safetensors").stat().st_size
    kept, tokenizer = load(folder, keep_adapters=True)
    assert len(tokenizer) == len(models.tokenizer())
    assert torch.equal(logits(kept), logits(model))
    assert trained_names(kept) == trained_names(model)
    whole, _ = load(folder)
    assert torch.equal(logits(whole), logits(lora.merged(model)))
    assert not (folder / "config.json").exists()
    assert str(folder.parent.parent) not in (folder / "adapter_config.json").read_text()


def test_equal_adapters_are_equal_bytes_in_every_process(folders, tmp_path: Path) -> None:
    """The order of a set is another one in each process."""
    program = (
        "import sys; from pathlib import Path; from tests import models\n"
        "from tests.policy.test_lora import adapted; from rlp_core.policy.model import save\n"
        "save(adapted(base='models/base'), models.tokenizer(), Path(sys.argv[1]), 'adapter')"
    )
    told = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        subprocess.run(
            [sys.executable, "-c", program, str(folder)],
            check=True, cwd=folder,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        told.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert told[0] == told[1]
    _, here = folders
    assert told[0] == {p.name: p.read_bytes() for p in here.iterdir() if p.name != "base.json"}


def test_peft_reads_it_beside_its_base(folders, monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder = folders
    monkeypatch.chdir(folder.parent.parent)
    theirs = AutoPeftModelForCausalLM.from_pretrained("models/arm")
    assert torch.equal(logits(theirs), logits(adapted()))


def test_adapters_meet_the_base_beside_them_not_one_of_its_name_elsewhere(
    folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout in which a run was made has a `models/base` of its own."""
    base, folder = folders
    other = tmp_path / "checkout" / "models" / "base"
    other.mkdir(parents=True)
    save(models.model(3), models.tokenizer(), other)
    monkeypatch.chdir(other.parent.parent)
    assert adapter_folder.base_of(folder) == base
    kept, _ = load(folder, keep_adapters=True)
    assert torch.equal(logits(kept), logits(adapted()))
    shutil.rmtree(base)
    assert adapter_folder.base_of(folder) == Path("models/base")


def test_a_merged_model_is_an_ordinary_folder(tmp_path: Path) -> None:
    model = adapted()
    save(model, models.tokenizer(), tmp_path, "merged")
    assert not adapter_folder.is_adapter(tmp_path)
    assert torch.equal(logits(load(tmp_path)[0]), logits(lora.merged(model)))


def _edit(folder: Path, **changes) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _other_base(base: Path, _folder: Path) -> None:
    save(models.model(5), models.tokenizer(), base)


def _cut(_base: Path, folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-40])


def _lost(_base: Path, folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, path)


def _narrow(_base: Path, folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    save_file({name: t[:, :-1].contiguous() for name, t in load_file(path).items()}, path)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_other_base, "trained on another model than the one in"),
        (_cut, "do not fit the model that they name"),
        (_lost, "1 weights are missing"),
        (_narrow, "do not fit the model that they name"),
        (lambda _, f: _edit(f, peft_type="IA3"), "type 'IA3' are not known here"),
        (lambda _, f: _edit(f, base_model_name_or_path=None), "which model they belong to"),
        (lambda _, f: _edit(f, base_model_name_or_path="gone"), "is not there: gone"),
        (lambda _, f: (f / "adapter_model.safetensors").unlink(), "holds no adapters"),
        (lambda _, f: (f / "adapter_config.json").write_text("{"), "cannot be read"),
        (lambda _, f: (f / "tokenizer.json").unlink(), "cannot be loaded"),
    ],
)
def test_what_is_wrong_with_a_folder_is_told(folders, harm, message: str) -> None:
    base, folder = folders
    harm(base, folder)
    with pytest.raises(RlpError, match=message) as caught:
        load(folder)
    assert isinstance(caught.value, ConfigError | MissingInputError)
    assert caught.value.fix


def test_adapters_are_gone_on_with_where_they_are_those_asked_for(capsys) -> None:
    model = adapted()
    before = copy.deepcopy(model.state_dict())
    lora.prepare_adapters(model, CONFIG, 9, "elsewhere")
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert capsys.readouterr().out == ""
    lora.prepare_adapters(models.model(4), CONFIG, 9, "models/base")
    assert "adapters of rank 3: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("has", "wanted"),
    [
        (CONFIG, LoraConfig(rank=4, alpha=6.0)),
        (CONFIG, LoraConfig(rank=3, alpha=7.0)),
        (CONFIG, LoraConfig(rank=3, alpha=6.0, targets=("q_proj",))),
        (LoraConfig(rank=3, alpha=6.0, targets=("q_proj",)), CONFIG),
    ],
)
def test_adapters_of_another_make_are_not_taken_for_those_asked_for(has, wanted) -> None:
    with pytest.raises(ConfigError, match=r"adapters of rank 3, alpha 6 on .*q_proj"):
        lora.prepare_adapters(adapted(has), wanted, 1, "")


def test_policy_baseline_and_start_share_one_base() -> None:
    model = adapted()
    alone = unique_bytes(model)
    trained = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    ema, start = EmaTarget(model, 0.9), copy_sharing(model)
    assert unique_bytes(model, ema.model, start) == alone + 2 * trained
    whole = models.model(4)
    assert unique_bytes(whole, copy_sharing(whole)) == 2 * unique_bytes(whole)


def test_the_baseline_follows_the_adapters_alone() -> None:
    model = adapted()
    ema = EmaTarget(model, 0.75)
    names = trained_names(model)
    first = {name: ema.model.get_parameter(name).clone() for name in names}
    base = {name: tensor.clone() for name, tensor in frozen(model).items()}
    stir(model, 8)
    ema.update(model)
    for name, before in first.items():
        expected = before * 0.75 + model.get_parameter(name) * 0.25
        torch.testing.assert_close(ema.model.get_parameter(name), expected)
    for name, tensor in base.items():
        assert torch.equal(ema.model.get_parameter(name), tensor)


def test_in_bf16_only_adapters_have_masters_that_move() -> None:
    model = adapted()
    compute = Compute(model, torch.bfloat16)
    assert {p.dtype for p in compute.model.parameters()} == {torch.bfloat16}
    compute.model(input_ids=IDS, use_cache=False).logits.float().square().mean().backward()
    compute.collect()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == ("lora_" in name)
        assert parameter.grad is None or parameter.grad.dtype == torch.float32
    stir(model, 8)
    compute.refresh()
    for name, parameter in model.named_parameters():
        assert torch.equal(compute.model.get_parameter(name), parameter.to(torch.bfloat16))

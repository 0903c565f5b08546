import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from rlp_core.errors import ConfigError, MissingInputError, UnavailableError
from rlp_core.policy import model as models_io
from tests import models


@pytest.fixture
def folder(tmp_path):
    models_io.save(models.model(1), models.tokenizer(), tmp_path)
    return tmp_path


def test_a_saved_model_is_an_ordinary_hugging_face_folder(folder):
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("Q: 3+4\nA:<think>3+4=7</think>7\n", return_tensors="pt").input_ids
    expected = models.model(1)(input_ids=ids).logits
    assert torch.equal(model(input_ids=ids).logits, expected)
    assert tokenizer.decode(ids[0]) == "Q: 3+4\nA:<think>3+4=7</think>7\n"
    assert not list(folder.glob("*.bin"))


def test_loading_gives_back_the_same_weights_in_fp32(folder):
    model, tokenizer = models_io.load(folder)
    for a, b in zip(model.parameters(), models.model(1).parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.dtype == torch.float32
    assert len(tokenizer) == len(models.tokenizer())


def test_the_same_seed_builds_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        models_io.save(models.model(7), models.tokenizer(), tmp_path / name)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="safetensors") as raised:
        models_io.load(folder)
    assert "pytorch_model.bin" in str(raised.value)


def test_a_tokenizer_larger_than_the_model_is_refused(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"extra-{i}" for i in range(50)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ConfigError, match="embeds only"):
        models_io.load(folder)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    broken = models.model(1)
    with torch.no_grad():
        next(broken.parameters())[0, 0] = float("nan")
    models_io.save(broken, models.tokenizer(), tmp_path)
    with pytest.raises(ConfigError, match="NaN"):
        models_io.load(tmp_path)


def test_a_missing_folder_and_an_unreachable_name_are_told_apart(tmp_path):
    with pytest.raises(MissingInputError, match="no model folder"):
        models_io.load(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match=r"config\.json"):
        models_io.load(tmp_path / "empty")
    with pytest.raises(UnavailableError, match="neither cached nor reachable"):
        models_io.load("somebody/no-such-model", "0" * 40)


def test_a_truncated_file_is_a_message_and_no_traceback(folder):
    config = folder / "config.json"
    config.write_text(config.read_text()[:40])
    with pytest.raises(ConfigError, match="cannot be loaded"):
        models_io.load(folder)


def padded(rows: int, tied: bool, bias: bool = False):
    """A model of some rows, of which a tokenizer of 20 tokens uses the first."""
    config = LlamaConfig(
        vocab_size=rows, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=2, tie_word_embeddings=tied, bos_token_id=None, eos_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    made = LlamaForCausalLM(config)
    if bias:
        made.lm_head.bias = torch.nn.Parameter(torch.randn(rows))
    return made


@pytest.mark.parametrize("rows", [20, 21, 22, 30], ids=["full", "one spare", "two", "many"])
@pytest.mark.parametrize("tied", [True, False])
def test_every_added_token_gets_the_mean_of_the_real_ones_spare_row_or_not(rows, tied):
    model = padded(rows, tied)
    before = [table.detach().clone() for table in models_io.embeddings(model)]
    models_io.initialise_tokens(model, [20, 21])
    tables = models_io.embeddings(model)
    assert (tables[0] is tables[1]) is tied
    for old, new in zip(before, tables, strict=True):
        assert len(new) == max(rows, 22)
        torch.testing.assert_close(new[20:22], old[:20].mean(dim=0).expand(2, -1))
        assert torch.equal(new[:20], old[:20])
        assert torch.equal(new[22:], old[22:])


def test_an_outputs_bias_gets_its_mean_too_and_nothing_added_changes_nothing():
    model = padded(30, tied=False, bias=True)
    before = model.lm_head.bias.detach().clone()
    models_io.initialise_tokens(model, [])
    assert torch.equal(model.lm_head.bias, before)
    models_io.initialise_tokens(model, [20, 21])
    torch.testing.assert_close(model.lm_head.bias[20:22], before[:20].mean().expand(2))


def test_the_parameter_count_splits_body_and_head():
    model = models.model()
    body, head = models_io.parameter_count(model)
    assert head == model.config.vocab_size * model.config.hidden_size
    assert body + head == sum(p.numel() for p in model.parameters())


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="no device"):
        models_io.choose_device("cuda:99")
    with pytest.raises(ConfigError, match="no device"):
        models_io.choose_device("abacus")
    assert models_io.choose_device("cpu") == torch.device("cpu")


def test_the_configuration_names_no_path_or_time(folder):
    config = json.loads((folder / "config.json").read_text())
    assert "_name_or_path" not in config

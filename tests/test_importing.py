"""`rlp model import`: any kind of checkpoint becomes a folder that stages read, whole or not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from tokenizers import AddedToken
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

from rlp_core.cli import main
from rlp_core.data.tokenizer import Codec, add_delimiters, train_tokenizer
from rlp_core.errors import (
    EXIT_UNAVAILABLE,
    ConfigError,
    MissingInputError,
    OutputError,
    RlpError,
    UnavailableError,
    UsageError,
)
from rlp_core.importing import ORIGIN, import_model
from rlp_core.policy.ends import ends_of
from rlp_core.policy.model import embeddings, initialise_tokens, load
from tests import gguf_files, models

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MARKS = ["<|im_start|>", "<|im_end|>"]


def plain_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer without delimiters, as that of a model from elsewhere."""
    return train_tokenizer(models.TEXTS, 280, (), 128)  # type: ignore[arg-type]  # none of them


def saved(
    folder: Path,
    model: PreTrainedModel | None = None,
    tokenizer: PreTrainedTokenizerFast | None = None,
    **options: Any,
) -> Path:
    """A checkpoint as transformers save it."""
    known = tokenizer or plain_tokenizer()
    (model or gguf_files.llama(known)).save_pretrained(folder, **options)
    known.save_pretrained(folder)
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return saved(tmp_path / "source")


def origin(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
    return found


def same_weights(folder: Path, model: PreTrainedModel) -> None:
    for name, weight in load(folder)[0].state_dict().items():
        assert torch.equal(weight, model.state_dict()[name].float()), name


def ready(folder: Path) -> tuple[PreTrainedModel, Codec]:
    """What stage `base` makes of a folder."""
    model, tokenizer = load(folder)
    initialise_tokens(model, add_delimiters(tokenizer, models.DELIMITERS))
    return model, Codec.of(tokenizer, models.DELIMITERS, ends=ends_of(model, tokenizer))


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_a_checkpoint_in_half_precision_becomes_fp32(tmp_path: Path, half: torch.dtype) -> None:
    model = gguf_files.llama(plain_tokenizer()).to(half)
    done = import_model(str(saved(tmp_path / "half", model)), tmp_path / "made")
    with safe_open(tmp_path / "made" / "model.safetensors", framework="pt") as weights:
        assert {weights.get_tensor(name).dtype for name in weights.offset_keys()} == {torch.float32}
    same_weights(tmp_path / "made", model)
    assert json.loads((tmp_path / "made" / "config.json").read_text())["dtype"] == "float32"
    assert done.parameters == sum(p.numel() for p in model.parameters())
    assert done.bytes == sum(path.stat().st_size for path in (tmp_path / "made").iterdir())


def test_a_sharded_checkpoint_is_read_whole(tmp_path: Path) -> None:
    model = gguf_files.llama(plain_tokenizer())
    folder = saved(tmp_path / "shards", model, max_shard_size="50KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    import_model(str(folder), tmp_path / "made")
    assert [path.name for path in (tmp_path / "made").glob("*.safetensors*")] == [
        "model.safetensors"
    ]
    same_weights(tmp_path / "made", model)


@pytest.mark.parametrize("tied", [True, False])
def test_heads_stay_tied_or_apart(tmp_path: Path, tied: bool) -> None:
    model = gguf_files.llama(plain_tokenizer(), tied=tied)
    import_model(str(saved(tmp_path / "source", model)), tmp_path / "made")
    first, last = embeddings(load(tmp_path / "made")[0])
    assert (first is last) is tied
    with safe_open(tmp_path / "made" / "model.safetensors", framework="pt") as weights:
        assert ("lm_head.weight" in weights.offset_keys()) is not tied
    same_weights(tmp_path / "made", model)


def test_a_tokenizer_without_pad_or_start_token_needs_none(tmp_path: Path) -> None:
    tokenizer = plain_tokenizer()
    model = gguf_files.llama(tokenizer)
    model.config.bos_token_id = model.config.pad_token_id = None
    tokenizer.bos_token = tokenizer.pad_token = None
    import_model(str(saved(tmp_path / "source", model, tokenizer)), tmp_path / "made")
    codec = ready(tmp_path / "made")[1]
    assert (codec.prefix, codec.pad_id) == ((), codec.end_id)


def test_added_tokens_stay_what_they_are(tmp_path: Path) -> None:
    tokenizer = plain_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": MARKS})
    tokenizer.add_tokens([AddedToken("<tool_call>", special=False, normalized=False)])
    import_model(str(saved(tmp_path / "source", tokenizer=tokenizer)), tmp_path / "made")
    found = load(tmp_path / "made")[1]
    assert found.get_vocab() == tokenizer.get_vocab()
    kinds = {token.content: token.special for token in found.added_tokens_decoder.values()}
    assert (kinds["<|im_end|>"], kinds["<tool_call>"]) == (True, False)
    assert found.encode("<|im_start|>Q<tool_call>") == tokenizer.encode("<|im_start|>Q<tool_call>")


def test_all_ends_of_the_generation_configuration_end_an_answer(tmp_path: Path) -> None:
    tokenizer = plain_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": MARKS})
    start, end = tokenizer.convert_tokens_to_ids(MARKS)
    model = gguf_files.llama(tokenizer)
    model.generation_config = GenerationConfig(eos_token_id=[tokenizer.eos_token_id, end, start])
    done = import_model(str(saved(tmp_path / "source", model, tokenizer)), tmp_path / "made")
    assert done.ends == (tokenizer.eos_token, "<|im_end|>", "<|im_start|>")
    codec = ready(tmp_path / "made")[1]
    for number in (start, end):
        assert codec.answer([*codec.encode("7"), number, *codec.encode("8")]) == "7"


def test_a_chat_template_is_kept_and_its_end_of_turn_ends_an_answer(tmp_path: Path) -> None:
    tokenizer = plain_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": MARKS})
    tokenizer.chat_template = CHAT
    done = import_model(str(saved(tmp_path / "source", tokenizer=tokenizer)), tmp_path / "made")
    assert done.ends == (tokenizer.eos_token, "<|im_end|>")
    codec = ready(tmp_path / "made")[1]
    assert codec.tokenizer.chat_template == CHAT
    end = codec.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert codec.answer([*codec.encode("7"), end, *codec.encode("8")]) == "7"


def test_new_delimiters_get_the_mean_in_spare_rows_of_what_was_imported(tmp_path: Path) -> None:
    tokenizer = plain_tokenizer()
    model = gguf_files.llama(tokenizer)
    model.resize_token_embeddings(len(tokenizer) + 30, mean_resizing=False)
    table = embeddings(model)[0].detach().clone()
    import_model(str(saved(tmp_path / "source", model, tokenizer)), tmp_path / "made")
    loaded, codec = ready(tmp_path / "made")
    rows = embeddings(loaded)[0]
    assert len(rows) == len(table)
    assert (codec.open_id, codec.close_id) == (len(tokenizer), len(tokenizer) + 1)
    mean = table[: len(tokenizer)].mean(dim=0)
    for row in (codec.open_id, codec.close_id):
        torch.testing.assert_close(rows[row], mean)
        assert not torch.equal(rows[row], table[row])


def test_the_origin_says_from_what_and_equal_sources_give_equal_bytes(
    tmp_path: Path, source: Path
) -> None:
    shutil.copytree(source, tmp_path / "elsewhere" / "source")
    for place, made in ((source, "a"), (tmp_path / "elsewhere" / "source", "b")):
        import_model(str(place), tmp_path / made)
    for path in (tmp_path / "a").iterdir():
        content = path.read_bytes()
        assert content == (tmp_path / "b" / path.name).read_bytes()
        assert str(tmp_path).encode() not in content
    found = origin(tmp_path / "a")
    assert (found["kind"], found["name"]) == ("folder", "source")
    assert (found["architecture"], found["revision"]) == ("LlamaForCausalLM", "")
    assert len(found["sha256"]) == 64


def test_an_imported_folder_can_be_imported_again(tmp_path: Path, source: Path) -> None:
    import_model(str(source), tmp_path / "a")
    import_model(str(tmp_path / "a"), tmp_path / "b")
    weights = [(tmp_path / made / "model.safetensors").read_bytes() for made in "ab"]
    assert weights[0] == weights[1]


class TestGguf:
    """A file of llama.cpp's."""

    @pytest.fixture(autouse=True)
    def _needs_its_packages(self) -> None:
        pytest.importorskip("gguf", reason="the extra gguf is not installed")
        pytest.importorskip("accelerate", reason="the extra gguf is not installed")

    def test_it_becomes_a_folder_of_fp32_whose_origin_says_how_it_was_written(
        self, tmp_path: Path
    ) -> None:
        tokenizer = plain_tokenizer()
        model = gguf_files.llama(tokenizer)
        file = gguf_files.write(tmp_path / "small.gguf", model, tokenizer, quantised=True)
        done = import_model(str(file), tmp_path / "made")
        found = origin(tmp_path / "made")
        assert (found["kind"], found["name"]) == ("gguf", "small.gguf")
        assert (found["title"], found["licence"]) == ("A small model", "apache-2.0")
        assert found["quantisation"] == {"F32": 5, "Q8_0": 15} == done.origin.quantisation
        assert found["versions"].keys() == {"transformers", "torch", "rlp", "gguf"}
        loaded, codec = ready(tmp_path / "made")
        for name, weight in model.state_dict().items():
            near = loaded.state_dict()[name][: len(weight)]
            torch.testing.assert_close(near, weight, atol=1e-3, rtol=0.0)
        assert codec.encode("Q: 3+4") == tokenizer.encode("Q: 3+4")

    def test_its_chat_template_is_kept_and_ends_an_answer(self, tmp_path: Path) -> None:
        tokenizer = plain_tokenizer()
        tokenizer.add_special_tokens({"additional_special_tokens": MARKS})
        tokenizer.chat_template = CHAT
        file = gguf_files.write(tmp_path / "chat.gguf", gguf_files.llama(tokenizer), tokenizer)
        done = import_model(str(file), tmp_path / "made")
        assert done.ends == (tokenizer.eos_token, "<|im_end|>")
        assert load(tmp_path / "made")[1].chat_template == CHAT

    def test_the_original_tokenizer_can_take_the_place_of_its_own(self, tmp_path: Path) -> None:
        tokenizer = plain_tokenizer()
        file = gguf_files.write(tmp_path / "small.gguf", gguf_files.llama(tokenizer), tokenizer)
        tokenizer.save_pretrained(tmp_path / "original")
        import_model(str(file), tmp_path / "made", tokenizer=tmp_path / "original")
        text = "Q: 333+4\n"
        assert load(tmp_path / "made")[1].encode(text) == tokenizer.encode(text)
        assert origin(tmp_path / "made")["tokenizer"] == "original"

    def test_one_of_an_architecture_that_is_not_read_leaves_nothing(self, tmp_path: Path) -> None:
        tokenizer = plain_tokenizer()
        file = gguf_files.write(
            tmp_path / "small.gguf", gguf_files.llama(tokenizer), tokenizer, architecture="abacus"
        )
        with pytest.raises(ConfigError, match="architecture 'abacus'"):
            import_model(str(file), tmp_path / "made")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["small.gguf"]


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def lose_a_shard(folder: Path) -> None:
    load(folder)[0].save_pretrained(folder, max_shard_size="50KB")
    (folder / "model.safetensors").unlink()
    sorted(folder.glob("model-*.safetensors"))[1].unlink()


def larger_tokenizer(folder: Path) -> None:
    tokenizer = plain_tokenizer()
    tokenizer.add_tokens([f"more-{number}" for number in range(3)])
    tokenizer.save_pretrained(folder)


def other_tokenizer(folder: Path) -> None:
    """Of a model with more than twice the tokens."""
    model = gguf_files.llama(plain_tokenizer())
    model.resize_token_embeddings(3 * len(plain_tokenizer()), mean_resizing=False)
    model.save_pretrained(folder)


@pytest.mark.parametrize(
    ("spoil", "kind", "said"),
    [
        (cut, ConfigError, "damaged or cut off"),
        (lose_a_shard, MissingInputError, "files of weights are missing, the first is model-00002"),
        (larger_tokenizer, ConfigError, "embeds only"),
        (other_tokenizer, ConfigError, "the tokenizer is another model's"),
    ],
)
def test_a_spoilt_source_is_told_and_nothing_is_written(
    tmp_path: Path, source: Path, spoil: Callable[[Path], None], kind: type[RlpError], said: str
) -> None:
    spoil(source)
    with pytest.raises(kind, match=said) as raised:
        import_model(str(source), tmp_path / "deep" / "made")
    assert str(source) in raised.value.where
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_given_tokenizer_must_have_the_sources_vocabulary(tmp_path: Path, source: Path) -> None:
    other = train_tokenizer(["other words of another text"] * 3, 270, models.DELIMITERS, 128)
    other.save_pretrained(tmp_path / "other")
    with pytest.raises(ConfigError, match=r"has another vocabulary: .* tokens differ, the first"):
        import_model(str(source), tmp_path / "made", tokenizer=tmp_path / "other")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="the tokenizer cannot be loaded"):
        import_model(str(source), tmp_path / "made", tokenizer=tmp_path / "empty")
    assert not (tmp_path / "made").exists()


def test_what_is_in_the_way_is_left_alone(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "made"
    target.mkdir()
    (target / "diary.txt").write_text("mine")
    for replace in (False, True):
        with pytest.raises(UsageError, match="something here that is no model"):
            import_model(str(source), target, replace=replace)
    assert (target / "diary.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="something here that is no model"):
        import_model(str(source), target / "diary.txt")


def test_a_model_is_replaced_only_where_that_is_said_and_whole(
    tmp_path: Path, source: Path
) -> None:
    target = tmp_path / "made"
    target.mkdir()
    import_model(str(source), target)
    (target / "old.txt").write_text("of the old one")
    with pytest.raises(UsageError, match="a model here already") as raised:
        import_model(str(source), target)
    assert "--replace" in raised.value.fix
    cut(source)
    with pytest.raises(ConfigError, match="cut off"):
        import_model(str(source), target, replace=True)
    assert (target / "old.txt").is_file()
    shutil.rmtree(source)
    import_model(str(saved(source)), target, replace=True)
    assert not (target / "old.txt").exists()


def test_a_source_is_never_written_over(tmp_path: Path, source: Path) -> None:
    for target in (source, source / "inner", tmp_path):
        with pytest.raises(UsageError, match="over its own source"):
            import_model(str(source), target, replace=True)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "nowhere.gguf"])
def test_a_path_that_is_not_there_is_no_name_on_a_hub(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingInputError, match="no such file or folder"):
        import_model(name, tmp_path / "made")


def test_a_revision_is_of_a_hub_alone(tmp_path: Path, source: Path) -> None:
    with pytest.raises(UsageError, match="a revision is of a model on the hub"):
        import_model(str(source), tmp_path / "made", revision="main")


def cached(cache: Path, name: str, commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a model into a hub's cache as if it had been downloaded."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    repository = cache / f"models--{name.replace('/', '--')}"
    saved(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)


def test_a_cached_model_of_the_hub_is_taken_with_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789" * 4
    cached(tmp_path / "cache", "someone/small", commit, monkeypatch)
    import_model("someone/small", tmp_path / "made")
    found = origin(tmp_path / "made")
    assert (found["kind"], found["name"]) == ("hub", "someone/small")
    assert found["revision"] == commit
    same_weights(tmp_path / "made", gguf_files.llama(plain_tokenizer()))
    with pytest.raises(UnavailableError, match="neither cached nor reachable"):
        import_model("someone/small", tmp_path / "other", revision="another")


@pytest.mark.parametrize("name", ["someone/absent", "not a name", "a/b/c"])
def test_a_name_that_is_not_cached_is_told_while_offline(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnavailableError, match="neither cached nor reachable") as raised:
        import_model(name, tmp_path / "made")
    assert "HF_HUB_OFFLINE=0" in raised.value.fix
    assert raised.value.exit_code == EXIT_UNAVAILABLE
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_before_it_is_written_to(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(OutputError, match="GB are free"):
        import_model(str(source), tmp_path / "made")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_disk_that_does_not_keep_what_is_written_is_found_out(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rlp_core.policy import model as models_io

    def forgetful(model: PreTrainedModel, tokenizer: Any, folder: Path) -> None:
        honest(model, tokenizer, folder)
        file = folder / "model.safetensors"
        content = bytearray(file.read_bytes())
        content[-4:] = np.float32(7).tobytes()
        file.write_bytes(content)

    honest = models_io.save
    monkeypatch.setattr(models_io, "save", forgetful)
    with pytest.raises(OutputError, match=r"what was written is not what was read: the weight"):
        import_model(str(source), tmp_path / "made")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_the_command_tells_what_it_made_and_what_is_wrong(tmp_path: Path, source: Path) -> None:
    def rlp(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["--root", str(tmp_path), "model", "import", *arguments])

    said = rlp(str(source), "models/small")
    assert said.exit_code == 0, said.output
    assert "source: LlamaForCausalLM, " in said.output
    assert "an answer ends at <|endoftext|>" in said.output
    assert "models/small: " in said.output
    assert (tmp_path / "models" / "small" / "config.json").is_file()
    again = rlp(str(source), "models/small")
    assert again.exit_code == UsageError("", where="", fix="").exit_code
    assert "--replace" in again.output
    assert "Traceback" not in again.output

"""Which tokens end an answer, and whether model and tokenizer belong together."""

from __future__ import annotations

import pytest
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

from rlp_core.errors import ConfigError
from rlp_core.policy.ends import check_vocabulary, ends_of
from rlp_core.policy.model import embedding_rows
from tests import models

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture
def chat() -> PreTrainedTokenizerFast:
    made = models.fresh_tokenizer()
    made.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>", "<|x|>"]})
    return made


def ids(tokenizer: PreTrainedTokenizerFast, *texts: str) -> tuple[int, ...]:
    return tuple(tokenizer.convert_tokens_to_ids(list(texts)))


def stating(*ends: int) -> PreTrainedModel:
    """A model whose generation configuration names these ends."""
    model = models.model()
    model.generation_config = GenerationConfig(eos_token_id=list(ends))
    return model


def test_the_tokenizers_end_comes_first_and_all_that_the_configurations_name_follow(chat) -> None:
    eos, end, other = ids(chat, "<|endoftext|>", "<|im_end|>", "<|x|>")
    assert ends_of(stating(end, eos), chat) == (eos, end)
    model = stating(end)
    model.config.eos_token_id = [other, end]
    assert ends_of(model, chat) == (eos, end, other)
    chat.eos_token = "<|im_end|>"
    assert ends_of(model, chat) == (end, other)


def test_an_instruct_models_turn_ends_an_answer_though_no_configuration_names_it(chat) -> None:
    chat.chat_template = CHAT
    assert ends_of(models.model(), chat) == ids(chat, "<|endoftext|>", "<|im_end|>")


def test_a_template_without_a_mark_names_no_end(chat) -> None:
    chat.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    assert ends_of(models.model(), chat) == ids(chat, "<|endoftext|>")


def test_a_template_that_cannot_be_rendered_is_said(chat, capsys) -> None:
    chat.chat_template = "{{ raise_exception('no system') }}"
    assert ends_of(models.model(), chat) == ids(chat, "<|endoftext|>")
    assert "warning: the chat template cannot be rendered (no system)" in capsys.readouterr().out


def test_an_end_that_is_ordinary_text_is_said_and_ends_nothing(chat, capsys) -> None:
    letter = chat.convert_tokens_to_ids("A")
    assert ends_of(stating(letter), chat) == ids(chat, "<|endoftext|>")
    assert f"names token {letter} as an end, which is 'A', ordinary text" in capsys.readouterr().out


def test_a_tokenizer_of_another_vocabulary_is_refused() -> None:
    model, tokenizer = models.model(), models.fresh_tokenizer()
    rows = embedding_rows(model)
    check_vocabulary(model, tokenizer, rows, "here")
    with pytest.raises(ConfigError, match="the tokenizer is another model's"):
        check_vocabulary(model, tokenizer, 2 * len(tokenizer) + 1, "here")
    with pytest.raises(ConfigError, match="embeds only"):
        check_vocabulary(model, tokenizer, len(tokenizer) - 1, "here")
    spare = len(tokenizer) + 9
    check_vocabulary(model, tokenizer, spare, "here")
    for changed in (stating(len(tokenizer) + 1), models.model()):
        changed.config.bos_token_id = len(tokenizer) + 2
        with pytest.raises(ConfigError, match="begins or ends a text with token"):
            check_vocabulary(changed, tokenizer, spare, "here")

"""A problem as a user's message, by the model's own chat template.

The template is rendered once, around a mark; what is asked stands in the mark's place as ordinary
text, so that no control token is ever read out of a problem.
"""

from __future__ import annotations

from rlp_core.data.tokenizer import Codec
from rlp_core.errors import ConfigError

_MARK = "\ue000problem\ue000"
"""Private characters, which no template holds."""


def chat_frame(codec: Codec) -> tuple[list[int], list[int]]:
    """Tokens before a user's message, and those between it and the model's answer.

    Raises:
        ConfigError: the tokenizer has no chat template, or one that cannot be used so.
    """
    tokenizer = codec.tokenizer
    where = "params.yaml: evaluate.chat_template"
    if not tokenizer.chat_template:
        raise ConfigError(
            "the model has no chat template",
            where=where,
            fix="set it to false: problems are then asked as they stand, which suits a base model",
        )
    from jinja2 import TemplateError

    message = [{"role": "user", "content": _MARK}]
    try:
        text = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
    except (TemplateError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"the model's chat template cannot be rendered: {error}",
            where=where,
            fix="mend `chat_template` of the tokenizer, or set the key to false",
        ) from error
    before, mark, after = str(text).partition(_MARK)
    if not mark or _MARK in after:
        raise ConfigError(
            "the model's chat template does not hold a user's message once, as it is",
            where=where,
            fix="mend `chat_template` of the tokenizer, or set the key to false",
        )
    return (
        tokenizer.encode(before, add_special_tokens=False),
        tokenizer.encode(after, add_special_tokens=False),
    )

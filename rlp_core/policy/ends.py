"""Which tokens end an answer, as a checkpoint says it in several places.

The tokenizer names one end. A generation configuration may name more, and the chat template of an
instruct model ends each turn with a token that may be none of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rlp_core.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

ANSWER = "an-answer"
"""What the assistant says in the chat that shows how a turn ends."""


def ends_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> tuple[int, ...]:
    """Tokens that end an answer; the first is the one that is taught.

    In this order: the tokenizer's end of text; what the generation configuration names, then the
    configuration; what ends the assistant's turn in the chat template. An end must be a control
    token: where a configuration names a token of ordinary text, answers do not end at it, which
    is said.
    """
    found = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
    added = tokenizer.added_tokens_decoder
    for number in (*stated_ends(model), *_turn_end(tokenizer)):
        if number in found or number >= len(tokenizer):
            continue
        if number not in added:
            text = tokenizer.convert_ids_to_tokens(number)
            print(
                f"warning: the model's configuration names token {number} as an end, which is "
                f"{text!r}, ordinary text, to its tokenizer; answers do not end there",
                flush=True,
            )
            continue
        found.append(number)
    return tuple(found)


def stated_ends(model: PreTrainedModel) -> list[int]:
    """What generation configuration and configuration call the end, without doubles."""
    found: dict[int, None] = {}
    inner = getattr(model.config, "text_config", None)
    for config in (getattr(model, "generation_config", None), model.config, inner):
        value = getattr(config, "eos_token_id", None)
        for number in value if isinstance(value, list | tuple) else [value]:
            if isinstance(number, int) and number >= 0:
                found[number] = None
    return list(found)


def _turn_end(tokenizer: PreTrainedTokenizerFast) -> Iterator[int]:
    """The token that the chat template puts behind what the assistant says, if there is one."""
    if not tokenizer.chat_template:
        return
    chat = [{"role": "user", "content": "a question"}, {"role": "assistant", "content": ANSWER}]
    try:
        told: Any = tokenizer.apply_chat_template(chat, tokenize=False)
    except Exception as error:  # a template is a program of its author's, and may raise anything
        print(
            f"warning: the chat template cannot be rendered ({error}): its end of turn is not "
            "known, and answers end where the configuration says",
            flush=True,
        )
        return
    after = str(told).rpartition(ANSWER)[2].lstrip()
    known = tokenizer.added_tokens_decoder
    at_once = [number for number, token in known.items() if after.startswith(token.content)]
    if at_once:
        yield max(at_once, key=lambda number: len(known[number].content))


def check_vocabulary(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, rows: int, source: str
) -> None:
    """See that model and tokenizer are of one release, as far as their numbers tell.

    Args:
        model: names start and end by their numbers.
        tokenizer: what is said to be its.
        rows: tokens that the model embeds.
        source: of both.

    Raises:
        ConfigError: the tokenizer has more tokens than the model embeds, less than half as many,
            or not the ones that the model begins and ends a text with.
    """
    size = len(tokenizer)
    fix = "take model and tokenizer from the same release"
    if size > rows:
        raise ConfigError(
            f"the tokenizer has {size} tokens, the model embeds only {rows}", where=source, fix=fix
        )
    if 2 * size < rows:
        raise ConfigError(
            f"the tokenizer has {size} tokens, the model embeds {rows}: the tokenizer is another "
            "model's",
            where=source,
            fix=fix,
        )
    start = getattr(model.config, "bos_token_id", None)
    stated = [*stated_ends(model), *([start] if isinstance(start, int) else [])]
    beyond = [number for number in stated if size <= number < rows]
    if beyond:
        raise ConfigError(
            f"the model begins or ends a text with token {beyond[0]}, and the tokenizer has "
            f"{size} tokens: it is another model's",
            where=source,
            fix=fix,
        )

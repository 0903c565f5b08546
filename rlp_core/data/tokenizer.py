"""Text to tokens and back: the tiny model's own tokenizer, and thought delimiters for any.

Text is text: a control token (start, end, padding, the marks of a chat, the delimiters of a
thought) is put where it belongs by its number, and never read out of what a user wrote, however
much that looks like one. A prompt alone may show thoughts: its delimiters are the control tokens.

An answer is a line: it ends at the first line end or at a token that ends it, whichever comes first
(`Codec.answer`). Demonstrations teach an end of text after every continuation, so a model learns
to stop whatever the continuation's last character is.

Some tokenizers put a space in front of a text (Llama 2's). That is right where a text begins, and
wrong behind a thought, where it goes on: the space would be one that the text does not have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from rlp_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer
    from transformers import PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"
PADDING = "<|pad|>"


def train_tokenizer(
    texts: Iterable[str], vocabulary: int, delimiters: tuple[str, str], max_length: int
) -> PreTrainedTokenizerFast:
    """Byte-level BPE: it can read any text. Digits stay single, so that sums can be learnt.

    Args:
        texts: what to learn the merges from.
        vocabulary: tokens at most, delimiters and special tokens included.
        delimiters: the tokens that open and close a thought.
        max_length: the model's longest sequence, in tokens.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(delimiters),
        special_tokens=[PADDING, END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        pad_token=PADDING,
        model_max_length=max_length,
    )
    add_delimiters(tokenizer, delimiters)
    return tokenizer


def add_delimiters(tokenizer: PreTrainedTokenizerFast, delimiters: tuple[str, str]) -> list[int]:
    """Make both delimiters single tokens, and return the numbers of those that had to be added.

    They are added as *non-special* tokens: decoding drops special ones, and with them every
    trace of where a thought ends.

    Raises:
        ConfigError: a delimiter is a control token of another use, or a token of ordinary text.
    """
    from transformers import AddedToken

    for text in delimiters:
        _check_delimiter(tokenizer, text)
    known = tokenizer.get_added_vocab()
    missing = [text for text in delimiters if text not in known]
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in missing])
    known = tokenizer.get_added_vocab()
    return [int(known[text]) for text in missing]


def _check_delimiter(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    """Raise ConfigError where a delimiter means something else to this tokenizer."""
    backend = backend_of(tokenizer)
    added = {token.content: token for token in backend.get_added_tokens_decoder().values()}
    where = f"params.yaml: thought, and the tokenizer of {_name(tokenizer)}"
    if text in added and added[text].special:
        raise ConfigError(
            f"the thought delimiter {text!r} is a control token of the model already",
            where=where,
            fix="choose a text of its own, such as <think> and </think>; it is added as a token",
        )
    if text not in added and (not text.strip() or backend.token_to_id(text) is not None):
        raise ConfigError(
            f"the thought delimiter {text!r} is a token of ordinary text: every text that holds it "
            "would seem to think",
            where=where,
            fix="choose a text that does not occur by itself, such as <think> and </think>",
        )


def backend_of(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    """The fast tokenizer within.

    Raises:
        ConfigError: it has none: it is written in Python.
    """
    backend: Tokenizer | None = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ConfigError(
            f"{type(tokenizer).__name__} is no fast tokenizer, and tells no token's place in a "
            "text",
            where=f"tokenizer of {_name(tokenizer)}",
            fix="take a checkpoint with a tokenizer.json, or make one with transformers",
        )
    return backend


def _check_prompt(
    tokenizer: PreTrainedTokenizerFast, prompt_text: str, control: frozenset[int]
) -> None:
    """Raise ConfigError where a prompt holds what a control token looks like: it would be text.

    The delimiters are none of these: `_prompt_ids` makes them what they look like.
    """
    texts = map(str, tokenizer.convert_ids_to_tokens(sorted(control)))
    held = [text for text in texts if text and text in prompt_text]
    if held:
        raise ConfigError(
            f"the prompt holds {held[0]!r}, a control token of the model, which would be read as "
            "the characters it is written with",
            where=f"thought.prompt, and the tokenizer of {_name(tokenizer)}",
            fix="say it in other words; delimiters, start and end are put where they belong",
        )


def _prompt_ids(
    text: str, delimiters: dict[str, int], reader: Tokenizer, going_on: Tokenizer
) -> list[int]:
    """Tokens of a prompt, with the delimiters of the thoughts that it shows as control tokens."""
    marks = "|".join(re.escape(mark) for mark in delimiters)
    tokens: list[int] = []
    for place, piece in enumerate(re.split(f"({marks})", text)):
        if place % 2:
            tokens.append(delimiters[piece])
        elif piece:
            read = going_on if place else reader
            tokens += read.encode(piece, add_special_tokens=False).ids
    return tokens


def _name(tokenizer: PreTrainedTokenizerFast) -> str:
    return tokenizer.name_or_path or "the model"


def _control_ids(backend: Tokenizer, delimiters: Iterable[int]) -> frozenset[int]:
    """Tokens that no text stands for.

    Special ones, the delimiters, and what was added to the vocabulary besides and can be seen:
    some models' chat marks are not special. Runs of white space that were added are text.
    """
    own = backend.get_vocab(with_added_tokens=False)
    added = backend.get_added_tokens_decoder().items()
    marks = (
        number
        for number, token in added
        if token.special or (token.content not in own and token.content.strip())
    )
    return frozenset((*marks, *delimiters))


def _reader(backend: Tokenizer, control: frozenset[int]) -> Tokenizer:
    """A copy of a tokenizer that reads the control tokens' texts as the characters they are."""
    from tokenizers import Tokenizer

    tree = json.loads(backend.to_str())
    for token in tree["added_tokens"]:
        token["special"] = token["special"] or token["id"] in control
    return _made_reader(Tokenizer, tree)


def _reader_going_on(reader: Tokenizer) -> Tokenizer:
    """The same for text that goes on, without a space put in front; itself where it puts none."""
    tree = json.loads(reader.to_str())
    if not sum(_drop_prefix_space(tree[name]) for name in ("normalizer", "pre_tokenizer")):
        return reader
    if (tree["normalizer"] or {}).get("type") == "Prepend":
        tree["normalizer"] = None
    return _made_reader(type(reader), tree)


def _drop_prefix_space(part: dict[str, Any] | None) -> bool:
    """Switch off what puts a space in front of a text, and say whether there was such a thing."""
    if part is None:
        return False
    if part["type"] == "Sequence":
        name = "normalizers" if "normalizers" in part else "pretokenizers"
        found = sum(_drop_prefix_space(inner) for inner in part[name]) > 0
        part[name] = [inner for inner in part[name] if inner["type"] != "Prepend"]
        return found
    if part["type"] == "Metaspace" and part.get("prepend_scheme", "always") != "never":
        part["prepend_scheme"] = "never"
        part.pop("add_prefix_space", None)  # what older files call the same
        return True
    if part["type"] == "ByteLevel" and part["add_prefix_space"]:
        part["add_prefix_space"] = False
        return True
    return bool(part["type"] == "Prepend")


def _made_reader(kind: type[Tokenizer], tree: dict[str, Any]) -> Tokenizer:
    reader = kind.from_str(json.dumps(tree))
    reader.no_padding()
    reader.no_truncation()
    reader.encode_special_tokens = True  # "encode" their text, that is, not match them
    return reader


@dataclass(frozen=True)
class Codec:
    """A tokenizer with the thought's delimiters looked up.

    Attributes:
        tokenizer: any fast Hugging Face tokenizer.
        open_id: token that opens a thought.
        close_id: token that closes it.
        prefix: what every text begins with: the start-of-text token, where there is one, and the
            prompt that stands there, where there is one. None of it is learnt or thought in.
        lead: the prompt that stands before every thought, where there is one; it is never learnt.
        end_ids: tokens that end an answer. The first ends every text that is learnt; a chat model
            may have others, such as the end of its turn.
        pad_id: padding; never attended to.
        control: tokens that no text stands for; `encode` never gives one of them.
    """

    tokenizer: PreTrainedTokenizerFast
    open_id: int
    close_id: int
    prefix: tuple[int, ...]
    end_ids: tuple[int, ...]
    pad_id: int
    control: frozenset[int]
    lead: tuple[int, ...]
    _reader: Tokenizer = field(repr=False, compare=False)
    _reader_going_on: Tokenizer = field(repr=False, compare=False)

    @staticmethod
    def of(
        tokenizer: PreTrainedTokenizerFast,
        delimiters: tuple[str, str],
        start: str = "",
        lead: str = "",
        ends: Iterable[int] = (),
    ) -> Codec:
        """Look up the delimiters, and set what texts and thoughts begin with.

        Args:
            tokenizer: any fast Hugging Face tokenizer.
            delimiters: what opens and closes a thought.
            start: words put before every text, after the start-of-text token; a delimiter in them
                becomes the control token.
            lead: words put before every thought; likewise.
            ends: tokens that end an answer, as `policy.ends.ends_of` finds them; the first is the
                one that is taught. None: the tokenizer's end-of-text token.

        Raises:
            ConfigError: a delimiter is not one token of its own, the tokenizer is not a fast one,
                there is no end-of-text token, or the prompt holds a control token's text.
        """
        backend = backend_of(tokenizer)
        known = tokenizer.get_added_vocab()
        for text in delimiters:
            if text not in known:
                count = len(tokenizer.encode(text, add_special_tokens=False))
                raise ConfigError(
                    f"the thought delimiter {text!r} is {count} tokens of ordinary text, not one "
                    "token of its own",
                    where=f"tokenizer of {_name(tokenizer)}, params.yaml: thought",
                    fix="use delimiters that the tokenizer knows, or run stage base, which adds "
                    "them",
                )
            _check_delimiter(tokenizer, text)
        opening, closing = (int(known[text]) for text in delimiters)
        end_ids = tuple(ends)
        if not end_ids and tokenizer.eos_token_id is not None:
            end_ids = (int(tokenizer.eos_token_id),)
        if not end_ids:
            raise ConfigError(
                "neither tokenizer nor model has an end-of-text token",
                where=f"tokenizer of {_name(tokenizer)}",
                fix="set eos_token in its tokenizer_config.json",
            )
        begin = tokenizer.bos_token_id
        pad = tokenizer.pad_token_id
        control = _control_ids(backend, (opening, closing, *end_ids))
        marks = {delimiters[0]: opening, delimiters[1]: closing}
        for text in (start, lead):
            _check_prompt(tokenizer, text, control - set(marks.values()))
        reader = _reader(backend, control)
        going_on = _reader_going_on(reader)
        before = [_prompt_ids(text, marks, reader, going_on) for text in (start, lead)]
        return Codec(
            tokenizer,
            opening,
            closing,
            (*(() if begin is None else (int(begin),)), *before[0]),
            end_ids,
            end_ids[0] if pad is None else int(pad),
            control,
            tuple(before[1]),
            reader,
            going_on,
        )

    @property
    def end_id(self) -> int:
        """The token that ends every text that is learnt."""
        return self.end_ids[0]

    @property
    def first(self) -> int:
        """Index of the first token that may be learnt or thought before.

        Nothing predicts token 0, and the prefix is given.
        """
        return max(1, len(self.prefix))

    @property
    def opening(self) -> tuple[int, ...]:
        """What a thought begins with: the prompt before it, and the delimiter."""
        return (*self.lead, self.open_id)

    def encode(self, text: str) -> list[int]:
        """Tokens of a text that stands behind others; none is a control token.

        A thought, what follows it, an answer: no space is put in front of it that it does not have.

        Raises:
            DataError: the tokenizer cannot write this text without a control token.
        """
        return list(self._read(text, self._reader_going_on).ids)

    def _read(self, text: str, reader: Tokenizer) -> Encoding:
        found = reader.encode(text, add_special_tokens=False)
        wrong = self.control.intersection(found.ids) - {self.tokenizer.unk_token_id}
        if wrong:
            token = self.tokenizer.convert_ids_to_tokens(min(wrong))
            raise DataError(
                f"the tokenizer makes the control token {token!r} out of plain text",
                where=f"tokenizer of {_name(self.tokenizer)}; the text begins {text[:60]!r}",
                fix="take that out of the text, or use a model with a byte-level tokenizer",
            )
        return found

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens, delimiters kept and no space tidied away."""
        return str(
            self.tokenizer.decode(
                list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        )

    def answer(self, tokens: Iterable[int]) -> str:
        """What counts as the answer in what a model went on with.

        The one rule: an answer ends at the first line end or at the first of the tokens that end
        one, whichever comes first; space around it does not count.
        """
        before = self.decode(takewhile(lambda token: token not in self.end_ids, tokens))
        return before.split("\n", 1)[0].strip()

    def context(self, text: str) -> list[int]:
        """Tokens of a text's beginning: prefix, text."""
        return [*self.prefix, *self._read(text, self._reader).ids]

    def document(
        self, text: str, spans: list[list[int]], max_tokens: int | None = None, *, ends: bool = True
    ) -> tuple[list[int], list[int]]:
        """Tokens of a whole text, cut to `max_tokens`, and the positions of its marked spans.

        Args:
            text: the document.
            spans: [start, end) in characters.
            max_tokens: tokens at most; None: all of them.
            ends: whether the text ends here; a piece of a longer one that goes on does not, and
                gets no end-of-text token.

        Returns:
            The tokens (prefix, text, end of text), and for each span that lies within them the
            index of its first token.
        """
        encoded = self._read(text, self._reader)
        shift = len(self.prefix)
        tokens = [*self.prefix, *encoded.ids, *([self.end_id] if ends else [])][:max_tokens]
        marked = []
        for start, _end in spans:
            hits = (i for i, (_, stop) in enumerate(encoded.offsets) if stop > start)
            first = next(hits, None)
            if first is not None and first + shift < len(tokens):
                marked.append(first + shift)
        return tokens, marked

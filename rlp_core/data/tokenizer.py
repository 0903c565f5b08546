"""Text to tokens and back: the tiny model's own tokenizer, and thought delimiters for any."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlp_core.errors import ConfigError

if TYPE_CHECKING:
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


def add_delimiters(tokenizer: PreTrainedTokenizerFast, delimiters: tuple[str, str]) -> int:
    """Make both delimiters single tokens, and return how many had to be added.

    They are added as *non-special* tokens: decoding drops special ones, and with them every
    trace of where a thought ends.
    """
    from transformers import AddedToken

    missing = [d for d in delimiters if len(tokenizer.encode(d, add_special_tokens=False)) != 1]
    tokens = [AddedToken(text, special=False, normalized=False) for text in missing]
    return int(tokenizer.add_tokens(tokens)) if tokens else 0


@dataclass(frozen=True)
class Codec:
    """A tokenizer with the thought's delimiters looked up.

    Attributes:
        tokenizer: any fast Hugging Face tokenizer.
        open_id: token that opens a thought.
        close_id: token that closes it.
        prefix: what every text begins with: the start-of-text token, where there is one, and the
            prompt that asks for thoughts, where there is one. None of it is learnt or thought in.
        end_id: end-of-text token.
        pad_id: padding; never attended to.
    """

    tokenizer: PreTrainedTokenizerFast
    open_id: int
    close_id: int
    prefix: tuple[int, ...]
    end_id: int
    pad_id: int

    @staticmethod
    def of(
        tokenizer: PreTrainedTokenizerFast, delimiters: tuple[str, str], prompt_text: str = ""
    ) -> Codec:
        """Look up the delimiters, and set what every text begins with.

        Args:
            tokenizer: any fast Hugging Face tokenizer.
            delimiters: what opens and closes a thought.
            prompt_text: words put before every text, after the start-of-text token.

        Raises:
            ConfigError: a delimiter is several tokens, or there is no end-of-text token.
        """
        ids = []
        for text in delimiters:
            found = tokenizer.encode(text, add_special_tokens=False)
            if len(found) != 1:
                raise ConfigError(
                    f"the thought delimiter {text!r} is {len(found)} tokens, not one",
                    where=f"tokenizer of {tokenizer.name_or_path or 'the model'}, params.yaml: "
                    "thought",
                    fix="use delimiters that the tokenizer knows, or run stage base, which adds "
                    "them",
                )
            ids.append(found[0])
        if tokenizer.eos_token_id is None:
            raise ConfigError(
                "the tokenizer has no end-of-text token",
                where=f"tokenizer of {tokenizer.name_or_path or 'the model'}",
                fix="set eos_token in its tokenizer_config.json",
            )
        end = int(tokenizer.eos_token_id)
        start = tokenizer.bos_token_id
        pad = tokenizer.pad_token_id
        return Codec(
            tokenizer,
            ids[0],
            ids[1],
            (
                *(() if start is None else (int(start),)),
                *tokenizer.encode(prompt_text, add_special_tokens=False),
            ),
            end,
            end if pad is None else int(pad),
        )

    @property
    def first(self) -> int:
        """Index of the first token that may be learnt or thought before.

        Nothing predicts token 0, and the prefix is given.
        """
        return max(1, len(self.prefix))

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, without anything around them."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens, delimiters kept."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=False))

    def context(self, text: str) -> list[int]:
        """Tokens of a text that goes on: prefix, text."""
        return [*self.prefix, *self.encode(text)]

    def document(
        self, text: str, spans: list[list[int]], max_tokens: int
    ) -> tuple[list[int], list[int]]:
        """Tokens of a whole text, cut to `max_tokens`, and the positions of its marked spans.

        Args:
            text: the document.
            spans: [start, end) in characters.
            max_tokens: tokens at most.

        Returns:
            The tokens (prefix, text, end of text), and for each span that lies within them the
            index of its first token.
        """
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        shift = len(self.prefix)
        tokens = [*self.prefix, *encoded["input_ids"], self.end_id][:max_tokens]
        marked = []
        for start, _end in spans:
            hits = (i for i, (_, stop) in enumerate(encoded["offset_mapping"]) if stop > start)
            first = next(hits, None)
            if first is not None and first + shift < len(tokens):
                marked.append(first + shift)
        return tokens, marked

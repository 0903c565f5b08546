"""The work of one optimizer step, stated once, so that every side of a benchmark does the same.

A side is given the model, the documents, the positions, and the number and length of the thoughts.
Every thought has exactly L tokens: the model is random, so where thoughts ended would be chance,
and a side would be timed for luck. `FORBIDDEN` names what must not be sampled for that.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch

from rlp_core.data.tokenizer import END_OF_TEXT, PADDING, Codec
from rlp_core.errors import ConfigError
from rlp_core.policy.model import Shape, build
from rlp_core.rollout.rng import generator

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

DELIMITERS = ("<think>", "</think>")
_SPECIAL = (PADDING, END_OF_TEXT, *DELIMITERS)
FORBIDDEN = tuple(range(len(_SPECIAL)))
"""Token ids that no thought may hold; all others are plain words."""


@dataclass(frozen=True)
class Passage:
    """A document of the benchmark.

    Attributes:
        tokens: x_0 .. x_{T-1}; the first is the start-of-text token, the others are words.
        positions: where to think, in order: a thought at t follows x_0 .. x_{t-1}.
    """

    tokens: list[int]
    positions: list[int]


@dataclass(frozen=True)
class Work:
    """Model and batch of one optimizer step: documents x positions x group_size thoughts.

    Attributes:
        layers: transformer blocks of a Qwen3 model with tied embeddings.
        width: of the residual stream.
        heads: for queries.
        kv_heads: for keys and values.
        feed_forward: inner width of the feed-forward layers.
        vocabulary: tokens, the four special ones included.
        documents: per step.
        tokens: T, length of every document.
        positions: K per document, drawn uniformly without replacement.
        group_size: G thoughts per position.
        thought_tokens: L, the exact length of every thought, `</think>` not counted.
        horizon: tokens of the document that a thought is to predict.
        temperature: thoughts are sampled at.
        dtype: of weights and arithmetic, by its name in torch.
        threads: of the CPU.
        head_size: of a head; 0: width / heads.
    """

    layers: int
    width: int
    heads: int
    kv_heads: int
    feed_forward: int
    vocabulary: int
    documents: int
    tokens: int
    positions: int
    group_size: int
    thought_tokens: int
    horizon: int = 1
    temperature: float = 1.0
    dtype: str = "float32"
    threads: int = 2
    head_size: int = 0

    def __post_init__(self) -> None:
        """Refuse work that cannot be done.

        Raises:
            ConfigError: more positions than a document has, or a vocabulary without words.
        """
        if self.positions > self.tokens - self.horizon:
            raise ConfigError(
                f"{self.positions} positions do not fit into a document of {self.tokens} tokens",
                where=f"Work(tokens={self.tokens}, horizon={self.horizon})",
                fix=f"ask for at most {self.tokens - self.horizon}",
            )
        if self.vocabulary <= len(_SPECIAL):
            raise ConfigError(
                f"a vocabulary of {self.vocabulary} leaves no word beside the special tokens",
                where=f"Work(vocabulary={self.vocabulary})",
                fix=f"use more than {len(_SPECIAL)}",
            )

    @property
    def thoughts(self) -> int:
        """Thoughts of one step."""
        return self.documents * self.positions * self.group_size

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """One word per token, split at spaces: text and tokens determine each other."""
        return _tokenizer(self.vocabulary)

    def codec(self) -> Codec:
        """The tokenizer with its delimiters looked up."""
        return Codec.of(self.tokenizer(), DELIMITERS)

    def model(self, seed: int) -> PreTrainedModel:
        """A random Qwen3 model of this shape."""
        context = self.tokens + self.thought_tokens + self.horizon + len(DELIMITERS)
        shape = Shape(
            self.width, self.layers, self.heads, self.kv_heads, self.feed_forward, context,
            self.head_size,
        )  # fmt: skip
        model = build(shape, self.tokenizer(), seed)
        model.to(getattr(torch, self.dtype))
        return model

    def passages(self, seed: int) -> list[Passage]:
        """Documents of random words, and the positions to think at."""
        random = generator(seed)
        found = []
        for _ in range(self.documents):
            words = random.integers(len(_SPECIAL), self.vocabulary, self.tokens - 1)
            places = random.permutation(self.tokens - self.horizon)[: self.positions] + 1
            start = _SPECIAL.index(END_OF_TEXT)
            found.append(Passage([start, *words.tolist()], sorted(places.tolist())))
        return found


@cache
def _tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [*_SPECIAL, *(f"w{number}" for number in range(len(_SPECIAL), vocabulary))]
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, PADDING))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_tokens([AddedToken(text, special=False, normalized=False) for text in DELIMITERS])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        pad_token=PADDING,
    )


REFERENCE = Work(
    layers=4,
    width=256,
    heads=4,
    kv_heads=4,
    feed_forward=1024,
    vocabulary=512,
    documents=4,
    tokens=256,
    positions=4,
    group_size=8,
    thought_tokens=32,
)
"""The shape that the project's figures are stated for."""

TEST = Work(
    layers=2,
    width=32,
    heads=2,
    kv_heads=1,
    feed_forward=64,
    vocabulary=40,
    documents=2,
    tokens=12,
    positions=2,
    group_size=4,
    thought_tokens=5,
    horizon=2,
    threads=1,
)
"""Small enough for a test."""

SMOLLM2 = Work(
    layers=30,
    width=576,
    heads=9,
    kv_heads=3,
    feed_forward=1536,
    vocabulary=49152,
    documents=8,
    tokens=128,
    positions=1,
    group_size=8,
    thought_tokens=32,
    horizon=3,
    threads=1,
)
"""The shape of SmolLM2-135M, whose layers have no norm of queries and keys, as Qwen3's have."""

QWEN3_06B = Work(
    layers=28,
    width=1024,
    heads=16,
    kv_heads=8,
    feed_forward=3072,
    vocabulary=151936,
    documents=1,
    tokens=2048,
    positions=4,
    group_size=16,
    thought_tokens=256,
    temperature=0.7,
    head_size=128,
)
"""The shape of Qwen3-0.6B, for a GPU."""

QWEN3_17B = dataclasses.replace(QWEN3_06B, width=2048, feed_forward=6144)
"""The shape of Qwen3-1.7B, for a GPU."""

PRESETS = {
    "reference": REFERENCE,
    "smollm2": SMOLLM2,
    "qwen3-0.6b": QWEN3_06B,
    "qwen3-1.7b": QWEN3_17B,
    "test": TEST,
}

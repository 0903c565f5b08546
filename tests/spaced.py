"""Small tokenizers that put a space in front of a text."""

from __future__ import annotations

import json
from functools import cache

from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, trainers
from tokenizers import models as algorithms
from transformers import PreTrainedTokenizerFast

TEXTS = ["Q: 3+4-5\nA: 2\n", "Q: 9-8\nW: 9-8=1\nA: 1\n", "The nurse said that he was late."] * 3
SPACE = "▁"

METASPACE = ("always", "first", "prepend")
"""The ways in which tokenizers of Llama 2's kind put a space in front of a text."""


@cache
def metaspace(way: str = "always") -> PreTrainedTokenizerFast:
    """As of Llama 2: spaces are a letter of the words, and one is put in front of a text.

    Args:
        way: `always` and `first` are schemes of `Metaspace`; `prepend` does it in the normalizer,
            as the converted files of Llama 2 do.
    """
    bpe = Tokenizer(algorithms.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(
        SPACE, "always" if way == "prepend" else way, split=True
    )
    bpe.decoder = decoders.Sequence(
        [
            decoders.Replace(SPACE, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    bytes_ = [f"<0x{number:02X}>" for number in range(256)]
    special = ["<unk>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=[*special, *bytes_], show_progress=False
    )
    bpe.train_from_iterator([text.replace("\n", "") for text in TEXTS], trainer)
    if way == "prepend":
        bpe.pre_tokenizer = None  # type: ignore[assignment]  # what takes it away
        bpe.normalizer = normalizers.Sequence(
            [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
        )
    tree = json.loads(bpe.to_str())  # bytes are no special tokens: they are what fills gaps
    tree["added_tokens"] = [t for t in tree["added_tokens"] if t["content"] in special]
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(tree)),
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
    )

"""A real pretrained model from a GGUF file, where there is one on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rlp_core.data.tokenizer import Codec, add_delimiters
from rlp_core.importing import import_model
from rlp_core.policy.ends import ends_of
from rlp_core.policy.model import initialise_tokens, load
from rlp_core.rollout.engine import complete, prepare
from rlp_core.rollout.rng import uniform
from rlp_core.rollout.sampling import SamplingParams

FILE = os.environ.get("RLP_SMOLLM2_GGUF", "")
"""SmolLM2-135M-Instruct in whatever quantisation."""

pytestmark = pytest.mark.skipif(
    not FILE, reason="RLP_SMOLLM2_GGUF names no GGUF file of SmolLM2-135M-Instruct"
)


def test_it_is_imported_loaded_and_answers_a_question(tmp_path: Path) -> None:
    done = import_model(FILE, tmp_path / "smollm2")
    assert (done.parameters, done.ends) == (134_515_008, ("<|im_end|>",))
    model, tokenizer = load(tmp_path / "smollm2")
    pair = ("<think>", "</think>")
    initialise_tokens(model, add_delimiters(tokenizer, pair))
    prepare(model)
    codec = Codec.of(tokenizer, pair, ends=ends_of(model, tokenizer))
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    drawn = complete(
        model,
        [asked],
        SamplingParams(1, codec.end_id, 24, 0.0),
        lambda t, rows: uniform(1, rows, t),
        1,
    )
    answer = codec.answer(drawn.tokens[0])
    print(f"{done.bytes} bytes; it answers: {answer}")
    assert drawn.stopped[0]
    assert "Paris" in answer

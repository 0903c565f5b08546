"""The token behind a thought is compared between the parts, by the model's own tokenizer."""

from __future__ import annotations

import copy
import json
import string
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers import models as algorithms
from transformers import PreTrainedTokenizerFast

from rlp_core.data import seam
from rlp_core.data.tokenizer import Codec, add_delimiters
from rlp_core.errors import DataError, MissingInputError
from tests import models, spaced


def gpt2() -> PreTrainedTokenizerFast:
    """Byte-level BPE that keeps a space with the word behind it, numbers too."""
    bpe = Tokenizer(algorithms.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([f"A: {d} and\n" for d in string.digits] * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|endoftext|>")


KINDS = ["digits apart", "gpt2", *spaced.METASPACE]


@cache
def codec(kind: str) -> Codec:
    if kind == "digits apart":
        return models.codec()
    made = gpt2() if kind == "gpt2" else copy.deepcopy(spaced.metaspace(kind))
    add_delimiters(made, models.DELIMITERS)
    return Codec.of(made, models.DELIMITERS)


def demonstration(context: str, continuation: str) -> dict[str, Any]:
    return {"context": context, "thought": "hm", "continuation": continuation}


def document(before: str, answer: str, after: str = "\n") -> dict[str, Any]:
    """A text with a marked answer."""
    return {
        "text": before + answer + after,
        "spans": [[len(before), len(before) + len(answer)]],
    }


def seams(**parts: dict[str, Any]) -> dict[str, list[seam.Seam]]:
    return {name: seam.seams_of([row]) for name, row in parts.items()}


@pytest.mark.parametrize("kind", KINDS)
@given(gap=st.sampled_from(["", " ", "\n", "  ", "\n\n"]), data=st.data())
def test_a_mismatch_is_found_just_where_an_answer_begins_otherwise_than_taught(
    kind: str, gap: str, data: st.DataObject
) -> None:
    shown, marked = (data.draw(st.integers(0, len(gap))) for _ in range(2))
    known = codec(kind)

    def taught(answer: str) -> int:
        return known.encode(gap[shown:] + answer + "\n")[0]

    def met(answer: str) -> int:
        row = document("Q: 3+4\nA:" + gap[:marked], gap[marked:] + answer)
        tokens, places = known.document(row["text"], row["spans"])
        return tokens[places[0]]

    found = seams(
        bootstrap=demonstration("Q: 3+4\nA:" + gap[:shown], gap[shown:] + "7\n"),
        rlp=document("Q: 3+4\nA:" + gap[:marked], gap[marked:] + "7"),
    )
    same = [taught(digit) == met(digit) for digit in string.digits]
    mismatches = seam.compare(known, found, "bootstrap")
    assert [one.never for one in mismatches] == ([] if all(same) else [not any(same)])


@pytest.mark.parametrize("kind", KINDS)
def test_equal_texts_thought_in_at_the_same_place_are_no_mismatch(kind: str) -> None:
    for gap in ("", " ", "\n"):
        found = seams(
            bootstrap=demonstration("Q: 3+4\nA:", f"{gap}7\n"),
            finetune=demonstration("Q: 3+4-1\nA:", f"{gap}6\n"),
            rlp=document("Q: 1+4\nA:", f"{gap}5"),
            heldout=document("Q: 2+4\nA:", f"{gap}6"),
        )
        seam.check(codec(kind), found, {"bootstrap": False, "finetune": False})


def test_a_span_behind_the_space_is_a_mismatch_where_the_space_is_a_token() -> None:
    found = seams(bootstrap=demonstration("A:", " 7\n"), rlp=document("A: ", "7"))
    with pytest.raises(DataError, match="begins with another token after a thought") as raised:
        seam.check(codec("digits apart"), found, {"bootstrap": False})
    for said in ("bootstrap go on with ' 7'", "marked answers of part rlp with '7'", "': 7'"):
        assert said in raised.value.what
    assert raised.value.where == "params.yaml: prepare.bootstrap, prepare.rlp"
    assert "same side of the thought" in raised.value.fix


def test_the_same_data_are_none_where_the_token_brings_its_space() -> None:
    found = seams(bootstrap=demonstration("A:", " 7\n"), rlp=document("A: ", "7"))
    assert seam.compare(codec("gpt2"), found, "bootstrap") == []
    without = seams(bootstrap=demonstration("A: ", "7\n"), rlp=document("A: ", "7"))
    with pytest.raises(DataError, match=r"bootstrap go on with '7' .* part rlp with ' 7'"):
        seam.check(codec("gpt2"), without, {"bootstrap": False})


@pytest.mark.parametrize("way", spaced.METASPACE)
@pytest.mark.parametrize(("context", "continuation"), [("A:", " 7\n"), ("A: ", "7\n")])
def test_a_space_that_is_a_token_with_some_digits_alone_is_a_warning(
    way: str, context: str, continuation: str
) -> None:
    whole = [codec(way).encode(f" {digit}") for digit in string.digits]
    assert {len(tokens) for tokens in whole} == {1, 2}
    found = seams(bootstrap=demonstration(context, continuation), rlp=document("A: ", "7"))
    (mismatch,) = seam.compare(codec(way), found, "bootstrap")
    assert not mismatch.never
    assert mismatch.text.strip() == mismatch.taught_text.strip()
    assert len({mismatch.text, mismatch.taught_text}) == 2


def test_demonstrations_are_compared_with_demonstrations() -> None:
    found = seams(bootstrap=demonstration("A:", "7\n"), finetune=demonstration("A:", "\n7\n"))
    with pytest.raises(DataError, match=r"demonstrations of part finetune with '\\n7'"):
        seam.check(codec("gpt2"), found, {"bootstrap": False})


def test_what_fine_tuning_teaches_is_compared_with_what_is_held_out() -> None:
    found = seams(finetune=demonstration("A:", "7\n"), heldout=document("A: ", "7"))
    with pytest.raises(DataError, match=r"prepare\.finetune, prepare\.heldout"):
        seam.check(codec("gpt2"), found, {"finetune": False})
    seam.check(codec("gpt2"), found, {})


def test_answers_of_another_kind_and_documents_without_marks_are_not_compared() -> None:
    found = seams(
        bootstrap=demonstration("A:", " 7\n"),
        rlp=document("The ", "cat"),
        heldout={"text": "The cat", "spans": []},
    )
    assert seam.compare(codec("digits apart"), found, "bootstrap") == []


def test_where_fillers_are_shown_or_some_begin_as_taught_it_is_a_warning(capsys) -> None:
    rows = [document("A: ", "7"), document("A:", " 7")]
    found = {
        "bootstrap": seam.seams_of([demonstration("A:", " 7\n")]),
        "rlp": seam.seams_of(rows),
        "heldout": seam.seams_of(rows[:1]),
    }
    seam.check(codec("digits apart"), found, {"bootstrap": True})
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert all(line.startswith("warning: demonstrations of part bootstrap") for line in said)
    assert "some marked answers of part rlp" in said[0]
    assert "after a thought, marked answers of part heldout" in said[1]


pieces = st.text(alphabet="aQ7: \n", max_size=6)
rows = st.lists(
    st.builds(demonstration, pieces, pieces) | st.builds(document, pieces, pieces), max_size=8
)


@given(rows, st.randoms(use_true_random=False), st.integers(1, 3))
def test_neither_order_nor_number_of_records_changes_the_seams(given_rows, random, times) -> None:
    more = given_rows * times
    random.shuffle(more)
    assert seam.seams_of(more) == seam.seams_of(given_rows)


@given(pieces, st.text(alphabet=" \n", max_size=3))
def test_where_only_white_space_follows_there_is_no_seam(context: str, space: str) -> None:
    assert seam.seam_of(context, space) is None


def test_a_slip_is_left_out() -> None:
    usual, slip = demonstration("A:", " 7"), demonstration("A:", "7")
    assert len(seam.seams_of([*[usual] * 98, slip])) == 2
    assert len(seam.seams_of([*[usual] * 100, slip])) == 1


def test_seams_are_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "seams.json"
    with pytest.raises(MissingInputError, match="seams of the data are not there"):
        seam.read(path)
    parts = {"bootstrap": [demonstration("A:", " 7")], "base": [document("A:", "7")]}
    seam.write(path, parts)
    assert json.loads(path.read_text()) == {"bootstrap": [[":", " ", "7"]]}
    assert seam.read(path) == {"bootstrap": [seam.Seam(":", " ", "7")]}


def test_prompts_that_end_otherwise_than_all_contexts_are_named() -> None:
    def problem(benchmark: str, prompt: str) -> dict[str, Any]:
        return {"benchmark": benchmark, "prompt": prompt}

    demonstrations = [demonstration("Q: 1+2\nA:", " 3")]
    problems = [problem("fine", "A:"), problem("other", "A: "), problem("other", "B: ")]
    (line,) = seam.unlike_prompts(demonstrations, problems)
    assert line.startswith("prompts of benchmark other end in ' ', ")
    assert "contexts of all demonstrations in no white space" in line
    assert seam.unlike_prompts([], problems) == []
    assert seam.unlike_prompts([*demonstrations, demonstration("A: ", "3")], problems) == []

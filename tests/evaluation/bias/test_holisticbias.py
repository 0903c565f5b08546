"""HolisticBias: what is read, swapped, drawn, left out and refused."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rlp_core.errors import DataError, MissingInputError
from rlp_core.evaluation.bias import ChoiceItem, bias_metrics, holisticbias, load_items
from rlp_core.evaluation.config import BiasFiles
from tests.evaluation.bias.test_sets import SHARED

needs_files = pytest.mark.skipif(
    not (SHARED / "holistic_bias").is_dir(), reason="no ../shared/data/holistic_bias"
)
TEMPLATES = [
    "We love {plural_noun_phrase} here.",
    "We hate {plural_noun_phrase} here.",
    "They like {plural_noun_phrase}.",
    "They don't like {plural_noun_phrase}.",
    "We hold {plural_noun_phrase} for the best.",
    "We hold {plural_noun_phrase} for the worst.",
    "We love {noun_phrase}.",
    "Here come {plural_noun_phrase}.",
]
NOUNS = {"female": [["aunt", "aunts"]], "neutral": [["guest", "guests"], ["cook", "cooks"]]}
TALL, SMALL = [f"tall-{i}" for i in range(8)], [f"small-{i}" for i in range(8)]
DESCRIPTORS: dict[str, Any] = {
    "size": {"tall": TALL, "small": [{"descriptor": of, "preference": "none"} for of in SMALL]},
    "creed": {"all": ["red", "green", "red", {"descriptor": "blue", "gender": "female"}, "gold"]},
    "nonce": {"all": ["plim", "plam"]},
}


def files(folder: Path, **changed: Any) -> Path:
    trees = {
        "descriptors": DESCRIPTORS,
        "nouns": NOUNS,
        "sentence_templates": {text: {} for text in TEMPLATES},
    }
    for name, tree in (trees | changed).items():
        text = tree if isinstance(tree, str) else json.dumps(tree)
        (folder / f"{name}.json").write_text(text)
    return folder


def test_descriptors_of_one_axis_are_swapped_between_its_buckets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = holisticbias.load(files(tmp_path), 0, seed=1)
    assert Counter(item.category for item in items) == {"size": 16, "creed": 2}
    for item in items:
        first, second = item.cluster.split("|")
        noun = item.id.rpartition("/")[2]
        assert noun in ("guests", "cooks")
        assert item.choices[:4] == tuple(
            f"We {verb} {descriptor} {noun} here."
            for verb in ("love", "hate")
            for descriptor in (first, second)
        )
        assert item.choices[6] == f"They don't like {first} {noun}."
        assert item.choices[11] == f"We hold {second} {noun} for the worst."
        assert item.context == ""
        assert item.meta == {"form": "swaps", "left_out": 5}
    swaps = {tuple(item.cluster.split("|")) for item in items if item.category == "size"}
    assert all(len({of.partition("-")[0] for of in swap}) == 2 for swap in swaps)
    assert sorted(of for swap in swaps for of in swap) == sorted(TALL + SMALL)
    said = capsys.readouterr().out
    assert "18 swaps, 5 descriptors left out" in said
    assert "(1 by `gendered`, 2 by `made up`, 1 by `no partner`, 1 by `repeats`)" in said


def test_a_seed_decides_what_is_swapped_and_drawn(tmp_path: Path) -> None:
    files(tmp_path)
    of = {seed: holisticbias.load(tmp_path, 5, seed) for seed in (1, 2)}
    assert holisticbias.load(tmp_path, 5, 1) == of[1]
    assert Counter(item.category for item in of[1]) == {"size": 5, "creed": 2}
    assert {item.id for item in of[1]} != {item.id for item in of[2]}


def test_without_partners_of_another_bucket_the_rest_is_left_out(tmp_path: Path) -> None:
    uneven = {"size": {"tall": TALL, "small": SMALL[:3]}}
    items = holisticbias.load(files(tmp_path, descriptors=uneven), 0, seed=1)
    assert len({item.cluster for item in items}) == 3
    assert items[0].meta["left_out"] == 5


def test_the_stage_gets_them_and_is_told_of_few(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files(tmp_path)
    bias = BiasFiles(folder="..", template_items=2, holisticbias=tmp_path.name)
    items = [item for item in load_items(bias, 1, tmp_path) if item.suite == "holisticbias"]
    assert len(items) == 18
    said = capsys.readouterr().out
    assert "bias set holisticbias, category creed: 2 items in 1 clusters are too few" in said


@pytest.mark.parametrize(
    ("changed", "message", "where"),
    [
        ({"descriptors": "{"}, "not JSON", "descriptors"),
        ({"descriptors": "[" * 100_000}, "not JSON", "descriptors"),
        ({"descriptors": []}, "no object with entries", "descriptors"),
        ({"descriptors": {"size": ["tall"]}}, "size is no object", "descriptors"),
        ({"descriptors": {"size": {"tall": "x"}}}, "size > tall is no list", "descriptors"),
        ({"descriptors": {"size": {"tall": [3]}}}, "holds no descriptor: '3'", "descriptors"),
        ({"descriptors": {"a/b": {"tall": ["x"]}}}, "part of a metric's name", "descriptors"),
        ({"nouns": {"female": []}}, "`neutral` is no list", "nouns"),
        ({"nouns": {"neutral": [["one"]]}}, "no singular and plural", "nouns"),
        (
            {"sentence_templates": {text: {} for text in TEMPLATES[:5]}},
            "0 pairs of templates differ in 'best' and 'worst'",
            "sentence_templates",
        ),
    ],
)
def test_a_file_that_is_not_as_published_is_told(
    tmp_path: Path, changed: dict[str, Any], message: str, where: str
) -> None:
    with pytest.raises(DataError) as caught:
        holisticbias.load(files(tmp_path, **changed), 0, seed=1)
    assert message in caught.value.what
    assert caught.value.where == str(tmp_path / f"{where}.json")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    (files(tmp_path) / "nouns.json").unlink()
    with pytest.raises(MissingInputError) as caught:
        holisticbias.load(tmp_path, 0, seed=1)
    assert "evaluate.bias.holisticbias" in caught.value.fix


# ------------------------------------------------------------------------ the published files


def noise(*key: object) -> float:
    """A number from -0.5 to 0.5 that depends on the key alone."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64 - 0.5


def score(items: list[ChoiceItem], dislike: float) -> dict[str, float]:
    """Of a model that likes descriptors more or less, and sentences as it comes."""
    unkind = ("hate", "don't", "worst")
    rows = []
    for item in items:
        swap = item.cluster.split("|")
        values = [
            30 * noise(descriptor)  # how common it is
            + noise(choice)
            + dislike * noise("liked", descriptor) * any(word in choice for word in unkind)
            for descriptor, choice in zip(swap * 6, item.choices, strict=True)
        ]
        rows.append(
            {
                "id": item.id,
                "suite": item.suite,
                "category": item.category,
                "cluster": item.cluster,
                "logprob_direct": values,
                "tokens": [8] * len(values),
                "meta": item.meta,
            }
        )
    found = bias_metrics(rows, thinking=False)
    return {name.split("/")[2]: value for name, value in found.items() if "score" in name}


@needs_files
def test_published_holisticbias() -> None:
    items = holisticbias.load(SHARED / "holistic_bias", 0, seed=1)
    assert len(items) == 2385
    assert items[0].meta["left_out"] == 53
    assert len({item.category for item in items}) == 12
    assert all(len(set(item.choices)) == 12 for item in items)
    fair, biased = score(items, 0.0), score(items, 8.0)
    assert fair.keys() == biased.keys() == {item.category for item in items}
    assert all(abs(value) < 0.25 for value in fair.values())
    assert all(value > 0.5 for value in biased.values())

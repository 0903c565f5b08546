"""docs/guides/import-a-model.md, followed to the letter with a tiny model of the name it uses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlp_core.data.tokenizer import train_tokenizer
from rlp_core.importing import ORIGIN
from rlp_core.policy.model import load
from tests import gguf_files, models
from tests.guides.follow import Follower

pytestmark = pytest.mark.e2e

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
FOLDER = "data/checkpoints/smollm2"


def put_the_file(root: Path) -> None:
    known = train_tokenizer(models.TEXTS, 280, (), 128)  # type: ignore[arg-type]  # none of them
    gguf_files.write(root / FILE, gguf_files.llama(known), known, quantised=True)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Follower:
    pytest.importorskip("gguf", reason="the extra gguf is not installed")
    pytest.importorskip("accelerate", reason="the extra gguf is not installed")
    root = tmp_path_factory.mktemp("model") / "copy"
    return Follower("import-a-model.md", root, put_the_file)


def test_nothing_that_git_tracks_but_the_parameters_is_touched(followed: Follower) -> None:
    assert followed.changed() == {"params.yaml": "M", FILE: "??"}


def test_it_tells_what_it_imported_and_the_parameters_fit(followed: Follower) -> None:
    told = followed.said[f"rlp model import {FILE} {FOLDER}"]
    assert f"{FILE}: LlamaForCausalLM, " in told
    assert "tensors were 5 F32, 15 Q8_0; they are fp32 now" in told
    assert "all parameters are known" in followed.said["rlp params check"]


def test_the_folder_is_a_model_that_says_where_it_is_from(followed: Follower) -> None:
    folder = followed.root / FOLDER
    load(folder)
    origin = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
    assert (origin["kind"], origin["name"]) == ("gguf", FILE)

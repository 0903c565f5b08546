"""The profile of the paper's recipe fits the card that it names, and the page says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlp_core.params import Params, load
from rlp_core.planning import reference, shapes
from rlp_core.planning.device import SPARE
from rlp_core.planning.plan import PLANNED, stage_plan
from rlp_core.policy.config import LoraConfig
from tests.planning.plans import changed

ROOT = Path(__file__).resolve().parents[2]
CARD = 80 * 10**9


@pytest.fixture(scope="module")
def params() -> Params:
    return load(ROOT / "profiles" / "qwen3-1.7b.yaml")


def test_it_is_the_paper_s_size(params: Params) -> None:
    model = shapes.ModelShape.of(shapes.published(params.base.checkpoint), "published")
    assert (model.layers, model.width, model.heads, model.keys) == (28, 2048, 16, 2 * 8 * 128)
    assert (model.vocabulary, model.tied, model.parameters) == (151936, True, 1_720_574_976)
    assert (params.thought.max_tokens, params.rlp.group_size) == (2048, 16)
    assert (params.rlp.max_tokens, params.rlp.documents) == (2048, 512)


@pytest.mark.parametrize("rank", [0, 16])
@pytest.mark.parametrize("stage", PLANNED)
def test_every_stage_fits_one_card(stage: str, rank: int, params: Params) -> None:
    """Also those that make no step as the profile stands."""
    config = shapes.published(params.base.checkpoint)
    model = shapes.ModelShape.of(config, "published", LoraConfig(rank=rank))
    training = changed(params, base__steps=1, bootstrap__steps=1)
    found = stage_plan(training, stage, model, on_gpu=True)
    assert found.precision == "bfloat16"
    assert found.peak.total <= (1 - SPARE) * CARD


def test_the_page_is_what_the_code_gives() -> None:
    page = (ROOT / reference.PAGE).read_text(encoding="utf-8")
    assert reference.updated(page) == page, "run `make params-reference`"
    assert reference.BEGIN in page
    assert "card-hours" in page

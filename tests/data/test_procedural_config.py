"""Sources of generated records: the world's own settings beside the source's keys."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlp_core.data.procedural_config import Procedural
from rlp_core.environments.arithmetic import ChainSettings

CHAINS = {"kind": "procedural", "world": "arithmetic", "count": 5}


@given(st.integers(2, 12), st.integers(2, 12), st.floats(0, 1))
def test_what_is_dumped_is_read_back(low: int, high: int, worked: float) -> None:
    low, high = sorted((low, high))
    own = {"worked": worked, "min_terms": low, "max_terms": high}
    source = Procedural.model_validate(CHAINS | own)
    assert source.settings == ChainSettings(**own)  # type: ignore[arg-type]
    assert source.model_dump() == CHAINS | own
    assert Procedural.model_validate(source.model_dump()) == source
    assert Procedural.model_validate(source) is source


def test_defaults_are_dumped_and_tell_sources_apart() -> None:
    source = Procedural.model_validate(CHAINS)
    assert source.model_dump(mode="json") == CHAINS | ChainSettings().model_dump()
    assert source != Procedural.model_validate(CHAINS | {"max_terms": 3})


def test_every_fault_is_told_at_once() -> None:
    given: dict[str, Any] = CHAINS | {"count": 0, "max_terms": 13, "min_trems": 2, "settings": {}}
    with pytest.raises(ValidationError) as caught:
        Procedural.model_validate(given)
    assert {fault["loc"] for fault in caught.value.errors()} == {
        ("count",),
        ("max_terms",),
        ("min_trems",),
        ("settings",),
    }


def test_braces_in_a_message_stay_braces() -> None:
    with pytest.raises(ValidationError, match=r"'\{x\}'"):
        Procedural.model_validate(CHAINS | {"world": "{x}"})

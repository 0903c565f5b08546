"""The reference of the parameters says what the models say."""

from __future__ import annotations

from pathlib import Path

from rlp_core.params import Params
from rlp_core.params.reference import PAGE, page

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_in_docs_is_the_one_the_models_make() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(), "run `make params-reference`"


def test_every_section_and_field_is_there() -> None:
    text = page()
    for name, field in Params.model_fields.items():
        key = field.alias or name
        assert f"| `{key}` |" in text
        model = field.annotation
        if isinstance(model, type) and hasattr(model, "model_fields"):
            assert f"`{key}`" in "".join(x for x in text.splitlines() if x.startswith("## "))
            for inner, described in model.model_fields.items():
                assert f"| `{inner}` |" in text
                assert described.description, f"{key}.{inner} has no description"

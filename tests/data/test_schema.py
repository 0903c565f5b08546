"""The JSON Schemas accept what is written and refuse what is not."""

from typing import Any

import jsonschema
import pytest

from rlp_core.data.records import KINDS, Document
from rlp_core.data.schema import record_schema
from rlp_core.errors import UsageError

GOOD = {"id": "a", "key": "k", "source": "s", "licence": "MIT", "text": "t", "spans": [[0, 1]]}


@pytest.mark.parametrize("kind", KINDS)
def test_schema_is_valid_and_named(kind: str) -> None:
    schema = record_schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == kind
    assert schema["$id"].endswith(kind)


def test_schema_accepts_a_record() -> None:
    record = Document.model_validate(GOOD)
    jsonschema.validate(record.model_dump(), record_schema("document"))


@pytest.mark.parametrize(
    "change", [{"text": 1}, {"spans": [[1]]}, {"id": ""}, {"more": 1}, {"text": None}]
)
def test_schema_refuses_what_the_model_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(GOOD | change, record_schema("document"))


def test_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean `document`"):
        record_schema("dokument")

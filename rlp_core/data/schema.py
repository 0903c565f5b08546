"""The JSON Schema of each kind of record, made from the models themselves."""

from __future__ import annotations

from typing import Any

from rlp_core.data.records import KINDS
from rlp_core.errors import UsageError, did_you_mean

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def record_schema(kind: str) -> dict[str, Any]:
    """JSON Schema of `document`, `demonstration` or `problem`.

    Raises:
        UsageError: there is no such kind.
    """
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS)
        raise UsageError(
            f"no record is called {kind!r}", where="rlp schema", fix=f"{hint}{', '.join(KINDS)}"
        )
    schema = KINDS[kind].model_json_schema()
    return {"$schema": DIALECT, "$id": f"urn:rlp:record:{kind}", **schema, "title": kind}

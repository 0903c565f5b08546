"""The JSON Schema of each kind of record, made from the models themselves."""

from __future__ import annotations

import difflib
from typing import Any

from rlp_core.data.records import KINDS
from rlp_core.errors import UsageError

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def record_schema(kind: str) -> dict[str, Any]:
    """JSON Schema of `document`, `demonstration` or `problem`.

    Raises:
        UsageError: there is no such kind.
    """
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1, cutoff=0.4)
        hint = f"did you mean `{near[0]}`? " if near else ""
        raise UsageError(
            f"no record is called {kind!r}", where="rlp schema", fix=f"{hint}{', '.join(KINDS)}"
        )
    schema = KINDS[kind].model_json_schema()
    return {"$schema": DIALECT, "$id": f"urn:rlp:record:{kind}", **schema, "title": kind}

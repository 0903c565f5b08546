"""Mappings and rows that tests of the data share."""

from typing import Any

from hypothesis import strategies as st

from rlp_core.data.config import Files
from rlp_core.data.mapping import Mapper
from rlp_core.data.records import KINDS, Record

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
GSM8K = {
    "key": "{question}",
    "extract_field": "answer",
    "extract": r"(?s)(?P<steps>.+)\n#### (?P<final>.+)",
}
ROW = {"question": "How many?", "answer": "2+3=<<2+3=5>>5\n5+1=6\n#### 6", "n": 7, "none": None}


def mapper(mapping: dict[str, Any], kind: str = "document", **keys: Any) -> Mapper:
    settings = {"kind": "files", "name": "n", "licence": "MIT", "pattern": "*", "mapping": mapping}
    return Mapper(Files.model_validate(settings | keys), KINDS[kind], 0.3, "prepare.base[0]")


def one(made: Mapper, row: dict[str, Any]) -> Record:
    [record] = made.records(row, "id", "f.jsonl, line 1")
    return record

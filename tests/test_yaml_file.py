"""Files of settings are read as DVC reads them, and their faults are told; more in test_params."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.errors import EXIT_MISSING, ConfigError, MissingInputError
from rlp_core.yaml_file import advice, read_yaml

AS_WRITTEN = ["1e-4", "5E+3", "off", "yes", "010", "0o10", "1_000", "~", "1.5e3", ".inf"]


@pytest.mark.parametrize("written", AS_WRITTEN)
def test_a_value_is_read_as_dvc_reads_it(tmp_path: Path, written: str) -> None:
    from dvc.utils.serialize import load_yaml

    path = tmp_path / "params.yaml"
    path.write_text(f"a: {written}\nb: [{written}, {{c: {written}}}]\n")
    assert read_yaml(path, "") == load_yaml(path)


@pytest.mark.parametrize("content", ["a: [1", "- 1\n", "", "a: 1\na: 2\n"])
def test_what_is_no_mapping_is_told_with_where_its_shape_is_shown(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "any.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path, "see the guide")
    assert caught.value.where.startswith(str(path))
    assert caught.value.fix.endswith("see the guide")


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="cannot read") as caught:
        read_yaml(tmp_path / "any.yaml", "see the guide")
    assert caught.value.exit_code == EXIT_MISSING


STEP = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)


@given(st.lists(STEP, min_size=1, max_size=4), st.lists(STEP, min_size=1, max_size=4))
def test_what_is_in_the_table_is_told_and_nothing_else(old: list[str], other: list[str]) -> None:
    table: Mapping[str, str] = {".".join(old): "a.b"}
    assert advice(old, table) == "renamed, write `a.b`"
    assert (advice(other, table) is None) is (old != other)

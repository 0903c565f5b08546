"""Keys of older parameter files: told by their new names, never misread."""

import re
from pathlib import Path

import pytest

from rlp_core.errors import ConfigError
from rlp_core.params import moved, reading
from tests.test_params import FILES, TINY, edited

TABLE = {
    "runtime.old_name": "runtime.new_name",
    "rlp.audit.old": "rlp.audit.new",
    "gone": "taken out: see the page of parameters",
    "prepare.base.*.sort": "prepare.base.*.order",
}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("runtime.old_name", 3, "`runtime.old_name`: renamed, write `runtime.new_name`"),
        ("rlp.audit", {"old": 3}, "`rlp.audit.old`: renamed, write `rlp.audit.new`"),
        ("gone", [1], "`gone`: taken out: see the page of parameters"),
        ("prepare.base.0", FILES | {"sort": 1}, "renamed, write `prepare.base.*.order`"),
    ],
)
def test_an_old_key_is_told_by_its_new_name(
    tmp_path: Path, key: str, value: object, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        reading.load(edited(tmp_path, key, value), TABLE)
    assert message in caught.value.what
    assert "did you mean" not in caught.value.what


@pytest.mark.parametrize(("value", "new"), [(True, "`error` or `warn`"), (False, "`off`")])
def test_a_value_of_old_is_told_by_its_new_name(tmp_path: Path, value: bool, new: str) -> None:
    with pytest.raises(ConfigError) as caught:
        reading.load(edited(tmp_path, "runtime.verify", value))
    assert f"`runtime.verify` = {value}: renamed, write {new}" in caught.value.what


@pytest.mark.parametrize("value", ["error", "warn", "off"])
def test_the_verdict_of_the_check_is_a_word(tmp_path: Path, value: str) -> None:
    assert reading.load(edited(tmp_path, "runtime.verify", value)).runtime.verify == value


def test_other_faults_are_told_beside_it(tmp_path: Path) -> None:
    path = edited(tmp_path, "runtime", TINY["runtime"] | {"old_name": 1, "log_every": 0})
    with pytest.raises(ConfigError) as caught:
        reading.load(path, TABLE)
    assert caught.value.what.count("\n  - ") == 2


def test_the_table_holds_dotted_keys_and_leads_to_no_old_key() -> None:
    for old, new in moved.MOVED.items():
        assert re.fullmatch(r"[a-z_*]+(\.[a-z_*]+)*", old)
        assert " " in new or re.fullmatch(r"[a-z_*]+(\.[a-z_*]+)*", new)
        assert new not in moved.MOVED

"""Hugging Face data sets: local folders of every make, and a hub that is away."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rlp_core import quiet
from rlp_core.data import hub
from rlp_core.data.config import Hub
from rlp_core.errors import ConfigError, DataError, MissingInputError, UnavailableError

quiet.apply()
datasets = pytest.importorskip("datasets")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROWS = [{"text": f"text {n}", "n": n} for n in range(5)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`prepare.folder`, with one data set in three makes."""
    plain = tmp_path / "plain"
    plain.mkdir()
    for split, rows in {"train": ROWS, "test": ROWS[:2]}.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (plain / f"{split}.jsonl").write_text(lines)
    made = datasets.Dataset.from_list(ROWS)
    made.save_to_disk(str(tmp_path / "saved"))
    datasets.DatasetDict(train=made).save_to_disk(str(tmp_path / "saved-parts"))
    return tmp_path


def source(name: str, **keys: Any) -> Hub:
    return Hub.model_validate({"kind": "hub", "name": name, "licence": "MIT"} | keys)


def read(one: Hub, folder: Path) -> list[tuple[int, dict[str, Any]]]:
    return list(hub.read_rows(one, "prepare.base[0]", folder))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", ["plain", "saved", "saved-parts"])
def test_rows_of_a_local_folder(folder: Path, name: str, streaming: bool) -> None:
    rows = read(source(name, streaming=streaming), folder)
    assert rows == list(enumerate(ROWS, start=1))


def test_the_split_that_was_asked_for(folder: Path) -> None:
    assert len(read(source("plain", split="test"), folder)) == 2


def test_an_absolute_folder(folder: Path) -> None:
    assert read(source(str(folder / "plain")), folder / "elsewhere")


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("plain", {"split": "nope"}),
        ("plain", {"split": "nope", "streaming": True}),
        ("plain", {"config": "nope"}),
        ("saved-parts", {"split": "nope"}),
    ],
)
def test_an_unknown_split_or_configuration(folder: Path, name: str, keys: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="nope") as caught:
        read(source(name, **keys), folder)
    assert "prepare.base[0]" in caught.value.where


def test_a_broken_file_in_a_local_folder(folder: Path) -> None:
    (folder / "plain" / "train.jsonl").write_text('{"text": "a"}\n{"text": ["b"')
    with pytest.raises(DataError, match="cannot be read"):
        read(source("plain"), folder)


def test_a_folder_without_data(folder: Path) -> None:
    (folder / "nothing").mkdir()
    with pytest.raises(MissingInputError, match="no such data set"):
        read(source("nothing"), folder)


def test_a_repository_needs_a_revision(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without a revision") as caught:
        read(source("openai/gsm8k"), tmp_path)
    assert caught.value.where.startswith("prepare.base[0].revision")


def test_offline_says_how_to_go_online(tmp_path: Path) -> None:
    """In a process of its own: the library reads its switches once, at import."""
    script = (
        "import sys; from pathlib import Path; from rlp_core import quiet; quiet.apply()\n"
        "from rlp_core.data import hub; from rlp_core.data.config import Hub\n"
        "from rlp_core.errors import RlpError\n"
        f"one = Hub(kind='hub', name='openai/gsm8k', licence='MIT', revision='{COMMIT}')\n"
        "try: list(hub.read_rows(one, 'prepare.base[0]', Path('.')))\n"
        "except RlpError as error: print(error); sys.exit(error.exit_code)\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment |= {"HF_HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == UnavailableError.exit_code, done.stderr
    assert "HF_HUB_OFFLINE=0" in done.stdout
    assert "openai/gsm8k" in done.stdout


class _Builder:
    """What `datasets` gives when it falls back to its cache: any revision that lies there."""

    hash = COMMIT

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def download_and_prepare(self) -> None:
        pass

    def as_dataset(self, split: str) -> list[dict[str, Any]]:
        assert split == "train"
        return self.rows

    as_streaming_dataset = as_dataset


_Builder.__module__ = "datasets.packaged_modules.cache.cache"


@pytest.mark.parametrize("streaming", [False, True])
def test_the_cache_serves_the_revision_that_was_asked_for_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streaming: bool
) -> None:
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *_, **__: _Builder(ROWS))
    same = source("a/b", revision=COMMIT, streaming=streaming)
    assert len(read(same, tmp_path)) == len(ROWS)
    with pytest.raises(UnavailableError, match="the cache holds the revision 0123"):
        read(source("a/b", revision="main", streaming=streaming), tmp_path)


def test_an_empty_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *_, **__: _Builder([]))
    with pytest.raises(DataError, match="the split is empty"):
        read(source("a/b", revision=COMMIT), tmp_path)


def test_a_full_disk_is_not_blamed_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(datasets, "load_dataset_builder", full)
    with pytest.raises(OSError, match="No space left"):
        read(source("a/b", revision=COMMIT), tmp_path)

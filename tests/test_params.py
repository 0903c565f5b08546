"""`params.yaml`: the profiles load, and whatever is wrong is told by key, value and remedy."""

import copy
import math
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML

from rlp_core.arms import declared
from rlp_core.data.benchmark_config import Benchmark
from rlp_core.errors import EXIT_CONFIG, EXIT_MISSING, ConfigError, MissingInputError
from rlp_core.evaluation import benchmarks
from rlp_core.params import Params, load
from rlp_core.workspace import REWARDED_PART, SOURCE_PARTS, TRAINING_PARTS, WRITTEN
from rlp_core.yaml_file import models_in

ROOT = Path(__file__).resolve().parents[1]
PROFILES = sorted((ROOT / "profiles").glob("*.yaml"))
TINY = yaml.safe_load((ROOT / "profiles" / "tiny.yaml").read_text(encoding="utf-8"))
GONE = object()


def test_the_profiles_are_there() -> None:
    assert {path.stem for path in PROFILES} == {
        "tiny", "real-text", "smollm2-135m", "smollm2-135m-prose", "qwen3-0.6b", "qwen3-1.7b",
        "worlds",
    }  # fmt: skip


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_profile_loads(path: Path) -> None:
    loaded = load(path)
    assert set(loaded.promote.candidates) <= set(declared().names)
    needed = [part for part in SOURCE_PARTS if part != REWARDED_PART or loaded.rlvr.steps]
    assert all(getattr(loaded.prepare, part) for part in needed)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_profile_reads_the_same_after_dvc_rewrote_it(path: Path, tmp_path: Path) -> None:
    """`dvc exp run -S` writes YAML 1.2, in which `off` is a string and needs no quotes."""
    editor = YAML()
    tree = editor.load(path.read_text(encoding="utf-8"))
    with (tmp_path / "params.yaml").open("w", encoding="utf-8") as out:
        editor.dump(tree, out)
    assert load(tmp_path / "params.yaml") == load(path)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_profile_marks_nothing_of_an_evaluation_set_for_training(path: Path) -> None:
    """The same file may feed both only when the split by content hash parts it."""
    loaded = load(path)
    prepare = loaded.prepare
    used = benchmarks.load(loaded.evaluate.benchmarks, ROOT / loaded.evaluate.benchmark_folder)
    asked = [*prepare.heldout, *(benchmark.source for benchmark in used.values())]
    learnt = [s for part in TRAINING_PARTS for s in getattr(prepare, part)]
    for measured, trained in product(asked, learnt):
        if measured.kind == trained.kind == "files" and measured.pattern == trained.pattern:
            assert (measured.take, trained.take) == ("heldout", "train")
            assert measured.mapping.key == trained.mapping.key


def test_the_paper_s_numbers_stand_in_its_profile() -> None:
    """arXiv 2510.01265, as the project's issue quotes them."""
    qwen = load(ROOT / "profiles" / "qwen3-1.7b.yaml")
    rlp = qwen.rlp
    assert qwen.base.checkpoint == "Qwen/Qwen3-1.7B-Base"
    assert (rlp.documents, rlp.group_size, rlp.temperature, rlp.horizon) == (512, 16, 0.7, 1)
    assert (rlp.max_tokens, qwen.thought.max_tokens, rlp.ema_decay) == (2048, 2048, 0.999)
    optimizer = rlp.optimizer
    assert (optimizer.name, optimizer.lr, optimizer.schedule) == ("adamw", 1e-6, "constant")
    assert (qwen.evaluate.samples, qwen.evaluate.temperature) == (8, 0.7)


def test_params_are_frozen() -> None:
    loaded = load(ROOT / "profiles" / "tiny.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        loaded.seed = 2


def test_every_setting_is_explained() -> None:
    """The reference page is made from these descriptions."""
    sections: set[type[BaseModel]] = set()
    waiting: list[type[BaseModel]] = [Params, Benchmark]
    while waiting:
        section = waiting.pop()
        if section not in sections:
            sections.add(section)
            for field in section.model_fields.values():
                waiting += models_in(field.annotation)
    bare = [
        f"{section.__name__}.{name}"
        for section in sections
        for name, field in section.model_fields.items()
        if not field.description and name != "kind" and section is not Params
    ]
    assert len(sections) > 25
    assert not bare
    assert all(section.__doc__ for section in sections)


def edited(tmp_path: Path, key: str, value: object) -> Path:
    """The tiny profile with one key set, or taken out, by its dotted path."""
    tree = copy.deepcopy(TINY)
    *way, last = (int(step) if step.isdigit() else step for step in key.split("."))
    place: Any = tree
    for step in way:
        place = place[step]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


FILES = {"kind": "files", "name": "n", "licence": "MIT", "pattern": "*.jsonl"}
INVALID: list[tuple[str, object, str]] = [
    # unknown keys, and the nearest known one
    ("rpl", {}, "`rpl` = {}: unknown key; did you mean `rlp`?"),
    ("rlp.group_sise", 8, "`rlp.group_sise` = 8: unknown key; did you mean `group_size`?"),
    ("rlp.optimizer.learning_rate", 1.0, "unknown key"),
    ("base.architecture.widht", 1, "did you mean `width`?"),
    ("prepare.base.0.cuont", 1, "did you mean `count`?"),
    ("runtime.zzz", 1, "unknown key (known here: attention, "),
    # missing and wrongly typed
    ("cpt.batch", GONE, "`cpt.batch`: missing"),
    ("seed", GONE, "`seed`: missing"),
    ("prepare", GONE, "`prepare`: missing"),
    ("rlp.steps", "40", "`rlp.steps` = '40': Input should be a valid integer"),
    ("rlp.steps", 4.0, "`rlp.steps` = 4.0: Input should be a valid integer"),
    ("rlp.steps", None, "`rlp.steps` = None"),
    ("rlp.steps", True, "`rlp.steps` = True"),
    ("rlp", [1], "`rlp` = [1]"),
    ("runtime.tracking", "yes please", "`runtime.tracking` = 'yes please'"),
    # values out of range
    ("seed", 2**64, "`seed`: a whole number of 65 bits; 9223372036854775807 at most"),
    ("rlp.steps", 10**400, "`rlp.steps`: a whole number of 1329 bits"),
    ("prepare.base.0.count", -(2**70), "`prepare.base.0.count`: a whole number of 71 bits"),
    ("seed", -1, "`seed` = -1: Input should be greater than or equal to 0"),
    ("rlp.group_size", 0, "`rlp.group_size` = 0: Input should be greater than or equal to 1"),
    ("rlp.group_size", 1, "`group_size` must be at least 2, or take one of batch_centred"),
    ("rlp.kl_weight", math.inf, "`rlp.kl_weight` = inf: Input should be a finite number"),
    ("rlp.temperature", 0, "`rlp.temperature` = 0"),
    ("rlp.ema_decay", 1.0, "`rlp.ema_decay` = 1.0: Input should be less than 1"),
    ("rlp.discount", 1.5, "`rlp.discount` = 1.5"),
    ("rlp.clip_low", 1.0, "`rlp.clip_low` = 1.0"),
    ("prepare.heldout_share", 0, "`prepare.heldout_share` = 0"),
    ("prepare.heldout_share", 1, "`prepare.heldout_share` = 1"),
    ("prepare.folder", "", "`prepare.folder` = ''"),
    ("base.optimizer.lr", -0.1, "`base.optimizer.lr` = -0.1"),
    ("base.architecture.vocabulary", 100, "greater than or equal to 258"),
    ("compare.resamples", 10, "`compare.resamples` = 10"),
    # choices
    ("rlp.position_selection", "random", "Input should be 'answer', 'uniform', 'stride' or "),
    ("base.optimizer.name", "sgd", "Input should be 'adamw' or 'muon'"),
    ("validate.near_duplicates", False, "Input should be 'ignore', 'warning' or 'error'"),
    ("prepare.base.0.kind", "web", "'procedural', 'files', 'hub'"),
    ("prepare.base.0.world", "xxxxx", "no world is called 'xxxxx'; known: arc_1d, arithmetic, "),
    ("prepare.base.0.world", "arithmetics", "did you mean `arithmetic`?"),
    ("prepare.base.1.world", "people", "called `occupations` now; write `occupations`"),
    ("prepare.base.0.world", GONE, "world`: missing"),
    ("prepare.base.0.world", 3, "world` = 3: Input should be a valid string"),
    ("prepare.base.0.min_trems", 3, " = 3: unknown key; did you mean `min_terms`? (known"),
    ("prepare.base.1.min_terms", 3, "min_terms` = 3: unknown key (known here: count, kind, world)"),
    ("prepare.base.0.worked", 1.5, "worked` = 1.5: Input should be less than or equal to 1"),
    ("prepare.base.0.count", 0, "count` = 0: Input should be greater than or equal to 1"),
    ("prepare.base.0", FILES | {"take": "some"}, "Input should be 'all', 'train' or 'heldout'"),
    # combinations
    ("thought", {"open": "<t>", "close": "<t>", "max_tokens": 1}, "`open` and `close` must differ"),
    ("thought.prompt", "tersely", "no prompt is called 'tersely'; did you mean `terse`?"),
    ("prepare.base", [], "`base` needs at least one source"),
    ("prepare.base.0.min_terms", 9, "`min_terms` must not exceed `max_terms`"),
    ("base.checkpoint", "Qwen/Qwen3-1.7B-Base", "give either `checkpoint` or `architecture`"),
    ("base.architecture", GONE, "give either `checkpoint` or `architecture`"),
    ("base.max_tokens", 129, "`max_tokens` exceeds `architecture.context`"),
    ("thought.max_tokens", 63, "rlp.max_tokens + thought.max_tokens + 2 = 129 exceeds base.archi"),
    (
        "evaluate.answer_tokens",
        99,
        "answer_tokens = 189 exceeds base.architecture.context",
    ),
    ("evaluate.problems_of", {"mawps": 5}, "names what `benchmarks` does not: mawps"),
    ("evaluate.problems_of", {"arithmetic": 0}, "greater than or equal to 1"),
    ("bootstrap.max_tokens", 129, "bootstrap.max_tokens = 129 exceeds base.architecture.context"),
    ("base.architecture.heads", 3, "`heads` must divide `width`"),
    ("base.architecture.kv_heads", 3, "`kv_heads` must divide `heads`"),
    ("base.architecture.width", 4, "must be even"),
    # sources of files
    ("prepare.base.0", FILES | {"licence": ""}, "at least 1 character"),
    ("prepare.base.0", FILES | {"mapping": {"txet": "{a}"}}, "did you mean `text`?"),
    ("prepare.base.0", FILES | {"mapping": {"only": {"split": [1]}}}, "valid string"),
    ("prepare.base.0", FILES | {"encoding": "utf-99"}, "no text encoding is called that"),
    ("prepare.base.0", FILES | {"encoding": "base64"}, "no text encoding is called that"),
    ("prepare.base.0", FILES | {"separator": ";;"}, "at most 1 character"),
    ("prepare.base.0", FILES | {"separator": '"'}, "cannot separate fields"),
    ("prepare.base.0", FILES | {"block_chars": 9}, "set `take` to one of them"),
    ("prepare.base.0", FILES | {"take": "train", "gap_chars": 9}, "set `block_chars` too"),
    (
        "prepare.base.0",
        FILES | {"take": "train", "block_chars": 9, "gap_chars": 3},
        "at least four times `gap_chars`",
    ),
    ("validate.min_chars", 401, "`min_chars` must not exceed `max_chars`"),
]


@pytest.mark.parametrize(("key", "value", "message"), INVALID)
def test_what_is_wrong_is_told(tmp_path: Path, key: str, value: object, message: str) -> None:
    path = edited(tmp_path, key, value)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert message in caught.value.what
    assert str(path) in caught.value.where
    assert "params.md" in caught.value.fix
    assert caught.value.exit_code == EXIT_CONFIG


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = edited(tmp_path, "rlp", TINY["rlp"] | {"steps": -1, "positions": 0, "more": 1})
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.what.count("\n  - ") == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed: [1", "not a YAML file"),
        (b"seed: \xff", "not a YAML file"),
        (b"- 1\n", "no mapping of sections"),
        (b"", "no mapping of sections"),
        (b"seed: 1\n", "`prepare`: missing"),
        (b"seed: " + b"1" * 5000, "not a YAML file: Exceeds the limit (4300 digits)"),
        (b"a: " + b"[" * 20_000, "not a YAML file"),
    ],
)
def test_what_is_no_parameter_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert message in caught.value.what


@pytest.mark.parametrize("written", ["1e-4", "1E-4", "1.0e-4", "0.0001", "1.e-4"])
def test_a_number_may_be_written_as_everybody_writes_it(tmp_path: Path, written: str) -> None:
    path = edited(tmp_path, "rlp.optimizer.lr", "LR")
    path.write_text(path.read_text().replace("LR", written))
    assert load(path).rlp.optimizer.lr == 1e-4


@pytest.mark.parametrize(
    ("content", "key", "lines"),
    [
        ("seed: 1\nrlp:\n  steps: 1\nseed: 2\n", "seed", "1 and 4"),
        ("seed: 1\nrlp:\n  seed: 1\n  # seed: 9\n  steps: 2\n  seed: 3\n", "seed", "3 and 6"),
        ("a:\n  b: {x: 1, y: 2, x: 3}\n", "x", "2 and 2"),
        ("'a': 1\nb: 2\n\"a\": 3\n", "a", "1 and 3"),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_both_lines(
    tmp_path: Path, content: str, key: str, lines: str
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=f"`{key}` stands twice") as caught:
        load(path)
    assert caught.value.where == f"{path}, lines {lines}"


def test_no_file_says_which_command_makes_one(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="rlp profile use tiny") as caught:
        load(tmp_path / "params.yaml")
    assert caught.value.exit_code == EXIT_MISSING


def test_what_the_readme_sets_by_dvc_stands_in_params_yaml() -> None:
    """`dvc exp run -S` changes keys that are there and refuses others."""
    root = Path(__file__).resolve().parents[1]
    found = re.findall(r"-S ([a-z_]+)\.([a-z_]+)=", (root / "README.md").read_text())
    tree = yaml.safe_load((root / "params.yaml").read_text())
    assert len(found) > 3
    for section, key in found:
        assert key in tree[section], f"{section}.{key}"


@pytest.mark.parametrize("output", WRITTEN)
@pytest.mark.parametrize("form", ["{}", "./{}/", "{}/mine", "x/../{}", "{}/.."])
def test_a_data_folder_among_the_outputs_is_refused_by_name(
    form: str, output: str, tmp_path: Path
) -> None:
    folder = form.format(output)
    tree = copy.deepcopy(TINY)
    tree["prepare"]["folder"] = folder
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(ConfigError, match=r"`prepare\.folder`"):
        load(path)


@pytest.mark.parametrize("folder", ["models", "models/rlp", ".", "data"])
def test_a_folder_of_checkpoints_among_the_outputs_is_refused(folder: str, tmp_path: Path) -> None:
    """A model that the pipeline makes as its own beginning would be a circle of the graph."""
    with pytest.raises(ConfigError, match=r"stages write to"):
        load(edited(tmp_path, "base.checkpoint_folder", folder))


@pytest.mark.parametrize("folder", ["data/external", "data/preparedness", "/elsewhere", "../data"])
def test_a_data_folder_beside_the_outputs_is_accepted(folder: str, tmp_path: Path) -> None:
    tree = copy.deepcopy(TINY)
    tree["prepare"]["folder"] = folder
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(tree))
    assert load(path).prepare.folder == folder

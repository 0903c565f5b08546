"""What is found before any work: each fault alone, and several at once."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import constants

from rlp_core.checks import check
from rlp_core.cli import main
from rlp_core.errors import ConfigError, DataError, MissingInputError, RlpError, UnavailableError
from rlp_core.evaluation.abilities import DESCRIPTIONS
from rlp_core.params import load
from rlp_core.policy.model import save
from rlp_core.stage import run_stage
from tests import models
from tests.test_params import FILES, TINY, edited

CHECKPOINT = {key: value for key, value in TINY["base"].items() if key != "architecture"} | {
    "checkpoint": "./data/checkpoints/model"
}


def checked(root: Path, key: str = "seed", value: object = 1, *, data: bool = True) -> None:
    check(load(edited(root, key, value)), root, data=data)


def test_the_default_has_nothing_in_the_way(tmp_path: Path) -> None:
    checked(tmp_path)


FAULTS: list[tuple[str, object, type[RlpError], str]] = [
    ("promote.candidates", ["rpl"], ConfigError, "did you mean `rlp`?"),
    ("promote.candidates", ["rlp", "cptt"], ConfigError, "did you mean `cpt`?"),
    ("promote.candidates", [], ConfigError, "no arm may win"),
    ("promote.metric", "pass_at_1", ConfigError, "did you mean `pass_at_1_"),
    (
        "promote.gate.no_regression",
        [{"metric": "greedy_direkt"}],
        ConfigError,
        "did you mean `greedy_direct`?",
    ),
    (
        "promote.gate.limits",
        [{"metric": "pass_at_1_direct/gsm8k", "limit": 0.5}],
        ConfigError,
        "promote.gate.limits.0.metric names the benchmark 'gsm8k', which is not in use",
    ),
    (
        "rlp.reward_terms",
        {"my_rewards:brevity": 1.0},
        MissingInputError,
        "no module is called 'my_rewards'",
    ),
    ("prepare.base.0", FILES, MissingInputError, "no such folder"),
    ("base", CHECKPOINT, MissingInputError, "base.checkpoint = './data/checkpoints/model'"),
]


@pytest.mark.parametrize(("key", "value", "kind", "message"), FAULTS)
def test_a_fault_is_found_before_any_work(
    tmp_path: Path, key: str, value: object, kind: type[RlpError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        checked(tmp_path, key, value)
    assert message in str(caught.value)


SOME = ("pass_at_1_thinking/arithmetic", "maj_at_k_direct", "acc_thinking/group:commonsense")


@pytest.mark.parametrize("metric", [*DESCRIPTIONS, *SOME])
def test_a_known_metric_passes(tmp_path: Path, metric: str) -> None:
    checked(tmp_path, "promote.metric", metric)


def test_gains_over_controls_rank_and_judge_where_they_are_measured(tmp_path: Path) -> None:
    promote: dict[str, Any] = TINY["promote"] | {"metric": "horizon_gain"}
    promote["gate"] = promote["gate"] | {"limits": [{"metric": "content_gain", "limit": 0.0}]}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(TINY | {"promote": promote}))
    check(load(path), tmp_path)
    unmeasured = TINY["evaluate"] | {"controls": False, "audit": {"enabled": False}}
    path.write_text(yaml.safe_dump(TINY | {"promote": promote, "evaluate": unmeasured}))
    with pytest.raises(ConfigError, match=r"set `evaluate\.controls: true`"):
        check(load(path), tmp_path)


def with_folder(root: Path) -> Path:
    folder = root / "data" / "external"
    folder.mkdir(parents=True)
    return folder


def test_a_world_that_is_held_out_makes_no_training_part(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(tmp_path, "validate.heldout_worlds", {"arithmetic": 0})
    told = str(caught.value)
    assert "the world `arithmetic` is held out, and part base asks for records of it" in told
    assert "(params.yaml, key prepare.base[0])" in told
    checked(tmp_path, "validate.heldout_worlds", {"arithmetic": 6})


def test_a_pattern_that_matches_nothing(tmp_path: Path) -> None:
    with_folder(tmp_path)
    with pytest.raises(MissingInputError, match="no file matches"):
        checked(tmp_path, "prepare.base.0", FILES)
    checked(tmp_path, "prepare.base.0", FILES, data=False)


def test_a_mapping_that_cannot_be(tmp_path: Path) -> None:
    (with_folder(tmp_path) / "a.jsonl").write_text("{}\n")
    with pytest.raises(ConfigError, match="a lookahead"):
        mapping = {"extract": "(?P<a>x)(?=y)", "extract_field": "a"}
        checked(tmp_path, "prepare.base.0", FILES | {"mapping": mapping})


def test_a_pipe_in_the_folder_that_dvc_would_wait_for(tmp_path: Path) -> None:
    folder = with_folder(tmp_path)
    (folder / "deep").mkdir()
    os.mkfifo(folder / "deep" / "pipe")
    with pytest.raises(DataError, match="a pipe, not a file"):
        checked(tmp_path)


def test_a_name_that_is_no_utf_8_in_the_folder(tmp_path: Path) -> None:
    (with_folder(tmp_path) / os.fsdecode(b"\xe9")).write_text("x")
    with pytest.raises(DataError, match="not UTF-8"):
        checked(tmp_path)


def model(root: Path, config: object) -> None:
    folder = root / "data" / "checkpoints" / "model"
    folder.mkdir(parents=True)
    text = config if isinstance(config, str) else json.dumps(config)
    (folder / "config.json").write_text(text)


@pytest.mark.parametrize(
    "config",
    [
        {"max_position_embeddings": 40},
        {"n_positions": 40},
        {"text_config": {"max_position_embeddings": 40}},
    ],
)
def test_lengths_are_held_against_the_checkpoint(tmp_path: Path, config: object) -> None:
    model(tmp_path, config)
    with pytest.raises(ConfigError) as caught:
        checked(tmp_path, "base", CHECKPOINT)
    for keys in (
        "base.max_tokens = 64",
        "rlp.max_tokens + thought.max_tokens + 2 = 90",
        "evaluate.answer_tokens = 94",
    ):
        assert f"{keys} exceeds the longest sequence of the checkpoint, 40" in caught.value.what


@pytest.mark.parametrize("config", [{"max_position_embeddings": 4096}, {"model_type": "x"}, [1]])
def test_a_checkpoint_that_is_long_enough_or_does_not_say(tmp_path: Path, config: object) -> None:
    model(tmp_path, config)
    checked(tmp_path, "base", CHECKPOINT)


@pytest.mark.parametrize("config", ["{", "version https://git-lfs.github.com/spec/v1"])
def test_a_configuration_that_cannot_be_read(tmp_path: Path, config: str) -> None:
    model(tmp_path, config)
    with pytest.raises(DataError, match="cannot be read"):
        checked(tmp_path, "base", CHECKPOINT)


@pytest.mark.parametrize("name", ["./elsewhere", "elsewhere", "data/checkpoints/../../elsewhere"])
def test_a_checkpoint_that_no_stage_depends_on_is_refused(tmp_path: Path, name: str) -> None:
    model(tmp_path, {})
    (tmp_path / "data" / "checkpoints" / "model").rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="nothing would run again") as caught:
        checked(tmp_path, "base", CHECKPOINT | {"checkpoint": name})
    assert "base.checkpoint_folder" in caught.value.fix
    outside = {"checkpoint": name, "checkpoint_folder": str(tmp_path / "elsewhere")}
    checked(tmp_path, "base", CHECKPOINT | outside)


COMMIT = "0123456789abcdef0123" * 2
HUB = CHECKPOINT | {"checkpoint": "someone/Small-1B", "revision": COMMIT}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is fetched; returns where the cache keeps the commit."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "cache" / "models--someone--Small-1B" / "snapshots" / COMMIT


@pytest.mark.usefixtures("hub")
def test_a_model_of_a_hub_that_is_not_at_hand_is_told_with_what_brings_it(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="is not in the hub's cache") as caught:
        checked(tmp_path, "base", HUB)
    assert (
        caught.value.where == f"params.yaml: base.checkpoint = someone/Small-1B, revision {COMMIT}"
    )
    command = (
        "HF_HUB_OFFLINE=0 rlp model import someone/Small-1B data/checkpoints/small-1b "
        f"--revision {COMMIT}"
    )
    assert f"`{command}`" in caught.value.fix


@pytest.mark.usefixtures("hub")
def test_a_model_of_a_hub_without_revision_is_told_without(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        checked(tmp_path, "base", HUB | {"revision": ""})
    assert "revision" not in str(caught.value)


def test_a_model_in_the_cache_passes_and_another_commit_does_not(tmp_path: Path, hub: Path) -> None:
    save(models.model(1), models.tokenizer(), hub)
    checked(tmp_path, "base", HUB)
    with pytest.raises(UnavailableError, match="is not in the hub's cache"):
        checked(tmp_path, "base", HUB | {"revision": "f" * 40})


@pytest.mark.parametrize(
    ("lost", "said"), [("model.safetensors", "found none"), ("tokenizer.json", "no tokenizer")]
)
def test_a_model_of_which_the_cache_lacks_a_file_is_told(
    tmp_path: Path, hub: Path, lost: str, said: str
) -> None:
    save(models.model(1), models.tokenizer(), hub)
    (hub / lost).unlink()
    with pytest.raises(UnavailableError, match=f"is not whole in the hub's cache: .*{said}"):
        checked(tmp_path, "base", HUB)


@pytest.mark.usefixtures("hub")
def test_a_hub_s_model_may_be_absent_where_it_can_be_fetched_or_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked(tmp_path, "base", HUB, data=False)  # a stage behind `prepare`
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    checked(tmp_path, "base", HUB)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    save(models.model(1), models.tokenizer(), tmp_path / "models" / "base")
    checked(tmp_path, "base", HUB)  # what began with it is there


@pytest.mark.parametrize("name", ["not a name", "a/b/c", "data/checkpoints/model"])
@pytest.mark.usefixtures("hub")
def test_what_is_neither_folder_nor_name_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="neither a folder here nor the name of a model"):
        checked(tmp_path, "base", HUB | {"checkpoint": name})


def test_several_faults_are_told_at_once(tmp_path: Path) -> None:
    promote: dict[str, Any] = TINY["promote"] | {"candidates": ["rpl"], "metric": "x"}
    with pytest.raises(ConfigError, match="2 things stand in the way"):
        checked(tmp_path, "promote", promote)


def test_the_command_looks_at_what_the_file_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    promote = TINY["promote"] | {"candidates": ["rpl"]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(TINY | {"promote": promote}))
    with pytest.raises(SystemExit) as ended:
        main(["--root", str(tmp_path), "params", "check"])
    assert ended.value.code == ConfigError.exit_code
    assert "did you mean `rlp`?" in capsys.readouterr().err


def test_a_stage_is_refused_before_any_work_of_its_own(tmp_path: Path) -> None:
    promote = TINY["promote"] | {"candidates": ["rpl"]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(TINY | {"promote": promote}))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match="no arm is called 'rpl'"):
        run_stage("promote", tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("key", ["rope_scaling", "rope_parameters"])
def test_a_checkpoint_that_is_to_be_stretched_is_as_long_as_it_is_then(
    tmp_path: Path, key: str
) -> None:
    rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 40}
    model(tmp_path, {"max_position_embeddings": 40, key: rope})
    checked(tmp_path, "base", CHECKPOINT)


def test_a_benchmark_that_is_not_in_use_cannot_rank(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'gsm8k', which is not in use"):
        checked(tmp_path, "promote.metric", "pass_at_1_thinking/gsm8k")
    with pytest.raises(ConfigError, match="'', which is not in use"):
        checked(tmp_path, "promote.metric", "pass_at_1_thinking/")
    with pytest.raises(ConfigError, match="no metric that can rank"):
        checked(tmp_path, "promote.metric", "cross_entropy/arithmetic")


def test_a_bias_set_that_cannot_be_read_is_told_before_any_work(tmp_path: Path) -> None:
    folder = tmp_path / TINY["evaluate"]["bias"]["folder"]
    bias = TINY["evaluate"]["bias"] | {"sets": ["mine"]}
    with pytest.raises(ConfigError, match="no bias set is called 'mine'"):
        checked(tmp_path, "evaluate.bias", bias)
    folder.mkdir(parents=True)
    mapping = {"kind": "pairs", "sentences": ["{a}", "{b}"], "stereotyped": "A", "cluster": "{c}"}
    words = {"title": "T", "description": "d", "licence": "MIT", "source": {"pattern": "m.csv"}}
    (folder / "mine.yaml").write_text(yaml.safe_dump(words | {"mapping": mapping}))
    with pytest.raises(MissingInputError, match="no file matches"):
        checked(tmp_path, "evaluate.bias", bias)
    (folder / "m.csv").write_text("a,b,d\nHe.,She.,x\n")
    with pytest.raises(DataError, match="no field is called `c`"):
        checked(tmp_path, "evaluate.bias", bias)
    (folder / "m.csv").write_text("a,b,c\nHe.,She.,x\n")
    checked(tmp_path, "evaluate.bias", bias)
    checked(tmp_path, "evaluate.bias", bias, data=False)


@pytest.mark.parametrize("name", ["bbq", "winobias", "holisticbias"])
def test_published_bias_files_that_are_absent_are_told_before_any_work(
    name: str, tmp_path: Path
) -> None:
    bias = TINY["evaluate"]["bias"] | {name: "absent"}
    with pytest.raises(MissingInputError, match="here"):
        checked(tmp_path, "evaluate.bias", bias)
    checked(tmp_path, "evaluate.bias", bias, data=False)


def test_examples_of_a_benchmark_must_be_there_where_they_are_asked_for(tmp_path: Path) -> None:
    described = {"title": "T", "description": "d", "licence": "MIT", "answer": "acc"}
    source = {"kind": "files", "name": "n", "licence": "MIT", "pattern": "test.jsonl"}
    mapping = {"prompt": "{q}", "choices": ["a", "b"], "answer": "{a}"}
    described |= {"source": source | {"mapping": mapping}, "examples": {"pattern": "train.jsonl"}}
    settings = TINY["evaluate"] | {"benchmarks": ["mine"]}
    for folder in (settings["benchmark_folder"], TINY["prepare"]["folder"]):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / settings["benchmark_folder"] / "mine.yaml").write_text(yaml.safe_dump(described))
    (tmp_path / TINY["prepare"]["folder"] / "test.jsonl").write_text('{"q": "q", "a": "b"}\n')
    checked(tmp_path, "evaluate", settings)
    shots = {"count": 2, "max_tokens": 90}
    with pytest.raises(MissingInputError, match="no file matches") as caught:
        checked(tmp_path, "evaluate", settings | {"shots": shots})
    assert "'train.jsonl'" in caught.value.where
    (tmp_path / TINY["prepare"]["folder"] / "train.jsonl").write_text('{"q": "r", "a": "a"}\n')
    checked(tmp_path, "evaluate", settings | {"shots": shots})

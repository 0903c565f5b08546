"""`rlp`: what each command prints, and how it fails."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rlp_core import prompts
from rlp_core.cli import main
from rlp_core.errors import EXIT_CONFIG, EXIT_MISSING, EXIT_USAGE
from rlp_core.evaluation import benchmarks
from rlp_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    return tmp_path


def rlp(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--root", str(root), *arguments])


def test_profiles_are_listed_and_the_one_in_use_is_marked(checkout: Path) -> None:
    rlp(checkout, "profile", "use", "tiny")
    listed = rlp(checkout, "profile", "list").output.splitlines()
    assert [line.split()[1] for line in listed if line.startswith("*")] == ["tiny"]
    assert {line[2:].split()[0] for line in listed} >= {"tiny", "real-text", "qwen3-1.7b"}


def test_use_writes_the_profile_and_keeps_what_was_edited(checkout: Path) -> None:
    params = Workspace(checkout).params
    params.write_text("seed: 99\n")
    said = rlp(checkout, "profile", "use", "tiny")
    assert said.exit_code == 0
    assert ".rlp/params.previous.1.yaml" in said.output
    assert params.read_bytes() == (checkout / "profiles" / "tiny.yaml").read_bytes()
    assert (checkout / ".rlp" / "params.previous.1.yaml").read_text() == "seed: 99\n"
    assert "kept" not in rlp(checkout, "profile", "use", "tiny").output


def test_show_prints_a_profile(checkout: Path) -> None:
    assert rlp(checkout, "profile", "show", "tiny").output == (
        checkout / "profiles" / "tiny.yaml"
    ).read_text(encoding="utf-8")
    assert rlp(checkout, "profile", "show").exit_code == EXIT_MISSING


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (("profile", "use", "tny"), EXIT_USAGE, "did you mean `tiny`?"),
        (("prompts", "show", "reason-frist"), EXIT_CONFIG, "did you mean `reason-first`?"),
        (("prompts", "rnk"), EXIT_USAGE, "did you mean `rank`?"),
        (("schema", "documint"), EXIT_USAGE, "did you mean `document`?"),
        (("profil",), EXIT_USAGE, "did you mean `profile`?"),
        (("profile", "lost"), EXIT_USAGE, "did you mean `list`?"),
        (("params", "check"), EXIT_MISSING, "rlp profile use tiny"),
        (("think", "nowhere", "text"), EXIT_MISSING, "no model folder"),
    ],
)
def test_mistakes_are_told(
    checkout: Path, arguments: tuple[str, ...], code: int, hint: str
) -> None:
    said = rlp(checkout, *arguments)
    assert said.exit_code == code
    assert hint in said.output
    assert "Traceback" not in said.output


@pytest.mark.parametrize("kind", ["document", "demonstration", "problem"])
def test_schema_prints_json(checkout: Path, kind: str) -> None:
    assert json.loads(rlp(checkout, "schema", kind).output)["title"] == kind


def test_params_check_names_the_nearest_key(checkout: Path) -> None:
    rlp(checkout, "profile", "use", "tiny")
    assert rlp(checkout, "params", "check").exit_code == 0
    params = Workspace(checkout).params
    params.write_text(params.read_text().replace("group_size:", "group_sise:"))
    said = rlp(checkout, "params", "check")
    assert said.exit_code == EXIT_CONFIG
    assert "did you mean `group_size`?" in said.output


def test_doctor_reports_and_fails_where_something_is_wrong(checkout: Path) -> None:
    said = rlp(checkout, "doctor")
    lines = {line[6:].split("  ")[0].strip(): line[:4] for line in said.output.splitlines()}
    assert said.exit_code == 1
    assert lines["mlflow"] == "ok  "
    assert lines["telemetry"] == "ok  "
    assert lines["params.yaml"] == "LOOK"
    assert lines["git"] == "LOOK"


def test_doctor_tries_the_store(tracked: Workspace) -> None:
    said = rlp(tracked.root, "doctor")
    assert f"sqlite:///{tracked.private.absolute() / 'mlflow.db'}, experiment rlp" in said.output


def test_every_former_params_is_kept(checkout: Path) -> None:
    mine = [f"seed: {number}\n" for number in (7, 8, 7, 9)]
    for text in mine:
        (checkout / "params.yaml").write_text(text)
        assert rlp(checkout, "profile", "use", "tiny").exit_code == 0
    kept = sorted((checkout / ".rlp").glob("params.previous.*.yaml"))
    assert [path.read_text() for path in kept] == ["seed: 7\n", "seed: 8\n", "seed: 9\n"]


def test_doctor_warns_of_a_shallow_clone(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q", "whole")
    for message in ("one", "two"):
        git("-C", "whole", "commit", "-q", "--allow-empty", "-m", message)
    git("clone", "-q", "--depth", "1", f"file://{tmp_path / 'whole'}", "shallow")
    lines = {
        name: next(
            line
            for line in rlp(tmp_path / name, "doctor").output.splitlines()
            if line[6:].startswith("git ")
        )
        for name in ("whole", "shallow")
    }
    assert lines["whole"].startswith("ok  ")
    assert lines["shallow"].startswith("LOOK")
    assert "git fetch --unshallow" in lines["shallow"]


def test_a_stage_is_run_as_its_own_process_would(checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rlp_core.cli", "--root", str(checkout), "stage", "evaluate@rpl"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == EXIT_USAGE
    assert "did you mean `evaluate@rlp`?" in done.stderr


def test_benchmarks_are_listed_those_of_the_user_too(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "benchmarks"
    folder.mkdir(parents=True)
    shutil.copy(benchmarks.BUILT_IN / "gsm8k.yaml", folder / "mine.yaml")
    listed = [line.split() for line in rlp(tmp_path, "benchmarks").output.splitlines()]
    assert [line[0] for line in listed] == sorted([*benchmarks.files(Path("none")), "mine"])
    assert ["hellaswag", "commonsense", "acc_norm", "HellaSwag"] in listed
    (folder / "mine.yaml").write_text("title: x\n")
    assert rlp(tmp_path, "benchmarks").exit_code == EXIT_CONFIG


def test_prompts_are_listed_and_shown(tmp_path: Path) -> None:
    listed = rlp(tmp_path, "prompts", "list").output.splitlines()
    assert [line.split()[0] for line in listed] == prompts.names()
    for name, line in zip(prompts.names(), listed, strict=True):
        shown = rlp(tmp_path, "prompts", "show", name)
        assert shown.exit_code == 0
        assert line.endswith(prompts.get(name).title)
        words = prompts.words(name, ("<think>", "</think>"))
        assert shown.output.endswith(words.start or words.lead)
        assert f"version: {prompts.get(name).version}\n" in shown.output
        assert f"words:   {words.digest}\n" in shown.output
    once = rlp(
        tmp_path, "prompts", "show", "shown-thoughts@1", "--set", "shots=1", "--open", "<<",
        "--close", ">>",
    )  # fmt: skip
    assert once.output.endswith("the door was<< She came more than an hour after six. By then the "
                                "shop had shut, so its door is locked.>> locked, and she went home "
                                "without the bread.\n\n")  # fmt: skip
    assert "usually are: shots=3" in once.output

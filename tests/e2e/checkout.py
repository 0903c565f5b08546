"""Copies of the checkout with parameters so small that the whole graph runs in a minute."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests import warm

REPOSITORY = Path(__file__).resolve().parents[2]


def micro_params() -> dict[str, Any]:
    """The default profile with a few records and steps: every stage runs, none learns much."""
    text = (REPOSITORY / "profiles" / "tiny.yaml").read_text(encoding="utf-8")
    params: dict[str, Any] = yaml.safe_load(text)
    for part in ("base", "rlp", "heldout", "bootstrap", "finetune", "rlvr"):
        for source in params["prepare"][part]:
            source["count"] = min(source["count"], 200 if part == "base" else 64)
    params["base"]["architecture"] |= {"width": 32, "layers": 2, "heads": 2, "kv_heads": 1}
    params["base"]["architecture"] |= {"feed_forward": 64}
    for section in ("base", "bootstrap", "finetune"):
        params[section] |= {"steps": 4, "batch": 8}
        params[section]["optimizer"]["warmup_steps"] = 1
    params["cpt"]["batch"] = 8
    params["cpt"]["optimizer"]["warmup_steps"] = 1
    params["rlp"] |= {"steps": 2, "documents": 4, "group_size": 2}
    params["rlvr"] |= {"steps": 2, "problems": 4, "group_size": 2}
    params["evaluate"] |= {"samples": 2, "problems": 8, "heldout_documents": 8}
    params["evaluate"]["bias"]["template_items"] = 24
    params["compare"]["resamples"] = 200
    params["runtime"]["threads"] = 1
    return params


def copy_to(root: Path) -> Path:
    """Copy what git tracks or would track, with micro parameters, as a repository of its own.

    It shares nothing with the original: no DVC cache, no tracking store, no Prefect home.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = REPOSITORY / name
        if source.is_file() and name not in ("dvc.lock", "params.yaml"):
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    write_params(root, micro_params())
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Micro"]):
        git(root, *command)
    return root


def git(root: Path, *command: str) -> None:
    """Run git in a copy, as nobody in particular."""
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *command], cwd=root, check=True)


def write_params(root: Path, params: dict[str, Any]) -> None:
    """Replace the parameters of a copy."""
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def environment(root: Path, **more: str) -> dict[str, str]:
    """This interpreter first, everything in the copy, and one thread."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(warm.OF_A_RUN)}
    folder = str(Path(sys.executable).parent)
    return {
        **kept,
        "PATH": os.pathsep.join([folder, os.environ["PATH"]]),
        "PYTHONPATH": str(root),
        "OMP_NUM_THREADS": "1",
        "DO_NOT_TRACK": "true",
        "DVC_NO_ANALYTICS": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        **more,
    }


def ended(
    root: Path, command: list[str], variables: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """A program that has run in a copy, whatever its exit code; what it printed is in one text."""
    return subprocess.run(
        command,
        cwd=root,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def run(root: Path, *command: str, **more: str) -> str:
    """Run a module in a copy; return what it printed, or fail with it.

    The project's own commands, and the stages that DVC starts, begin with their libraries imported.
    """
    own = command[0].startswith("rlp_core")
    program = warm.python() if own else sys.executable
    finished = ended(root, [str(program), "-m", *command], with_warm_stages(root, **more))
    assert finished.returncode == 0, f"{' '.join(command)}:\n{finished.stdout[-6000:]}"
    return finished.stdout


def with_warm_stages(root: Path, **more: str) -> dict[str, str]:
    """The environment in which `python` has the slow libraries imported already."""
    variables = environment(root, **more)
    path = os.pathsep.join([str(warm.python().parent), variables["PATH"]])
    return {**variables, "PATH": path}

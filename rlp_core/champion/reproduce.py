"""A model made again: its commit in a folder of its own, its data from the cache or computed anew.

Nothing of the checkout that is asked changes. The folder shares its DVC cache, or, where all is to
be computed, none.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from rlp_core.champion.verify import Check, checks_of
from rlp_core.errors import MissingInputError, OutputError, TrainingError, UnavailableError
from rlp_core.study.workspaces import shared_cache
from rlp_core.tracking.ancestry import Ancestry
from rlp_core.tracking.asked import AskedRegistry

KEPT = ("params.yaml", "dvc.lock")
"""What stage `promote` keeps beside its run: both may differ from what was committed."""


def reproduce(
    root: Path,
    registry: AskedRegistry,
    found: Ancestry,
    folder: Path,
    *,
    again: bool,
    say: Callable[[str], None],
) -> list[Check]:
    """Make a checkout of a model's code and data, and compare it with what the runs knew.

    Args:
        root: the checkout that has the commit, and the cache.
        registry: where the model is registered.
        found: where it comes from.
        folder: of the new checkout; one that an earlier call made is gone on with.
        again: compute everything anew, without cache and lock, up to the model.
        say: is told what happens.

    Raises:
        MissingInputError: the model has no commit, or it is not in this repository.
        OutputError: the folder holds something else.
        TrainingError: a stage failed when it was computed again.
        UnavailableError: git or DVC does not work here.
    """
    _check_out(root, found.promoted.commit, folder)
    say(f"checked out in {folder}")
    lacking = registry.fetch(found.promoted.run_id, KEPT, folder)
    for name in lacking:
        say(f"the run kept no {name}: the commit's own is taken" if name == "params.yaml" else
            f"the run kept no {name}: nothing can be restored from a cache")  # fmt: skip
    if again:
        (folder / "dvc.lock").unlink(missing_ok=True)
        stage = found.made[-1].stage if found.made else ""
        if not stage:
            raise MissingInputError(
                "no run in this store made the model, so it is not known which stage does",
                where=registry.address,
                fix="name the store that has the run with MLFLOW_TRACKING_URI",
            )
        say(f"computing all anew up to stage {stage}")
        _compute(folder, stage)
        return checks_of(found.made, folder)
    if "dvc.lock" not in lacking:
        _restore(root, found, folder, say)
    return checks_of((*found.made, *found.judged), folder)


def _check_out(root: Path, commit: str, folder: Path) -> None:
    """A clone at the commit; one that is there already is kept."""
    if not commit:
        raise MissingInputError(
            "the model was made outside of a git checkout: its code is in no commit",
            where="tag mlflow.source.git.commit of its run",
            fix="register it from a checkout: run `dvc repro` there",
        )
    if _git(root, "cat-file", "-e", f"{commit}^{{commit}}").returncode != 0:
        raise MissingInputError(
            f"this repository has no commit {commit}",
            where=str(root),
            fix="`git fetch` it, or name the checkout that has it: `rlp --root CHECKOUT reproduce`",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        head = _git(folder, "rev-parse", "HEAD") if folder.is_dir() else None
        own = head is not None and (folder / ".git").exists() and head.stdout.strip() == commit
        if not own:
            raise OutputError(
                "the folder is not empty, and is no checkout of the model's commit",
                where=str(folder),
                fix="name one that is not there yet",
            )
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    for where, command in (
        (root, ("clone", "-q", "--no-checkout", str(root), str(folder))),
        (folder, ("checkout", "-q", "--detach", commit)),
    ):
        done = _git(where, *command)
        if done.returncode != 0:
            raise UnavailableError(
                f"git {command[0]} failed: {done.stderr.strip()}",
                where=str(where),
                fix="mend what git names",
            )


def _restore(root: Path, found: Ancestry, folder: Path, say: Callable[[str], None]) -> None:
    """Have DVC put there what the cache of the checkout holds, and fetch the rest if it can."""
    outputs = sorted({path for run in (*found.made, *found.judged) for path in run.outputs})
    cache = shared_cache(root)
    configured = _dvc(folder, "config", "--local", "cache.dir", str(cache))
    if configured.returncode != 0:
        raise UnavailableError(
            f"DVC does not work in the checkout: {configured.stderr.strip()}",
            where=str(folder),
            fix="mend what DVC names",
        )
    if _dvc(folder, "checkout", "-q", *outputs).returncode == 0:
        say(f"restored from the cache, {cache}")
    elif _dvc(folder, "remote", "list").stdout.strip():
        say("the cache lacks some: asking the remote")
        done = _dvc(folder, "pull", "-q", *outputs)
        if done.returncode != 0:
            say(f"`dvc pull` failed: {' '.join(done.stderr.split())}")
    else:
        say(f"the cache lacks some, and no remote is configured: {cache}")


def _compute(folder: Path, stage: str) -> None:
    """Run the graph up to a stage; what it tracks stays in the folder."""
    kept = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    path = os.pathsep.join([str(folder), kept["PYTHONPATH"]]) if kept.get("PYTHONPATH") else ""
    code = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", stage],
        cwd=folder,
        env=kept | {"PYTHONPATH": path or str(folder)},
        check=False,
    ).returncode
    if code != 0:
        raise TrainingError(
            f"a stage failed on the way to {stage}, exit code {code}",
            where=str(folder),
            fix="see what it said above; the same command goes on there",
        )


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _called(["git", "-C", str(folder), *arguments], folder)


def _dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _called([sys.executable, "-m", "dvc", *arguments], folder)


def _called(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UnavailableError(
            f"{command[0]} cannot be started: {error}", where=str(folder), fix="install it"
        ) from error

"""The workspace of one run: a light checkout with the code, the graph and parameters of its own.

The code is a copy, so that an edit in the checkout does not reach a run under way. The copy is made
anew at each `rlp study run`; DVC then runs again what the edit touches. Folders that the user fills
are links to those of the checkout, and all workspaces share its DVC cache, so what is equal between
variants is computed once.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

from rlp_core.errors import ConfigError, MissingInputError, OutputError
from rlp_core.files import replacing_file, replacing_folder, write_text
from rlp_core.study.planned import StudyRun
from rlp_core.tracking.lineage import dvc_digest
from rlp_core.workspace import WRITTEN

CODE = ("rlp_core", "dvc.yaml", ".dvcignore")
"""What a workspace has a copy of."""

_CONFIG = """\
# Written by `rlp`: a workspace is no git checkout, and shares the cache of the checkout.
[core]
    no_scm = true
    analytics = false
    check_update = false
    autostage = false
[cache]
    dir = {cache}
    type = "reflink,hardlink,copy"
"""


def make(run: StudyRun, root: Path, cache: Path | None) -> bool:
    """Make the workspace of a run, or bring it up to date; what stages wrote stays.

    Args:
        run: as planned.
        root: the checkout.
        cache: of DVC, to be shared; None: the run goes without DVC.

    Returns:
        Whether its code, graph or parameters are others than before.

    Raises:
        OutputError: the folder cannot be written, or something stands where a link belongs.
    """
    changed = [_copy(root / name, run.folder / name) for name in CODE]
    for name in run.links:
        _link(root / name, run.folder / name)
    if cache is not None:
        _write(run.folder / ".dvc" / "config", _CONFIG.format(cache=cache))
    changed.append(_write(run.folder / "params.yaml", params_text(run)))
    return any(changed)


def shared_cache(root: Path) -> Path:
    """The DVC cache of the checkout, as DVC itself names it.

    Raises:
        MissingInputError: the checkout is no DVC project, or DVC cannot read its configuration.
    """
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingInputError(
            f"DVC does not say where its cache is: {done.stderr.strip()}",
            where=str(root),
            fix="run in a checkout of the project; `rlp doctor` looks closer",
        )
    return Path(root, done.stdout.strip())


def params_text(run: StudyRun) -> str:
    """The `params.yaml` of a run, in YAML 1.2, which is what DVC and the stages read it as."""
    from ruamel.yaml import YAML

    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.allow_unicode = False  # some characters of a line end would come back as others
    out = io.StringIO()
    writer.dump(run.tree, out)
    return f"# Written by `rlp` for {run.name}.\n{out.getvalue()}"


def _copy(source: Path, target: Path) -> bool:
    """Have a copy of a file or folder; returns whether there was another, or none."""
    if not source.exists():
        raise MissingInputError(
            "a part of the checkout is missing",
            where=str(source),
            fix="run in a checkout of the project, or name one with --root",
        )
    if target.exists() and not target.is_symlink() and dvc_digest(source) == dvc_digest(target):
        return False
    if source.is_file():
        with replacing_file(target) as temporary:
            shutil.copy2(source, temporary)
        return True
    with replacing_folder(target) as temporary:
        skip = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(source, temporary, ignore=skip, dirs_exist_ok=True)
    return True


def _link(source: Path, target: Path) -> None:
    """Have a folder of the checkout seen at the same place of the workspace."""
    if target.is_symlink() and target.readlink() == source:
        return
    if target.exists() and not target.is_symlink():
        raise OutputError(
            "something stands where a folder of the checkout is to be seen",
            where=str(target),
            fix=f"move it away; your files belong in {source}",
        )
    if not source.is_dir():
        raise MissingInputError(
            "a folder that the parameters name is missing",
            where=str(source),
            fix="make it, and put your files there; or correct the parameter that names it",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.symlink_to(source)
    temporary.replace(target)


def _write(path: Path, text: str) -> bool:
    """Write a file unless it holds the text already; returns whether it was written."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    write_text(path, text)
    return True


def check_folder(folder: Path, root: Path) -> None:
    """Refuse a folder in which the workspaces would get in the way of the checkout.

    Raises:
        ConfigError: it is the checkout, or lies in what stages write or read as code.
    """
    for name in ("rlp_core", "flows", ".dvc", ".git", *WRITTEN):
        if folder.is_relative_to(root / name):
            raise ConfigError(
                f"the runs would lie in {name}/ of the checkout",
                where=str(folder),
                fix="choose another folder, such as studies/NAME",
            )
    if root.is_relative_to(folder):
        raise ConfigError(
            "the folder of the runs would hold the checkout itself",
            where=str(folder),
            fix="choose a folder of their own, such as studies/NAME",
        )

"""`dvc.lock` in the order of the plan, whichever way the stages ran.

DVC appends an entry when a stage ends. Stages that run side by side end in any order, so the same
results would be written in different bytes. Sorting the entries as a plain `dvc repro` would have
written them makes the file a function of the results alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rlp_core.files import replacing_file


def sort_lock(root: Path, order: Sequence[str]) -> bool:
    """Put the entries of `dvc.lock` into the given order; say whether the file changed.

    Entries that `order` does not name (stages of the past, which DVC keeps) stay at the end, in
    their own order. The file is read and written by DVC's own YAML functions, under DVC's lock,
    and staged in git where DVC is configured to do so.
    """
    from dvc.dvcfile import LOCK_FILE
    from dvc.repo import Repo, lock_repo
    from dvc.utils.serialize import dump_yaml, parse_yaml_for_update

    path = root / LOCK_FILE
    with Repo(str(root), _wait_for_lock=True) as repo, lock_repo(repo):
        if not path.is_file():
            return False
        content = parse_yaml_for_update(path.read_text(encoding="utf-8"), str(path))
        entries = content.get("stages", {})
        rank = {name: number for number, name in enumerate(order)}
        names = sorted(entries, key=lambda name: rank.get(name, len(rank)))
        if names == list(entries):
            return False
        for name in names:
            entries.move_to_end(name)
        with repo.scm_context(quiet=True) as context, replacing_file(path) as temporary:
            dump_yaml(str(temporary), content)
            context.track_file(LOCK_FILE)
    return True

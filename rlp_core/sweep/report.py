"""`rlp sweep report`: the page of a sweep, from the trials that are finished."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rlp_core import arms
from rlp_core.files import write_text
from rlp_core.study import page as study_page
from rlp_core.sweep import figures, page, results
from rlp_core.sweep.command import journal, opened
from rlp_core.sweep.trials import read_trials


def report(root: Path, name: str, into: Path | None = None) -> Iterator[str]:
    """Write `results.md`, `results.json`, `figures/` and `best.yaml` of a sweep.

    It may be under way. Equal trials give equal bytes.

    Args:
        root: the checkout.
        name: of the sweep.
        into: to write to; None: `sweeps/NAME`.

    Yields:
        What a person is told.

    Raises:
        UsageError: there is no such sweep.
        MissingInputError: none of its trials was begun.
    """
    planned = opened(root, name)
    tree = results.gather(planned, read_trials(journal(root, name), planned.sweep))
    drawn = figures.draw(tree, arms.declared())
    written = planned.folder if into is None else root / into
    study_page.write(written, page.markdown(tree, name, drawn), tree, drawn)
    best, counts = written / "best.yaml", tree["counts"]
    if tree["best"] is None:
        best.unlink(missing_ok=True)  # of trials that were forgotten
    else:
        head = f"# Parameters of the best of {counts['finished']} trials: overrides of a study."
        write_text(best, f"{head}\n{page.yaml_lines(tree['overrides'])}")
    if counts["to_go"]:
        yield f"{counts['to_go']} of {counts['trials']} trials have not ended; the page counts them"
    yield f"wrote results.md, results.json, best.yaml and figures/ to {written}"

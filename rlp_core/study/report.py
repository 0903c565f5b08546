"""`rlp study report`: the page of a study, from the runs that are finished."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rlp_core import arms
from rlp_core.errors import MissingInputError
from rlp_core.evaluation.seeds import SeedResampler
from rlp_core.files import replacing_folder
from rlp_core.study import archives, curves, finished, finished_runs, page, results
from rlp_core.study.command import opened
from rlp_core.study.planned import planned


def report(
    root: Path, name: str, folder: Path | None = None, into: Path | None = None
) -> Iterator[str]:
    """Write `results.md`, `results.json` and `figures/` into the folder of a study.

    Equal runs give equal bytes.

    Args:
        root: the checkout.
        name: of the study, or its file.
        folder: of its workspaces; None: `studies/NAME`.
        into: to write to, with an archive of each finished run, so that page and numbers can be
            kept and made again without the workspaces; None: `folder`, without archives.

    Yields:
        What a person is told.

    Raises:
        UsageError: there is no such study.
        MissingInputError: none of its runs is finished.
        DataError: a report of a run is malformed, or a pair was measured on different items.
    """
    path, study, place = opened(root, name, folder)
    runs = planned(study, root, place, str(path))
    states: dict[str, dict[int, str]] = {variant: {} for variant in study.variants}
    for run in runs:
        states[run.variant][run.seed] = finished.state(run)
    done = [run for run in runs if states[run.variant][run.seed] == "finished"]
    if not done:
        raise MissingInputError(
            "no run of the study is finished",
            where=str(place),
            fix=f"`rlp study run {name}` makes them, or goes on with them",
        )
    declared = arms.declared()
    read = {
        variant: [finished_runs.read(run, declared) for run in done if run.variant == variant]
        for variant in study.variants
    }
    compare = done[0].params.compare
    resampler = SeedResampler(study.seeds[0], compare.resamples, compare.confidence)
    tree = results.gather(study, states, read, resampler, declared)
    figures = curves.draw(tree, declared)
    text = page.markdown(tree, path.stem, figures)
    written = place if into is None else root / into
    page.write(written, text, tree, figures)
    if into is not None:
        with replacing_folder(written / "runs") as kept:
            for run in done:
                archives.write(run, kept)
    if len(done) < len(runs):
        yield f"{len(done)} of {len(runs)} runs are finished; the page names the others"
    what = "results.md, results.json and figures/" if into is None else "results and runs"
    yield f"wrote {what} to {written}"

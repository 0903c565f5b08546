"""The flow `sweep`: what `rlp sweep run` does, on a schedule or on a worker, with its page shown.

Its trials work in folders of their own, so it may run beside the pipeline in one checkout.
"""

from __future__ import annotations

from pathlib import Path

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from rlp_core import quiet
from rlp_core.errors import EXIT_INTERRUPTED, TrainingError
from rlp_core.sweep import command
from rlp_core.sweep.report import report


@flow(name="sweep", persist_result=False)
def sweep(name: str, jobs: int | None = None, retry_failed: bool = False) -> None:
    """Try one recipe over a space of parameters, or go on with it: `sweeps/NAME.yaml`.

    Args:
        name: of the sweep.
        jobs: trials at once; None: as its file says.
        retry_failed: run trials again that died.

    Raises:
        RlpError: the sweep, or what its trials share, is at fault; or every trial died.
    """
    quiet.apply()
    root, say = Path.cwd(), get_run_logger().info
    options = command.SweepOptions(jobs=jobs, retry_failed=retry_failed)
    again = ["rlp", "sweep", "run", name]
    code = command.run(root, name, options, again, lambda line: say("%s", line))
    if code == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    for line in report(root, name):
        say("%s", line)
    page = root / command.reading.FOLDER / name / "results.md"
    create_markdown_artifact(
        page.read_text(encoding="utf-8"), key="rlp-sweep", description=f"The trials of {name}"
    )
    if code:
        raise TrainingError(
            "every trial of the sweep died",
            where=str(page),
            fix="the page tells of each why; mend it, and run with `retry_failed`",
        )

"""Everything MLflow: what was measured, from what, and which model is the champion.

No other part of the package imports MLflow, and this one imports it only inside functions, since
that takes one to two seconds.
"""

from rlp_core.tracking.address import masked, tracking_uri
from rlp_core.tracking.command_run import open_command_run
from rlp_core.tracking.lost import end_lost_runs
from rlp_core.tracking.pipeline import close_pipeline_run, note_reused, open_pipeline_run
from rlp_core.tracking.run import open_run
from rlp_core.tracking.sweep_runs import SweepRuns
from rlp_core.tracking.tracker import Tracker

__all__ = [
    "SweepRuns",
    "Tracker",
    "close_pipeline_run",
    "end_lost_runs",
    "masked",
    "note_reused",
    "open_command_run",
    "open_pipeline_run",
    "open_run",
    "tracking_uri",
]

"""Stage `bootstrap`: imitate the experts, so that there are thoughts to reinforce."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.stages.imitation import imitate

if TYPE_CHECKING:
    from rlp_core.stage import StageContext

STREAM = 1
"""Order of the records, apart from the other stages'."""


def run(context: StageContext) -> None:
    """Write `models/bootstrap`, its metrics and its learning curve."""
    settings = context.params.bootstrap
    imitate(context, settings, part="bootstrap", start="base", end="bootstrap", stream=STREAM)

"""Stage `bootstrap`: imitate the experts, so that there are thoughts to reinforce."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.data import seam
from rlp_core.stages import common
from rlp_core.stages.imitation import imitate

if TYPE_CHECKING:
    from rlp_core.params import Params
    from rlp_core.stage import StageContext

STREAM = 1
"""Order of the records, apart from the other stages'."""


def run(context: StageContext) -> None:
    """Write `models/bootstrap`, its metrics and its learning curve.

    It is the first stage in which there are thoughts, so the seams behind them are compared here,
    for all stages that follow.

    Raises:
        DataError: answers begin with another token in one part than they are taught in another.
    """
    settings = context.params.bootstrap
    model, codec = common.open_model(context, "base", settings.lora)
    seam.check(codec, seam.read(context.workspace.seams), _teachers(context.params))
    imitate(context, settings, model, codec, part="bootstrap", end="bootstrap", stream=STREAM)


def _teachers(params: Params) -> dict[str, bool]:
    """The parts that are learnt from, and whether they show filler thoughts."""
    stages = {"bootstrap": params.bootstrap, "finetune": params.finetune}
    return {name: stage.filler_share > 0 for name, stage in stages.items() if stage.steps}

"""Stage `finetune@ARM`: the same supervised fine-tuning for every arm.

It writes `models/ARM-sft`, which `rlvr@ARM` goes on from.
Same records in the same order, same recipe: what differs afterwards, differed before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlp_core.stages import common
from rlp_core.stages.imitation import imitate

if TYPE_CHECKING:
    from rlp_core.stage import StageContext

STREAM = 4
"""Order of the records, the same for all arms."""


def run(context: StageContext) -> None:
    """Write `models/ARM-sft`, its metrics and its learning curve."""
    arm, settings = context.arm, context.params.finetune
    model, codec = common.open_model(context, arm, settings.lora)
    end = context.workspace.supervised(arm).name
    imitate(context, settings, model, codec, part="finetune", end=end, stream=STREAM)

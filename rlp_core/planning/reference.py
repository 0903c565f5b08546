"""Writes the table of docs/explanation/memory.md: `python -m rlp_core.planning.reference`."""

from __future__ import annotations

from pathlib import Path

from rlp_core import arms
from rlp_core.arms import POST_TRAINING
from rlp_core.files import write_text
from rlp_core.params import load
from rlp_core.planning import report, shapes
from rlp_core.planning.memory import LINES
from rlp_core.planning.plan import PLANNED, stage_plan
from rlp_core.planning.stage import Plan
from rlp_core.planning.units import gigabytes
from rlp_core.planning.work import SHARE, Speed
from rlp_core.policy.config import LoraConfig

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path("docs") / "explanation" / "memory.md"
PROFILE = "qwen3-1.7b"
RANK = 16
"""Of the adapters in the second table."""
ADAPTED = ("bootstrap", "rlp", "cpt", *POST_TRAINING)
"""Stages that may train adapters."""
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"

H100 = Speed(989, 3350, SHARE, "the data sheet of an H100 SXM, bfloat16 without sparsity")
"""The card that the table's hours are of."""


def main() -> None:
    """Write the table anew."""
    page = ROOT / PAGE
    write_text(page, updated(page.read_text(encoding="utf-8")))


def updated(page: str) -> str:
    """The page with the table that the code gives."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    whole, adapters = table(plans(None)), table(plans(LoraConfig(rank=RANK)))
    middle = f"\n### With adapters of rank {RANK}\n\n"
    return f"{head}{BEGIN}{whole}{middle}{adapters}{END}{tail}"


def plans(adapters: LoraConfig | None) -> list[Plan]:
    """Of every kind of stage under the profile, on a GPU; `evaluate` knows no adapters."""
    params = load(ROOT / "profiles" / f"{PROFILE}.yaml")
    name = params.base.checkpoint
    config = shapes.published(name)
    whole = shapes.ModelShape.of(config, name)
    adapted = shapes.ModelShape.of(config, name, adapters)
    found = [
        stage_plan(params, kind, adapted if kind in ADAPTED else whole, on_gpu=True)
        for kind in PLANNED
    ]
    return [plan for plan in found if plan.work.total]


def table(found: list[Plan]) -> str:
    """Memory at the largest moment of each stage, its FLOPs, and card-hours."""
    declared = arms.declared()
    count = dict.fromkeys(POST_TRAINING, len(declared.starts)) | {"evaluate": len(declared.names)}
    named = [line for line in LINES if any(plan.peak.lines.get(line) for plan in found)]
    rows = [
        ["GB (10⁹ bytes)", *(f"`{plan.stage}`" for plan in found)],
        ["---", *["---:"] * len(found)],
    ]
    rows += [[line, *(_cell(plan.peak.lines.get(line, 0)) for plan in found)] for line in named]
    rows.append(["**in all**", *(f"**{gigabytes(plan.peak.total)}**" for plan in found)])
    rows.append(["at the moment", *(plan.peak.name for plan in found)])
    rows.append(["FLOPs, at most", *(report.flops(plan.work.total) for plan in found)])
    hours = [plan.work.seconds(H100) / report.HOUR for plan in found]
    rows.append(["card-hours, at most", *(f"{hour:.0f}" for hour in hours)])
    rows.append(["times it runs", *(str(count.get(plan.stage, 1)) for plan in found)])
    whole = sum(hour * count.get(plan.stage, 1) for plan, hour in zip(found, hours, strict=True))
    cut = [f"- `{plan.stage}`: {'; '.join(plan.passes)}." for plan in found]
    model = found[0].model
    some = f"{model.trainable:,}" if model.adapters else "all"
    return (
        f"{model.name}, {model.parameters:,} parameters, {some} of them trained.\n\n"
        + "".join(f"| {' | '.join(row)} |\n" for row in rows)
        + f"\nAll of them together: {whole:.0f} card-hours at {SHARE:.0%} of {H100.teraflops:.0f} "
        f"TFLOP/s and of {H100.gigabytes:,.0f} GB/s, {H100.told}.\n\n" + "\n".join(cut) + "\n"
    )


def _cell(size: int) -> str:
    return gigabytes(size) if size else "-"


if __name__ == "__main__":
    main()

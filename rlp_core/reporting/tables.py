"""Tables of the comparison, in the shape of the paper's Table 1: arms by group, metrics across.

One structure feeds both the Markdown file and the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlp_core.arms import Arms
from rlp_core.evaluation.abilities import GROUP, LOWER_IS_BETTER
from rlp_core.evaluation.control_metrics import CONTROL_LOWER_IS_BETTER
from rlp_core.reporting.charts import suite_of, undefined

Tree = Mapping[str, Any]

COLUMNS = {
    "pass_at_1_best": "pass@1, better mode",
    "pass_at_1_thinking": "pass@1, thinking",
    "greedy_thinking": "greedy, thinking",
    "pass_at_1_direct": "pass@1, direct",
    "greedy_direct": "greedy, direct",
    "pass_at_1_gain": "pass@1, gain of thinking",
    "information_gain": "information gain (nats)",
    "gain_over_base": "gain over base (nats)",
    "cross_entropy": "cross-entropy (nats/token)",
    "bits_per_byte": "bits per byte",
    "thought_tokens": "thought tokens",
    "forced_close_share": "closed by force",
}
"""Metric to heading, from left to right: what every arm has."""

FEW_SHOT_COLUMNS = {
    "pass_at_1_few_shot_best": "pass@1 with examples, best form",
    "pass_at_1_few_shot": "pass@1 with examples, direct",
    "pass_at_1_few_shot_thinking": "pass@1 with examples, thinking",
    "pass_at_1_few_shot_work": "pass@1 with examples, work in plain text",
    "shots": "examples",
}
"""What stands beside pass@1 where `evaluate.shots` was asked for."""

CONTROL_COLUMNS = {
    "true_gain": "true gain (nats)",
    "gain_over_empty": "gain over an empty thought (nats)",
    "content_gain": "content gain (nats)",
    "position_bits_per_byte_direct": "bits per byte at places, direct",
    "position_bits_per_byte_thinking": "bits per byte at places, thinking",
}
"""What stands beside the gains where `evaluate.controls` was asked for."""

KIND_COLUMNS = {
    "maj_at_k_thinking": "most frequent answer, thinking",
    "maj_at_k_direct": "most frequent answer, direct",
    "acc_thinking": "likeliest choice, thinking",
    "acc_direct": "likeliest choice, direct",
    "acc_norm_thinking": "likeliest choice per character, thinking",
    "acc_norm_direct": "likeliest choice per character, direct",
    "acc_few_shot": "likeliest choice, with examples",
    "acc_norm_few_shot": "likeliest choice per character, with examples",
}
"""What a benchmark's own table tells besides: of written answers, or of weighed choices."""

ALL_COLUMNS = COLUMNS | FEW_SHOT_COLUMNS | CONTROL_COLUMNS | KIND_COLUMNS

_BEHIND = {"pass_at_1_best": FEW_SHOT_COLUMNS, "gain_over_base": CONTROL_COLUMNS}
"""Behind which column the others stand."""

UNJUDGED = frozenset({"thought_tokens", "forced_close_share", "pass_at_1_gain", "shots"})
"""Metrics of which neither more nor less is better in itself: nothing is bold."""

DIFFERENCES = (
    "pass_at_1_best",
    "pass_at_1_thinking",
    "pass_at_1_direct",
    "information_gain",
    "bits_per_byte",
)
"""Metrics of the table of paired differences that every arm has."""

_DIGITS = {"thought_tokens": 1, "shots": 1}
EMPTY = {"value": None, "low": None, "high": None}
"""What was not measured, or is undefined."""


@dataclass(frozen=True)
class Cell:
    """A number as it is shown, its interval, and whether it is the best of its group."""

    value: str
    interval: str = ""
    best: bool = False


@dataclass(frozen=True)
class Line:
    """A row of a table, and a note on what it is for."""

    name: str
    cells: tuple[Cell, ...]
    note: str = ""


@dataclass(frozen=True)
class LineGroup:
    """Rows that are ranked among themselves."""

    name: str
    lines: tuple[Line, ...]


def columns_of(tree: Tree) -> dict[str, str]:
    """Metric to heading, from left to right: the usual ones, and what an arm has besides."""
    found: dict[str, str] = {}
    for metric, heading in COLUMNS.items():
        found[metric] = heading
        found |= {
            name: other
            for name, other in _BEHIND.get(metric, {}).items()
            if any(name in of for of in tree["arms"].values())
        }
    return found


def shown_differences(tree: Tree) -> tuple[str, ...]:
    """Metrics of the table of paired differences; those that were not asked for are left out."""
    extra = ("pass_at_1_few_shot_best", "content_gain", "position_bits_per_byte_thinking")
    return (*DIFFERENCES, *(name for name in extra if name in columns_of(tree)))


def main_table(tree: Tree, arms: Arms) -> list[LineGroup]:
    """All arms, pretrained ones first. Bold is the best of the group at the digits shown."""
    groups = []
    for name, members in (
        ("pretrained", arms.pretrained),
        ("fine-tuned", [arm for arm in arms.names if arm not in arms.pretrained]),
    ):
        present = [arm for arm in members if arm in tree["arms"]]
        columns = [_column(tree, metric, present) for metric in columns_of(tree)]
        lines = zip(present, zip(*columns, strict=True), strict=True) if present else []
        groups.append(LineGroup(name, tuple(Line(arm, cells) for arm, cells in lines)))
    return [group for group in groups if group.lines]


def difference_table(tree: Tree, arms: Arms, metrics: Sequence[str]) -> list[Line]:
    """A row per declared pair of arms, the headlines first, and what the pair is to show."""
    pairs = sorted(arms.pairs, key=lambda pair: pair[1] not in arms[pair[0]].headlines)
    return [
        Line(
            f"{arm} − {ref}",  # noqa: RUF001
            tuple(signed_cell(tree["differences"][arm][ref].get(name, EMPTY)) for name in metrics),
            why,
        )
        for arm, ref, why in pairs
    ]


def benchmark_tables(tree: Tree, arms: Arms) -> dict[str, tuple[list[str], list[Line]]]:
    """Per benchmark its headings and a row per arm; empty where nothing is told by benchmark.

    A metric of one benchmark is called `METRIC/BENCHMARK`, and of several that ask for one ability
    `METRIC/group:GROUP`; groups come after all benchmarks.
    """
    found: dict[str, list[str]] = {}
    for metric in (*columns_of(tree), *KIND_COLUMNS):
        for of in tree["arms"].values():
            for name in of:
                stem, slash, benchmark = name.partition("/")
                if slash and stem == metric and metric not in found.setdefault(benchmark, []):
                    found[benchmark].append(metric)
    return {
        benchmark: (
            [ALL_COLUMNS[metric] for metric in metrics],
            [
                Line(
                    arm,
                    tuple(
                        _cell(tree["arms"][arm].get(f"{metric}/{benchmark}", EMPTY))
                        for metric in metrics
                    ),
                )
                for arm in arms.names
                if arm in tree["arms"]
            ],
        )
        for benchmark, metrics in sorted(
            found.items(), key=lambda item: (item[0].startswith(GROUP), item[0])
        )
    }


def benchmark_title(tree: Tree, name: str) -> str:
    """What stands over a table of `benchmark_tables`; chance where there are choices."""
    if name.startswith(GROUP):
        return f"Group {name.removeprefix(GROUP)}: mean of its benchmarks"
    chance = tree.get("chance", {}).get(name)
    return f"Benchmark {name}" + ("" if chance is None else f" (by chance {chance:.3f})")


FEW_SHOT_HEADINGS = (
    "gain over the base, both asked bare",
    "of it, what examples alone give the base",
    "left: asked bare, over the base with examples",
)


def few_shot_table(tree: Tree) -> list[Line]:
    """A row per arm: its gain over the base, what examples give for nothing, and what is left."""
    return [
        Line(arm, tuple(signed_cell(of[name]) for name in ("gain", "for_nothing", "left")))
        for arm, of in tree.get("few_shot", {}).items()
    ]


def bias_table(tree: Tree) -> list[Line]:
    """A row per arm and bias score: change, change of its size, adjusted p, equivalence."""
    lines = []
    for arm, scores in tree["bias"].items():
        for name, entry in scores.items():
            change = entry["change"]
            mode = name.rpartition("_")[2]
            cells = (
                _score_cell(tree["arms"][arm][name]),
                *_band_cell(tree, name),
                signed_cell(change),
                signed_cell(entry["magnitude"]),
                Cell(p_text(change["p_holm"])),
                Cell(p_text(change["p_equivalent_holm"])),
            )
            lines.append(Line(f"{arm}, {suite_of(name)}, {mode}", cells))
    return lines


def _score_cell(found: Tree) -> Cell:
    why = undefined(found)
    few = found["value"] is None and why != "undefined"
    return Cell(why) if few else _cell(found)


def _band_cell(tree: Tree, name: str) -> list[Cell]:
    """Between which scores models with random weights lie, where such were measured."""
    if "bias_random" not in tree:
        return []
    band = tree["bias_random"].get(f"{name.rpartition('_')[0]}_direct")
    if band is None:
        return [Cell("undefined")]
    return [Cell(f"{band['low']:+.3f} to {band['high']:+.3f}")]


def bias_headings(tree: Tree) -> list[str]:
    """Of the columns of `bias_table`."""
    if "bias_random" not in tree:
        return list(_BIAS_HEADINGS)
    counts = {band["models"] for band in tree["bias_random"].values()}
    return [
        _BIAS_HEADINGS[0],
        f"{max(counts, default=0)} models with random weights, not thinking",
        *_BIAS_HEADINGS[1:],
    ]


_BIAS_HEADINGS = (
    "score",
    "change from base",
    "change of its size",
    "p of no change (Holm)",
    "p of a change of 0.05 or more (Holm)",
)


def markdown(tree: Tree, arms: Arms) -> str:
    """`reports/comparison.md`."""
    settings = tree["settings"]
    shown = shown_differences(tree)
    parts = [
        "# Comparison of the arms",
        f"Values with {settings['confidence']:.0%} intervals of a bootstrap over clusters, "
        f"{settings['resamples']:,} resamples. Bold: best of its group at the digits shown.",
        _markdown_main(tree, main_table(tree, arms)),
        *_markdown_benchmarks(tree, arms),
        "## Paired differences",
        "First arm minus second, on the same items with the same resamples; p by permutation.",
        markdown_lines(
            ["arms", *(ALL_COLUMNS[m] for m in shown)], difference_table(tree, arms, shown)
        ),
        *_markdown_few_shot(tree),
        "## Bias against the base",
        "Scores run from -1 to 1, 0 is ideal, positive follows the stereotype or treats groups "
        "unlike.",
        markdown_lines(["arm, suite, mode", *bias_headings(tree)], bias_table(tree)),
    ]
    return "\n\n".join(parts) + "\n"


def plain_cell(found: Tree) -> Cell:
    """A value with its interval."""
    return _cell(found)


def signed_cell(found: Tree) -> Cell:
    """A difference, with its sign."""
    return _cell(found, sign="+")


def p_text(p: float | None) -> str:
    """A p-value as people read it."""
    if p is None:
        return "–"  # noqa: RUF001
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _column(tree: Tree, metric: str, members: Sequence[str]) -> list[Cell]:
    digits = _DIGITS.get(metric, 3)
    found = [tree["arms"][arm].get(metric, EMPTY) for arm in members]
    known = [round(entry["value"], digits) for entry in found if entry["value"] is not None]
    best = None
    if known and metric not in UNJUDGED:
        best = min(known) if metric in LOWER_IS_BETTER | CONTROL_LOWER_IS_BETTER else max(known)
    return [
        _cell(
            entry, digits, best=entry["value"] is not None and round(entry["value"], digits) == best
        )
        for entry in found
    ]


def _cell(found: Tree, digits: int = 3, sign: str = "", *, best: bool = False) -> Cell:
    if found["value"] is None:
        return Cell("–")  # noqa: RUF001
    form = f"{sign}.{digits}f"
    if found["low"] is None or found["high"] is None:
        return Cell(format(found["value"], form), "", best)
    ends = f"[{format(found['low'], form)}, {format(found['high'], form)}]"
    return Cell(format(found["value"], form), ends, best)


def _markdown_benchmarks(tree: Tree, arms: Arms) -> list[str]:
    parts = []
    for benchmark, (headings, lines) in benchmark_tables(tree, arms).items():
        parts += [
            f"## {benchmark_title(tree, benchmark)}",
            markdown_lines(["arm", *headings], lines),
        ]
    return parts


def _markdown_few_shot(tree: Tree) -> list[str]:
    lines = few_shot_table(tree)
    if not lines:
        return []
    return [
        "## Few-shot beside zero-shot",
        "Pass@1, each side in its best mode: the gain of an arm is what examples in the prompt "
        "give the base without any training, and what is left.",
        markdown_lines(["arm", *FEW_SHOT_HEADINGS], lines),
    ]


def _markdown_main(tree: Tree, groups: Sequence[LineGroup]) -> str:
    lines = [line for group in groups for line in (Line(f"_{group.name}_", ()), *group.lines)]
    return markdown_lines(["arm", *columns_of(tree).values()], lines)


def markdown_lines(headings: Sequence[str], lines: Sequence[Line]) -> str:
    """A Markdown table; a line with fewer cells than there are headings ends empty."""
    rows = [headings, ["---", *("---:" for _ in headings[1:])]]
    for line in lines:
        cells = [_markdown_cell(cell) for cell in line.cells]
        rows.append([line.name, *cells, *("" for _ in range(len(headings) - 1 - len(cells)))])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _markdown_cell(cell: Cell) -> str:
    value = f"**{cell.value}**" if cell.best else cell.value
    return f"{value} {cell.interval}".strip()

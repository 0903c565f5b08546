"""`results.md`: the results of a study for a reader who wants to know how sure they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlp_core.evaluation.comparison import MEANINGS
from rlp_core.files import replacing_folder, write_json, write_text
from rlp_core.reporting.charts import text
from rlp_core.reporting.figures import Figure
from rlp_core.study.finished_runs import CONTROLS, LAST_SHARE
from rlp_core.study.results import BESIDE, wanted

Tree = Mapping[str, Any]

_WITHOUT_THOUGHTS = ("_direct", "cross_entropy", "bits_per_byte")


def markdown(tree: Tree, name: str, figures: Mapping[str, Figure]) -> str:
    """The page.

    Args:
        tree: of `rlp_core.study.results`.
        name: of the study, for its commands.
        figures: of `rlp_core.study.curves`, in `figures/NAME.svg`.
    """
    study = tree["study"]
    parts = [
        f"# {study['title']}",
        study["question"],
        f"```bash\nrlp study run {name}\nrlp study report {name}\n```",
        _how_to_read(tree),
        *_variants(tree),
        *_sections(tree, figures),
    ]
    return "\n\n".join(parts) + "\n"


def of_replicates(tree: Tree, figures: Mapping[str, Figure]) -> str:
    """The page of runs that follow one recipe, which have no study file.

    Args:
        tree: of `rlp_core.study.results`, with one variant.
        figures: as of `markdown`; none: no curves are shown.
    """
    study = tree["study"]
    parts = [f"# {study['title']}", study["question"], _how_to_read(tree)]
    return "\n\n".join([*parts, *_sections(tree, figures)]) + "\n"


def write(folder: Path, text: str, tree: Tree, figures: Mapping[str, Figure]) -> None:
    """Write a page and what it was made from: `results.md`, `results.json`, `figures/`."""
    with replacing_folder(folder / "figures") as drawn:
        for figure in figures.values():
            write_text(drawn / f"{figure.name}.svg", figure.document())
    write_json(folder / "results.json", tree)
    write_text(folder / "results.md", text)


def _sections(tree: Tree, figures: Mapping[str, Figure]) -> list[str]:
    return [
        *_metrics(tree),
        *_pairs(tree),
        *_compute(tree),
        *_controls(tree),
        *_curves(tree, figures),
        *_examples(tree),
    ]


def _how_to_read(tree: Tree) -> str:
    settings, seeds = tree["settings"], _seeds(tree)
    confidence = f"{settings['confidence']:.0%}"
    resamples = f"{settings['resamples']:,} resamples"
    if len(seeds) == 1:
        return (
            f"One seed, {seeds[0]}: **there is no interval over seeds**, and nothing here says "
            "whether another seed would end alike. In brackets: "
            f"{confidence} intervals of a bootstrap over items alone, {resamples}."
        )
    return (
        f"Values are means over {len(seeds)} seeds ({', '.join(seeds)}). In brackets: {confidence} "
        "intervals of a bootstrap that draws seeds and, within them, problems or documents, "
        f"{resamples}. With n seeds a bootstrap understates their spread by the factor "
        f"sqrt((n - 1) / n), here {((len(seeds) - 1) / len(seeds)) ** 0.5:.2f}; the values of all "
        "seeds stand beside, in their order."
    )


def _variants(tree: Tree) -> Iterator[str]:
    study = tree["study"]
    yield "## Variants"
    yield f"All begin with profile `{study['profile']}`{_changed(study['overrides'])}."
    rows = [
        [name, of["description"], _changed(of["overrides"], "`") or "–", _prompt(tree, name)]  # noqa: RUF001
        for name, of in study["variants"].items()
    ]
    yield markdown_table(["variant", "what it is", "parameters", "prompt"], rows)
    behind = [
        f"{variant}, seed {seed}: {how}"
        for variant, of in tree["runs"].items()
        for seed, how in of.items()
        if how != "finished"
    ]
    if behind:
        yield f"**Not in these results**, as they are not finished: {'; '.join(behind)}."


def _metrics(tree: Tree) -> Iterator[str]:
    for metric in tree["study"]["metrics"]:
        measured = sorted(
            {name for of in tree["values"].values() for arm in of.values() for name in arm}
        )
        for name in wanted(metric, measured):
            yield f"## {_heading(metric, name)}"
            described = MEANINGS.get(metric, "")
            if described:
                yield f"{described[0].upper()}{described[1:]}."
            yield _values(tree, name)


def _values(tree: Tree, name: str) -> str:
    metric, slash, benchmark = name.partition("/")
    thinks = not metric.endswith(_WITHOUT_THOUGHTS)
    rows = []
    arms = dict.fromkeys(arm for of in tree["values"].values() for arm in of)
    for arm in arms:
        for variant, of in tree["values"].items():
            found = of.get(arm, {}).get(name)
            if found is None:
                continue
            tokens = of[arm].get(f"{BESIDE}/{benchmark}" if slash else BESIDE)
            length = f"{tokens['value']:.1f}" if thinks and tokens else "no thoughts"
            rows.append([arm, variant, text(found), _each(found), length, _prompt(tree, variant)])
    return markdown_table(
        ["arm", "variant", "value", "by seed", "thought tokens, on problems", "prompt"], rows
    )


def _pairs(tree: Tree) -> Iterator[str]:
    if not tree["pairs"]:
        return
    yield "## Paired differences"
    yield "First minus second, on the same items within each seed, with the same draws."
    rows = []
    for pair in tree["pairs"]:
        same = pair["variant"] == pair["over_variant"]
        first = pair["arm"] if same else f"{pair['arm']} ({pair['variant']})"
        second = pair["over"] if same else f"{pair['over']} ({pair['over_variant']})"
        rows.append(
            [
                f"{first} − {second}",  # noqa: RUF001
                pair["variant"] if same else "–",  # noqa: RUF001
                pair["metric"],
                text(pair, "+"),
                f"{pair['same_sign']} of {len(pair['seeds'])}",
                _each(pair, "+"),
                pair["why"],
            ]
        )
    headings = ["pair", "variant", "metric", "difference", "seeds of its sign", "by seed", "for"]
    yield markdown_table(headings, rows)


def _compute(tree: Tree) -> Iterator[str]:
    rows = []
    for variant, stages in tree["compute"].items():
        rlp = stages.get("rlp", {}).get("flops", {}).get("value")
        for stage, of in stages.items():
            share = of["flops"]["value"] / rlp if rlp and "flops" in of else None
            usual = of.get("usual_recipe")
            rows.append(
                [
                    stage,
                    variant,
                    *(f"{of[k]['value']:.4g}" if k in of else "–" for k in ("flops", "tokens")),  # noqa: RUF001
                    "–" if share is None else f"{share:.3f}",  # noqa: RUF001
                    f"{usual['value']:.4g}" if usual else "–",  # noqa: RUF001
                ]
            )
    if rows:
        yield "## Compute, by the ledger"
        yield (
            "Model FLOPs that the mathematics needs, means over seeds; `cpt` is given what `rlp` "
            "spent. The usual recipe makes every thought a row of its own."
        )
        headings = ["stage", "variant", "FLOPs", "tokens", "of rlp's", "by the usual recipe"]
        yield markdown_table(headings, rows)


def _controls(tree: Tree) -> Iterator[str]:
    rows = [
        [variant, CONTROLS[column], text(found, "+"), _each(found, "+")]
        for variant, of in tree["controls"].items()
        for column, found in of.items()
    ]
    if rows:
        yield "## Control thoughts"
        sure = " In brackets: a bootstrap over seeds." if len(_seeds(tree)) > 1 else ""
        yield (
            "Nats that other thoughts earn at the places where `rlp` thinks, by its own audits in "
            f"the last {LAST_SHARE:.0%} of its steps, on training text.{sure}"
        )
        yield markdown_table(["variant", "what earns", "nats", "by seed"], rows)


def _curves(tree: Tree, figures: Mapping[str, Figure]) -> Iterator[str]:
    if figures:
        yield "## Learning curves"
        band = (
            "the band from the lowest to the highest seed" if len(_seeds(tree)) > 1 else "no band"
        )
        for name, figure in figures.items():
            yield f"![{figure.alt}](figures/{name}.svg)"
            yield f"{figure.caption}: the mean of the seeds, and {band}."


def _examples(tree: Tree) -> Iterator[str]:
    told = [
        (variant, kind, problem)
        for variant, of in tree["examples"].items()
        for kind in ("helped", "hurt")
        for problem in of[kind]
    ]
    if not told and not any(tree["examples"].values()):
        return
    yield "## Thoughts that helped, and that hurt"
    yield (
        "Of `rlp`, the problems with the largest and the smallest share of right answers after "
        "thinking minus without. The thought and the answers shown are the greedy ones."
    )
    for variant, of in tree["examples"].items():
        for kind in ("helped", "hurt"):
            if not of[kind]:
                yield f"{variant}: no thought {kind}."
    for variant, kind, problem in told:
        yield (
            f"**{variant}, seed {problem['seed']}, {problem['benchmark']}: {kind}.** Right after "
            f"thinking {problem['right_after_thinking']:.0%}, without "
            f"{problem['right_without']:.0%}; the answer is `{_inline(problem['answer'])}`."
        )
        lines = [
            f"{label}: {problem[key]}"
            for label, key in (
                ("problem", "prompt"),
                ("thought", "thought"),
                ("after it", "after_thinking"),
                ("without", "without"),
            )
        ]
        yield _fenced("\n".join(lines))


def _fenced(said: str) -> str:
    """A block that nothing in the text can end."""
    longest = max((len(run) for run in re.findall("`+", said)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{said}\n{fence}"


def _inline(said: str) -> str:
    return " ".join(said.replace("`", "'").replace("|", "\\|").split())


def _changed(overrides: Tree, mark: str = "") -> str:
    """Overrides as they were given; after a comma where no mark is asked for."""
    if not overrides:
        return ""
    told = ", ".join(
        f"`{key}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"
        for key, value in overrides.items()
    ).replace("|", "\\|")
    return told if mark else f", with {told}"


def _heading(metric: str, name: str) -> str:
    benchmark = name.removeprefix(metric).removeprefix("/")
    return f"{metric}, {benchmark}" if benchmark else metric


def _prompt(tree: Tree, variant: str) -> str:
    return tree["study"]["prompts"].get(variant, "") or "none"


def _seeds(tree: Tree) -> list[str]:
    """Those of which there is at least one finished run."""
    done = {seed for of in tree["runs"].values() for seed, how in of.items() if how == "finished"}
    return [str(seed) for seed in tree["study"]["seeds"] if str(seed) in done]


def _each(found: Tree, sign: str = "") -> str:
    return ", ".join(
        "undefined" if value is None else format(value, f"{sign}.3f")
        for value in found["seeds"].values()
    )


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells are Markdown already."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])

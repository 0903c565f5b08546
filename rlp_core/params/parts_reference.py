"""The tables of pages such as `docs/reference/estimators.md`, made from the registries of parts.

`make params-reference` writes them anew; a test keeps pages and parts in step.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rlp_core import environments
from rlp_core.data.benchmark_config import Benchmark
from rlp_core.data.config import Files, Hub
from rlp_core.data.procedural_config import Procedural
from rlp_core.evaluation import benchmarks, robustness
from rlp_core.files import write_text
from rlp_core.objective import estimators, reward_terms
from rlp_core.params.marked import replaced
from rlp_core.workspace import WEIGHED_RULES

ESTIMATORS = Path("docs/reference/estimators.md")
REWARD_TERMS = Path("docs/reference/reward-terms.md")
BENCHMARKS = Path("docs/reference/benchmarks.md")
WORLDS = Path("docs/reference/worlds.md")
ROBUSTNESS = Path("docs/reference/robustness.md")
MARK = "parts"


def estimators_table() -> str:
    """A Markdown table of every built-in estimator, with what it declares."""
    found = [(name, estimators.get(name)) for name in estimators.built_in()]
    return _table(
        ("estimator", "advantage", "compares a group", "EMA reaches the gradient", "per token"),
        (
            (
                f"`{name}`",
                part.summary,
                *map(_yes, (part.compares_group, part.ema_reaches_gradient, part.per_token)),
            )
            for name, part in found
        ),
    )


def reward_terms_table() -> str:
    """A Markdown table of every built-in reward term."""
    found = [(name, reward_terms.get(name)) for name in reward_terms.built_in()]
    return _table(
        ("reward term", "unit", "what it measures"),
        ((f"`{name}`", part.unit, part.summary) for name, part in found),
    )


def perturbations_table() -> str:
    """A Markdown table of every built-in perturbation, with what it declares."""
    found = [(name, robustness.get(name)) for name in robustness.built_in()]
    return _table(
        ("perturbation", "what it does", "keeps the answer", "needs", "adds", "reorders"),
        (
            (
                f"`{name}`",
                part.summary,
                _yes(part.keeps_answer),
                part.needs,
                part.adds,
                _yes(part.reorders),
            )
            for name, part in found
        ),
    )


def benchmarks_table() -> str:
    """A Markdown table of every benchmark that comes with the package, and of its data."""
    found = {path.stem: benchmarks.read(path) for path in benchmarks.BUILT_IN.glob("*.yaml")}
    return _table(
        ("benchmark", "what it asks", "group", "marked by", "data", "examples", "licence"),
        (
            (
                f"`{name}`",
                f"{part.title}. {part.description}",
                part.group,
                f"`{part.answer}`",
                _data_of(part),
                _examples_of(part),
                part.licence,
            )
            for name, part in sorted(found.items())
        ),
    )


def _data_of(part: Benchmark) -> str:
    source = part.source
    if isinstance(source, Files):
        share = {"all": "", "train": ", one part", "heldout": ", the held-out part"}[source.take]
        return f"`{source.pattern}`{share}"
    if isinstance(source, Hub):
        return f"hub: `{source.name}`, {source.split}"
    if isinstance(source, Procedural):
        return f"made by the world `{source.world}`"
    return "of a task of lm-evaluation-harness"


def _examples_of(part: Benchmark) -> str:
    if part.answer not in WEIGHED_RULES:
        return "demonstrations of part `finetune`"
    if part.examples is None:
        return "its own problems that are not asked"
    if isinstance(part.examples, Files):
        return f"`{part.examples.pattern}`"
    return f"hub: {part.examples.split}"


def worlds_table() -> str:
    """Two Markdown tables of the built-in worlds: with a task of each, and those of an extra.

    The second has no tasks, so that the page is the same whatever is installed.
    """
    needs = {name: environments.class_of(name).needs for name in environments.built_in()}
    own = _table(
        ("world", "what it is", "asked", "the expert's steps", "answer"),
        (
            (f"`{name}`", environments.summary(name), *_task_of(environments.shown(name, seed=1)))
            for name, extra in needs.items()
            if extra is None
        ),
    )
    others = [
        (f"`{name}`", environments.summary(name), f"`{extra.module}`", f"`rlp[{extra.name}]`")
        for name, extra in needs.items()
        if extra is not None
    ]
    head = ("world of another package", "what it is", "package", "installed by")
    return own + "\n" + _table(head, others) if others else own


def _task_of(task: environments.Shown) -> tuple[str, str, str]:
    if task.solution is None or task.prompt is None:
        return f"nothing; it writes `{task.texts[0].strip()}`", "", ""
    steps = "<br>".join(f"`{step}`" for step in task.solution.steps)
    asked = "<br>".join(f"`{line}`" for line in task.prompt.splitlines())
    return asked, steps, f"`{task.solution.answer}`"


PAGES = {
    WORLDS: worlds_table,
    BENCHMARKS: benchmarks_table,
    ESTIMATORS: estimators_table,
    REWARD_TERMS: reward_terms_table,
    ROBUSTNESS: perturbations_table,
}


def main() -> None:
    """Write all pages below the current folder."""
    for path, table in PAGES.items():
        write_text(path, replaced(path.read_text(encoding="utf-8"), MARK, table()))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


if __name__ == "__main__":
    main()

"""What a model card tells, gathered from earlier stages. A fact that is absent is an error.

Only what DVC tracks is read, so equal runs have equal cards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from rlp_core.arms import POST_TRAINING, Arm, Arms
from rlp_core.errors import DataError
from rlp_core.evaluation.bias.scores import is_score
from rlp_core.reporting.sources import read_json
from rlp_core.workspace import EVALUATION_PARTS, EXAMPLE_PART, REWARDED_PART, Workspace

READS = {
    "base": "base",
    "bootstrap": "bootstrap",
    "rlp": "rlp",
    "cpt": "rlp",
    "finetune": EXAMPLE_PART,
    "rlvr": REWARDED_PART,
}
"""The part of the data that each training stage reads."""

ALWAYS = (
    "pass_at_1_thinking",
    "pass_at_1_direct",
    "cross_entropy",
    "information_gain",
    "forced_close_share",
)
"""What every model is measured by: a verdict without one of these makes no card."""

_COSTS = ("steps", "tokens", "flops")


@dataclass(frozen=True)
class SourceFact:
    """A source of data.

    Attributes:
        use: what it was for: `training, stage rlp`.
        name, kind, licence: as its settings say.
        records: how many it gave.
    """

    use: str
    name: str
    kind: str
    licence: str
    records: int


@dataclass(frozen=True)
class TrainingFact:
    """A stage on the way to the model.

    Attributes:
        stage: its name.
        steps, tokens, flops: what it spent.
        settings: its section of `params.yaml`, as rows of key and value.
    """

    stage: str
    steps: int
    tokens: int
    flops: int
    settings: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CardFacts:
    """Everything that a card tells.

    Attributes:
        arm: the winner.
        verdict: as `promotion.json` holds it.
        sources: of training and of evaluation.
        rows: per part in use, records that passed validation and that were quarantined.
        training: the stages on the way, the first one first.
        phases: FLOPs of stage `rlp` by phase; empty where it is not on the way.
        settings: `params.yaml`, section to key to value.
    """

    arm: Arm
    verdict: Mapping[str, Any]
    sources: tuple[SourceFact, ...]
    rows: Mapping[str, tuple[int, int]]
    training: tuple[TrainingFact, ...]
    phases: Mapping[str, int]
    settings: Mapping[str, Any]


def gather(
    workspace: Workspace, arms: Arms, settings: Mapping[str, Any], verdict: Mapping[str, Any]
) -> CardFacts:
    """Read the facts of the winner's card.

    Raises:
        MissingInputError: a report is absent.
        DataError: one is malformed, or lacks a fact.
    """
    _require_results(verdict, workspace.reports / "promotion.json")
    chain = tuple(reversed(list(_chain(arms, verdict["winner"]))))
    stages = [name for arm in chain for name in _stages_of(arm)]
    uses: dict[str, list[str]] = {}
    for name in stages:
        kind = name.partition("@")[0]
        asks = kind != "rlvr" or settings["rlvr"]["steps"] > 0  # else the model was passed on
        if kind in READS and asks:
            uses.setdefault(READS[kind], []).append(f"stage {name}")
    used = {part: f"training, {' and '.join(names)}" for part, names in uses.items()}
    used |= dict.fromkeys(EVALUATION_PARTS, "evaluation")
    manifest = workspace.prepared / "manifest.json"
    validated = workspace.report("validate") / "metrics.json"
    passed, ledger = read_json(validated), workspace.report("rlp") / "ledger.json"
    return CardFacts(
        arm=chain[-1],
        verdict=verdict,
        sources=tuple(_sources(read_json(manifest), used, manifest)),
        rows={
            part: (
                fact(passed, f"{part}_passed", validated),
                fact(passed, f"{part}_quarantined", validated),
            )
            for part in used
        },
        training=tuple(_training(workspace, name, settings) for name in stages),
        phases=dict(fact(read_json(ledger), "flops", ledger)) if "rlp" in stages else {},
        settings=settings,
    )


def fact(tree: Any, key: str, path: Path) -> Any:
    """A value of a report.

    Raises:
        DataError: it is not there, or empty.
    """
    value = tree.get(key) if isinstance(tree, Mapping) else None
    if value is None or value == "" or value == {}:
        raise DataError(
            f"the model card lacks a fact: no `{key}`",
            where=str(path),
            fix="run the stage again that writes this file: `dvc repro -f -s STAGE`",
        )
    return value


def flat(section: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Rows of dotted key and value; of a path that leads out of the checkout the end alone."""
    if isinstance(section, Mapping) and section:
        for key, value in section.items():
            yield from flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, told_path(section) if isinstance(section, str) else str(section)


def told_path(text: str) -> str:
    """A setting without what differs from machine to machine."""
    outside = PurePosixPath(text).is_absolute() or text.startswith("~")
    return f".../{PurePosixPath(text).name}" if outside else text


def _require_results(verdict: Mapping[str, Any], path: Path) -> None:
    """Raise DataError where the verdict lacks a number that every card tells."""
    results = fact(verdict, "results", path)
    for name in ALWAYS:
        fact(results, name, path)
    if not any(map(is_score, results)):
        raise DataError(
            "the model card lacks a fact: no bias score was measured",
            where=str(path),
            fix="set `evaluate.bias.template_items`, and run `dvc repro`",
        )


def _chain(arms: Arms, name: str) -> Iterator[Arm]:
    """An arm and those that its training started from."""
    arm: str | None = name
    while arm is not None:
        yield arms[arm]
        arm = arms[arm].parent


def _stages_of(arm: Arm) -> list[str]:
    """The stages that train an arm, in order; none where none does."""
    if arm.finetuned:
        return [f"{kind}@{arm.parent}" for kind in POST_TRAINING]
    return [arm.stage] if arm.stage else []


def _sources(
    manifest: Mapping[str, Any], used: Mapping[str, str], path: Path
) -> Iterator[SourceFact]:
    parts = fact(manifest, "parts", path)
    for part, use in used.items():
        for source in fact(fact(parts, part, path), "sources", path):
            if source.get("absent"):  # of a benchmark's examples, that nothing was read from
                continue
            name, kind, licence, records = (
                fact(source, key, path) for key in ("name", "kind", "licence", "records")
            )
            shown = ", as worked examples" if source.get("role") == "example" else ""
            yield SourceFact(f"{use}{shown}", str(name), str(kind), str(licence), int(records))


def _training(workspace: Workspace, stage: str, settings: Mapping[str, Any]) -> TrainingFact:
    path = workspace.report(stage) / "metrics.json"
    metrics = read_json(path)
    steps, tokens, flops = (int(fact(metrics, key, path)) for key in _COSTS)
    section = settings.get(stage.partition("@")[0], {})
    return TrainingFact(stage, steps, tokens, flops, tuple(flat(section)))

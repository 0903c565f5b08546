"""Sources to parts: one JSON-lines file of records per part, and a manifest that says whence.

The folder is a function of parameters, seed and source files alone: the manifest holds digests
and counts, and no time, host or absolute path.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlp_core.data import files, harness, hub, procedural
from rlp_core.data.benchmark_config import Benchmark, BenchmarkSource
from rlp_core.data.config import Files, Hub, Prepare
from rlp_core.data.draw import Drawn
from rlp_core.data.harness_config import HarnessTask
from rlp_core.data.mapping import Mapper
from rlp_core.data.opening import Form
from rlp_core.data.procedural_config import Procedural
from rlp_core.data.records import Demonstration, Document, Problem, Record, kind_of
from rlp_core.errors import ConfigError, DataError, MissingInputError
from rlp_core.files import folder_sha256, sha256, write_json, write_jsonl
from rlp_core.workspace import (
    BENCHMARK_PART,
    CHOICE_RULES,
    EVALUATION_PARTS,
    PARTS,
    REWARDED_PART,
    TRAINING_PARTS,
    VERIFIED,
)

FORMAT = 1
"""Version of the manifest's shape."""

LATER_SETTINGS = {
    "hash_between",
    "repeats",
    "draw",
    "block_chars",
    "gap_chars",
    "separator",
    "encoding",
}
"""Settings of a source that the manifest tells only where they are set."""


@dataclass
class Part:
    """What was written of one part.

    Attributes:
        records: how many there are.
        characters: of all their texts together.
        sources: a manifest entry per source.
        ids: every id, with the place of the row it was made from.
        generated: content keys of the procedural records.
    """

    records: int = 0
    characters: int = 0
    sources: list[dict[str, Any]] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    generated: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """A source in its part.

    Attributes:
        source: the source itself.
        where: `prepare.base[0]`, or the benchmark, for messages.
        part: name of the part.
        index: what tells its random numbers from those of its like: its place in the part; of
            a benchmark, how many benchmarks before it are of the same world.
        first: number of its first record among those of the same world.
        benchmark: name and settings of the benchmark whose problems these are, or None.
        examples: whether they are the benchmark's examples, and no problems to be asked.
    """

    source: BenchmarkSource
    where: str
    part: str
    index: int
    first: int
    benchmark: tuple[str, Benchmark] | None = None
    examples: bool = False

    @property
    def common(self) -> dict[str, str]:
        """Fields that every record of it carries."""
        if self.part == REWARDED_PART:
            return {"rule": self._rewarded()}
        if self.benchmark is None:
            return {}
        name, settings = self.benchmark
        told: dict[str, str] = {"benchmark": name, "rule": settings.answer, "group": settings.group}
        return told | ({"role": "example"} if self.examples else {})

    def _rewarded(self) -> str:
        """How the answers of problems that are trained on are marked."""
        if isinstance(self.source, Files | Hub):
            mapping = self.source.mapping
            return "choice" if mapping.choices or mapping.choices_field else "exact"
        return VERIFIED


def places_of(settings: Prepare, benchmarks: Mapping[str, Benchmark], part: str) -> Iterator[Place]:
    """The sources of a part, in order: of section `prepare`, or of the benchmarks in use.

    Examples come behind all that is asked: of two rows that are the same, the later one is told.
    """
    named: list[tuple[str, Benchmark] | None]
    sources: list[BenchmarkSource]
    if part == BENCHMARK_PART:
        named = list(benchmarks.items())
        sources = [benchmark.source for benchmark in benchmarks.values()]
    else:
        sources = list(getattr(settings, part))
        named = [None] * len(sources)
    for number, (source, of) in enumerate(zip(sources, named, strict=True)):
        alike = _of_its_world(source, sources[:number])
        index = number if of is None else len(alike)
        where = f"prepare.{part}[{number}]" if of is None else f"benchmark {of[0]}, source"
        yield Place(source, where, part, index, sum(s.count for s in alike), of)
    for of in named:
        if of is not None and of[1].examples is not None:
            where = f"benchmark {of[0]}, examples"
            yield Place(of[1].examples, where, part, 0, 0, of, examples=True)


def _of_its_world(source: BenchmarkSource, others: Sequence[BenchmarkSource]) -> list[Procedural]:
    if not isinstance(source, Procedural):
        return []
    return [s for s in others if isinstance(s, Procedural) and s.world == source.world]


def prepare(
    settings: Prepare, benchmarks: Mapping[str, Benchmark], seed: int, root: Path, out: Path
) -> dict[str, Any]:
    """Write every part and the manifest into the folder `out`.

    Args:
        settings: section `prepare`.
        benchmarks: those in use, by name; their problems are the part `problems`.
        seed: the seed of the run.
        root: the checkout; `prepare.folder` is relative to it.
        out: an empty folder.

    Returns:
        The manifest: per part its kind, records, characters, SHA-256 and sources.

    Raises:
        DataError: a source cannot be used, an id comes twice, or a generated problem lies on
            both sides of the split.
        MissingInputError: a folder or file is not there.
        ConfigError: a source or its mapping is impossible.
    """
    written: dict[str, Part] = {}
    for name in PARTS:
        written[name] = Part()
        places = places_of(settings, benchmarks, name)
        records = _records(settings, places, seed, root, written[name])
        rows = (record.model_dump() for record in records)
        write_jsonl(out / f"{name}.jsonl", rows)
    _check_disjoint(written)
    manifest = {
        "format": FORMAT,
        "seed": seed,
        "heldout_share": settings.heldout_share,
        "max_line_bytes": settings.max_line_bytes,
        "parts": {
            name: {
                "kind": kind_of(name).__name__.lower(),
                "records": part.records,
                "characters": part.characters,
                "sha256": sha256(out / f"{name}.jsonl"),
                "sources": part.sources,
            }
            for name, part in written.items()
        },
    }
    write_json(out / "manifest.json", manifest)
    return manifest


def metrics(manifest: dict[str, Any]) -> dict[str, int]:
    """Records, characters and what was left out of every part, as a flat mapping of numbers.

    Rows that no record was made from are named by the reason; reasons that did not occur are left
    out.
    """
    found: dict[str, int] = {}
    for name, part in manifest["parts"].items():
        found |= {f"{name}_{figure}": part[figure] for figure in ("records", "characters")}
        found |= {f"{name}_rows_passed_over_{why}": n for why, n in passed_over(part).items()}
        gaps = sum(source.get("characters_in_gaps", 0) for source in part["sources"])
        found |= {f"{name}_characters_in_gaps": gaps} if gaps else {}
    return found


def passed_over(part: dict[str, Any]) -> dict[str, int]:
    """Rows of a part's sources that became no record, by the reason, in order of name."""
    total: Counter[str] = Counter()
    for source in part["sources"]:
        total.update(source.get("rows_passed_over", {}))
    return {why: total[why] for why in sorted(total)}


def _records(
    settings: Prepare, places: Iterator[Place], seed: int, root: Path, part: Part
) -> Iterator[Record]:
    """Every record of a part in order of its sources; fills `part` on the way."""
    for place in places:
        before = part.records
        entry: dict[str, Any] = {"kind": place.source.kind}
        part.sources.append(entry)
        if place.examples and _absent(place, settings, root, entry):
            continue
        made = _made(place, settings, seed, root, part, entry)
        if place.benchmark is not None:
            made = _problems(place, *place.benchmark, made, entry)
        for record, where in made:
            if record.id in part.ids:
                raise DataError(
                    f"the id {record.id!r} comes twice in the part `{place.part}`",
                    where=f"{part.ids[record.id]} and {where}",
                    fix="give each source of a part a `name` of its own",
                )
            part.ids[record.id] = where
            part.records += 1
            part.characters += _length(record)
            yield record
        entry["records"] = part.records - before
        if not entry["records"]:
            raise _nothing(place, entry)


def _nothing(place: Place, entry: dict[str, Any]) -> DataError:
    """The error of a source without a record: where its rows went, and which option does that."""
    source, name = place.source, place.part
    passed = entry.get("rows_passed_over", {})
    reasons = ", ".join(f"{n} by `{why}`" for why, n in passed.items())
    told = f": of {entry.get('rows_read', 0)} rows {reasons} passed over" if reasons else ""
    fix = "check `take`, `mapping.only` and the files"
    if "take" in passed and not isinstance(source, Procedural | HarnessTask):
        fix = f"the split by content hash puts whole rows on one side, and none on `{source.take}`"
        if kind_of(name) is Document and not source.block_chars:
            fix += (
                ": set `block_chars` (with `gap_chars`) on both sources, which parts long texts "
                "within; or give more rows, or another `prepare.heldout_share`"
            )
        elif kind_of(name) is Document:
            fix += (
                ": no text is longer than `block_chars`: lower it; or give more rows, or another "
                "`prepare.heldout_share`"
            )
        else:
            fix += ": give more rows, or another `prepare.heldout_share`"
    elif "hash_between" in passed:
        fix = "no content hash lies in `hash_between`: widen it, or give more rows"
    elif passed.keys() & {"unequal", "unwritable"}:
        fix = "no answer is what its equation gives exactly: correct `mapping.equation`"
    elif "only" in passed:
        fix = "no row has the values that `mapping.only` asks for: correct it, or the pattern"
    elif "null" in passed:
        fix = "every row has a null in a field in use: correct the templates of `mapping`"
    return DataError(f"the source gave no record{told}", where=place.where, fix=fix)


def _made(
    place: Place, settings: Prepare, seed: int, root: Path, part: Part, entry: dict[str, Any]
) -> Iterator[tuple[Record, str]]:
    """The records of one source, each with the place of its row; fills `entry` on the way."""
    source = place.source
    if isinstance(source, Procedural):
        return _generated(source, place, settings, seed, part, entry)
    if isinstance(source, HarnessTask):
        form = Form(settings.max_line_bytes, "", "")
        folder = root / settings.folder
        return harness.records(source, root, folder, form, seed, place.common, entry)
    if isinstance(source, Files):
        return _from_files(source, place, settings, root, entry)
    return _from_hub(source, place, settings, root, entry)


def _absent(place: Place, settings: Prepare, root: Path, entry: dict[str, Any]) -> bool:
    """Whether the files of a benchmark's examples are not there; its problems are asked all the
    same, and `entry` says what is missing.
    """
    source = place.source
    if not isinstance(source, Files) or place.benchmark is None:
        return False
    try:
        files.matching(root / settings.folder, source.pattern)
    except MissingInputError:
        name, benchmark = place.benchmark
        entry |= _described(source) | {"pattern": source.pattern, "absent": True, "records": 0}
        entry |= {"benchmark": name, "title": benchmark.title, "role": "example", "left_out": 0}
        return True
    return False


def _problems(
    place: Place,
    name: str,
    benchmark: Benchmark,
    made: Iterator[tuple[Record, str]],
    entry: dict[str, Any],
) -> Iterator[tuple[Record, str]]:
    """The problems of a benchmark, at most as many as it says, drawn by content hash.

    Its examples are bounded by their own source, and have ids that no problem has.
    """
    found = list(made)
    for record, where in found:
        assert isinstance(record, Problem)
        if bool(record.choices) is not (benchmark.answer in CHOICE_RULES):
            what = "has choices" if record.choices else "has no choices"
            raise ConfigError(
                f"a problem of the benchmark {name!r} {what}, and its answers are marked by "
                f"`{benchmark.answer}`",
                where=where,
                fix=f"one of {', '.join(f'`answer: {rule}`' for rule in CHOICE_RULES)} and a "
                "mapping that names the choices belong together",
            )
    entry |= {"benchmark": name, "title": benchmark.title}
    if place.examples:
        entry |= {"role": "example", "left_out": 0}
        return ((r.model_copy(update={"id": f"{r.id}/example"}), where) for r, where in found)
    limit = benchmark.problems or len(found)
    kept = {record.id for record, _ in sorted(found, key=lambda pair: _rank(pair[0]))[:limit]}
    entry |= {"left_out": len(found) - len(kept)}
    return (pair for pair in found if pair[0].id in kept)


def _rank(record: Record) -> tuple[str, str]:
    salted = f"benchmark/{record.key}".encode()
    return hashlib.blake2b(salted, digest_size=16).hexdigest(), record.id


def _generated(
    source: Procedural,
    place: Place,
    settings: Prepare,
    seed: int,
    part: Part,
    entry: dict[str, Any],
) -> Iterator[tuple[Record, str]]:
    entry |= {"name": source.world, "licence": procedural.LICENCE, "seed": seed}
    entry["settings"] = {"count": source.count, **source.settings.model_dump()}
    for record in procedural.records(
        source,
        part=place.part,
        index=place.index,
        seed=seed,
        share=settings.heldout_share,
        first=place.first,
        place=place.where,
        common=place.common,
    ):
        part.generated[record.key] = record.id
        yield record, place.where


def _from_files(
    source: Files, place: Place, settings: Prepare, root: Path, entry: dict[str, Any]
) -> Iterator[tuple[Record, str]]:
    mapper = _mapper(source, place, settings)
    folder = root / settings.folder
    found = files.matching(folder, source.pattern)
    entry |= _described(source) | {"pattern": source.pattern}
    entry["files"] = {path.relative_to(folder).as_posix(): files.digest(path) for path in found}
    labels = _labels(found, folder)
    form = Form(settings.max_line_bytes, source.separator, source.encoding)
    rows = (
        (row.fields, f"{source.name}-{labels[path]}-{row.number}", row.where)
        for path in found
        for row in files.read_rows(path, form)
    )
    yield from _mapped(rows, mapper, entry)


def _from_hub(
    source: Hub, place: Place, settings: Prepare, root: Path, entry: dict[str, Any]
) -> Iterator[tuple[Record, str]]:
    mapper = _mapper(source, place, settings)
    entry |= _described(source) | {"split": source.split}
    label = f"{source.config}-{source.split}" if source.config else source.split
    short = Path(source.name).name
    folder = root / settings.folder
    local = hub.local_folder(source, folder)
    if local is None:
        entry |= {"config": source.config, "revision": source.revision}
    else:
        entry |= {"name": short, "sha256": folder_sha256(local)}
    rows = (
        (fields, f"{short}-{label}-{number}", f"{source.name}, split {source.split}, row {number}")
        for number, fields in hub.read_rows(source, place.where, folder)
    )
    yield from _mapped(rows, mapper, entry)


def _mapped(
    rows: Iterator[tuple[dict[str, Any], str, str]], mapper: Mapper, entry: dict[str, Any]
) -> Iterator[tuple[Record, str]]:
    """The records of a source's rows: fields, id and place each; counts them into `entry`."""
    drawn = Drawn(mapper.source.limit, mapper.source.draw)
    read = 0
    for fields, identity, where in rows:
        read += 1
        if made := list(mapper.records(fields, identity, where)):
            yield from ((record, where) for record in drawn.add(made, where))
        if drawn.full:
            break
    yield from drawn.chosen()
    passed = mapper.passed_over + drawn.passed_over
    entry |= {"rows_read": read, "rows_used": drawn.used}
    entry |= {"rows_passed_over": {why: passed[why] for why in sorted(passed)}} if passed else {}
    entry |= {"characters_in_gaps": mapper.left_in_gaps} if mapper.left_in_gaps else {}


def _mapper(source: Files | Hub, place: Place, settings: Prepare) -> Mapper:
    kind, share = kind_of(place.part), settings.heldout_share
    return Mapper(source, kind, share, place.where, place.common)


def _described(source: Files | Hub) -> dict[str, Any]:
    """The source's settings for the manifest; those of later versions only where they are set."""
    always = {"name", "licence", "take", "limit", "chunk_chars"}
    told = source.model_dump(include=always)
    told |= source.model_dump(include=LATER_SETTINGS, exclude_defaults=True)
    return told | {"mapping": source.mapping.model_dump(mode="json", exclude_defaults=True)}


def _labels(found: list[Path], folder: Path) -> dict[Path, str]:
    """A name per file for the ids: its stem, or its path where two stems are equal."""
    stems = [files.stem_of(path) for path in found]
    if len(set(stems)) == len(stems):
        return dict(zip(found, stems, strict=True))
    return {path: path.relative_to(folder).as_posix() for path in found}


def _length(record: Record) -> int:
    """Characters of a record's texts."""
    if isinstance(record, Document):
        return len(record.text)
    if isinstance(record, Demonstration):
        return len(record.context) + len(record.thought) + len(record.continuation)
    assert isinstance(record, Problem)
    return len(record.prompt) + len(record.answer)


def _check_disjoint(written: dict[str, Part]) -> None:
    """No generated problem on both sides. Leaks in files are for stage `validate` to quarantine."""
    for evaluation in EVALUATION_PARTS:
        for training in TRAINING_PARTS:
            both = written[evaluation].generated.keys() & written[training].generated.keys()
            if both:
                key = min(both)
                raise DataError(
                    f"{len(both)} generated records lie on both sides of the split",
                    where=f"{written[evaluation].generated[key]} of `{evaluation}` and "
                    f"{written[training].generated[key]} of `{training}`",
                    fix="report this: the split by content hash has a fault",
                )

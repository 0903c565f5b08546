"""The options of published benchmarks, weighed zero-shot, beside what others publish for the model.

    python -m benchmarks.published_figures data/checkpoints/smollm2-135m --precision bfloat16

Nothing is thought. Each set is measured as the project asks it, with the start-of-text token that
training puts before every text, and without it, as lm-evaluation-harness reads a tokenizer that
adds none. The last line of stdout is JSON: per set and way `acc` and `acc_norm`, each with its
binomial standard error, and the published figure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rlp_core import quiet
from rlp_core.data import files
from rlp_core.data.config import Files
from rlp_core.data.mapping import Mapper
from rlp_core.data.opening import Form
from rlp_core.data.records import Problem
from rlp_core.evaluation import benchmarks
from rlp_core.evaluation.choosing import likeliest

PUBLISHED = {
    "arc-easy": ("acc", 0.541),
    "hellaswag": ("acc_norm", 0.430),
    "piqa": ("acc_norm", 0.669),
}
"""SmolLM2-135M-Instruct, zero-shot, by lm-evaluation-harness."""

AT_ONCE = 256
"""Problems whose contexts are held together."""


def problems_of(name: str, folder: Path, limit: int) -> list[Problem]:
    """The first problems of a benchmark that comes with the package.

    Args:
        name: of the benchmark, which reads files and weighs options.
        folder: of the data sets.
        limit: problems at most; 0: all.
    """
    benchmark = benchmarks.read(benchmarks.BUILT_IN / f"{name}.yaml")
    source = benchmark.source
    if not isinstance(source, Files):
        raise TypeError(f"{name} reads no files")
    common = {"benchmark": name, "rule": benchmark.answer, "group": benchmark.group}
    mapper = Mapper(source, Problem, 0.1, name, common)
    form = Form(10_000_000, source.separator, source.encoding)
    found = [
        record
        for path in files.matching(folder, source.pattern)
        for row in files.read_rows(path, form)
        for record in mapper.records(row.fields, f"{name}-{row.number}", row.where)
        if isinstance(record, Problem)
    ]
    return found[: limit or None]


def weigh(model: Any, codec: Any, problems: Sequence[Problem], start: bool) -> list[list[float]]:
    """Log-probability of every option of every problem, in nats.

    Args:
        model: prepared for branches.
        codec: its tokens.
        problems: with options.
        start: whether a text begins with the codec's prefix.
    """
    from rlp_core.rollout.scoring import Continuation, score_continuations

    found: list[list[float]] = []
    for first in range(0, len(problems), AT_ONCE):
        part = [problem.weighed() for problem in problems[first : first + AT_ONCE]]
        texts = list(dict.fromkeys(context for pairs in part for context, _ in pairs))
        contexts = [codec.context(t) if start else codec.encode(t) for t in texts]
        asked = []
        for context, text in (pair for pairs in part for pair in pairs):
            place, tokens = texts.index(context), codec.encode(text)
            asked.append(Continuation(place, len(contexts[place]), tokens, len(tokens)))
        values = iter(score_continuations(model, contexts, asked, 32))
        found += [[next(values) for _ in pairs] for pairs in part]
    return found


def shares(
    problems: Sequence[Problem], values: Sequence[Sequence[float]]
) -> dict[str, list[float]]:
    """`acc` and `acc_norm`: share of problems whose right option is taken, and its error."""
    found = {}
    for rule in ("acc", "acc_norm"):
        right = sum(
            likeliest(of, [len(choice) for choice in one.choices], rule)
            == one.choices.index(one.answer)
            for one, of in zip(problems, values, strict=True)
        )
        share = right / len(problems)
        error = math.sqrt(share * (1 - share) / len(problems))
        found[rule] = [round(share, 4), round(error, 4)]
    return found


@click.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--data", default="../shared/data", type=click.Path(path_type=Path))
@click.option("--sets", default=",".join(PUBLISHED), show_default=True)
@click.option("--limit", default=0, show_default=True, help="Problems of each set; 0: all.")
@click.option("--precision", default="float32", type=click.Choice(["float32", "bfloat16"]))
@click.option("--threads", default=1, show_default=True)
def main(model: Path, data: Path, sets: str, limit: int, precision: str, threads: int) -> None:
    """Measure MODEL, a folder in the Hugging Face layout."""
    quiet.apply()
    import torch

    from rlp_core.data.tokenizer import Codec, add_delimiters
    from rlp_core.policy.compute import Compute
    from rlp_core.policy.ends import ends_of
    from rlp_core.policy.model import initialise_tokens, load
    from rlp_core.rollout.engine import prepare

    torch.set_num_threads(threads)
    policy, tokenizer = load(model)
    pair = ("<think>", "</think>")
    initialise_tokens(policy, add_delimiters(tokenizer, pair))
    prepare(policy)
    codec = Codec.of(tokenizer, pair, ends=ends_of(policy, tokenizer))
    computing = Compute(policy, getattr(torch, precision)).model
    told: dict[str, Any] = {"model": model.name, "precision": precision, "sets": {}}
    for name in sets.split(","):
        problems = problems_of(name, data, limit)
        of: dict[str, Any] = {"n": len(problems)}
        if name in PUBLISHED:
            of["published"] = dict([PUBLISHED[name]])
        for way, start in (("with_start", True), ("without_start", False)):
            if start and not codec.prefix:
                continue
            of[way] = shares(problems, weigh(computing, codec, problems, start))
            click.echo(f"{name}, {way}: {of[way]}", err=True)
        told["sets"][name] = of
    click.echo(json.dumps(told))


if __name__ == "__main__":
    main()

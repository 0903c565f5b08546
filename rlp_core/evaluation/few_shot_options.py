"""Options that are weighed, with worked examples in front of the problem, as beside `weighed.py`.

There is one form, `few_shot`: problem and right option, several times, and then the problem whose
options are weighed (Brown et al. 2020, GPT-3, section 2). An example of such a benchmark shows no
thought, so there is nothing that a form with thoughts or with work as text could show.

Demonstrations of a training part are of another task and form, and teach nothing here. Examples are
the benchmark's own: those that its `examples` names, commonly the published training split, and
where it names none, problems of its own that are not asked. None is a problem that is asked, or of
the cluster of the one that it stands before. They are drawn as in `few_shot.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlp_core.data.records import Problem, content_key
from rlp_core.data.tokenizer import Codec
from rlp_core.errors import ConfigError
from rlp_core.evaluation.choosing import likeliest
from rlp_core.evaluation.config import Shots
from rlp_core.evaluation.evaluator import Evaluator, Tokens
from rlp_core.evaluation.few_shot import draw, of_problem
from rlp_core.evaluation.item_files import ANSWERS
from rlp_core.evaluation.losses import Loss

Pools = Mapping[str, Sequence[Problem]]
"""By benchmark what its examples are drawn from, in the order of the content hashes."""


@dataclass(frozen=True)
class ShotOptions:
    """A problem with examples in front of it.

    Attributes:
        problem: what is asked.
        examples: in front of it, in order; fewer than wanted where more do not fit, or are of its
            own cluster.
        contexts: tokens of what is read, each once; where no example fits, those of zero-shot.
        options: per option the index of its context, and the tokens that are weighed.
    """

    problem: Problem
    examples: tuple[Problem, ...]
    contexts: tuple[Tokens, ...]
    options: tuple[tuple[int, Tokens], ...]


def option_pools(
    asked: Sequence[Problem], others: Sequence[Problem], shots: Shots, where: str
) -> Pools:
    """What examples are drawn from, for each benchmark that is asked; what is left out is said.

    Left out are problems that are asked, by content key and by prompt: the same question with
    other options would tell too much.

    Args:
        asked: the problems that are asked and weighed.
        others: all that are at hand, asked or not; of a benchmark that has `example`s only they
            are taken.
        shots: the settings.
        where: the stage, for what is said.

    Raises:
        ConfigError: of the examples that a benchmark names fewer are left than a prompt is to hold.
    """
    taken = {p.key for p in asked} | {content_key(p.prompt) for p in asked}
    ids = {p.id for p in asked}
    found = {}
    for name in sorted({p.benchmark for p in asked}):
        mine = [p for p in others if p.benchmark == name and p.id not in ids]
        named = [p for p in mine if p.role == "example"]
        given = sorted(named or mine, key=lambda p: (p.key, p.id))
        kept: dict[str, Problem] = {}
        for one in given:
            if one.key not in taken and content_key(one.prompt) not in taken:
                kept.setdefault(one.key, one)
        same = sum(p.key in taken or content_key(p.prompt) in taken for p in given)
        whose = "examples that it names" if named else "problems of its own that are not asked"
        said = (
            f"benchmark {name}: {len(kept)} of {len(given)} {whose} may be examples: {same} are a "
            "problem that is asked, the rest are the same again"
        )
        if named and len(kept) < shots.count:
            raise ConfigError(
                f"too few examples: {said}",
                where=f"params.yaml, key evaluate.shots.count = {shots.count}",
                fix="ask for fewer, let `examples` of the benchmark name more, or take it out: "
                "problems that are not asked are then shown",
            )
        print(f"{where}: {said}", flush=True)
        found[name] = list(kept.values())
    return found


def without_examples(pools: Pools, asked: Sequence[Problem], shots: Shots) -> list[Loss]:
    """Per benchmark how many problems are asked bare alone: it has too few others to show."""
    return [
        Loss(
            f"fewer_examples/{name}",
            total if len(pool) < shots.count else 0,
            total,
            f"problems of {name} are asked without examples: {len(pool)} others are at hand, and "
            f"evaluate.shots.count = {shots.count}",
            "lower evaluate.problems, so that more are left to be shown, or let `examples` of the "
            "benchmark name a split or file",
            bounded=False,
        )
        for name, pool in pools.items()
        for total in [sum(p.benchmark == name for p in asked)]
    ]


def ask_options(
    evaluator: Evaluator, problems: Sequence[Problem], pools: Pools
) -> list[ShotOptions]:
    """Every problem whose benchmark has enough to show; nothing runs through the model.

    Args:
        evaluator: the codec, the settings and the seed are its.
        problems: to be asked, with weighed choices.
        pools: what `option_pools` left.
    """
    shots, codec = evaluator.settings.shots, evaluator.codec
    found = []
    for problem in problems:
        among = pools[problem.benchmark]
        if len(among) < shots.count:
            continue
        if problem.cluster:
            among = [one for one in among if one.cluster != problem.cluster]
        numbers = draw(min(shots.count, len(among)), len(among), evaluator.seed, problem)
        chosen = [among[i] for i in numbers]
        pairs = problem.weighed()
        texts = list(dict.fromkeys(context for context, _ in pairs))
        for kept in range(len(chosen), 0, -1):
            head = shown(codec, chosen[:kept], shots)
            contexts = [[*head, *codec.encode(text)] for text in texts]
            if max(map(len, contexts)) <= shots.max_tokens:
                break
        else:
            kept = 0
            contexts = [evaluator.cut(codec.context(text)) for text in texts]
        options = tuple((texts.index(context), codec.encode(text)) for context, text in pairs)
        found.append(ShotOptions(problem, tuple(chosen[:kept]), tuple(contexts), options))
    return found


def shown(codec: Codec, examples: Sequence[Problem], shots: Shots) -> Tokens:
    """The tokens of worked examples: of each what is read, and its right option, as when asked.

    Only the space at an example's end is exchanged for the separator.
    """
    tokens: Tokens = []
    for one in examples:
        context, text = one.weighed()[one.choices.index(one.answer)]
        tokens += codec.encode(context) if tokens else codec.context(context)
        tokens += codec.encode(text.rstrip() + shots.separator)
    return tokens


def few_shot_options(evaluator: Evaluator, asked: Sequence[ShotOptions]) -> list[dict[str, Any]]:
    """Rows of `few_shot.jsonl` for options that are weighed, as `weighed_rows` has them bare."""
    contexts = [context for one in asked for context in one.contexts]
    options, first = [], 0
    for one in asked:
        options.append([(first + place, tokens) for place, tokens in one.options])
        first += len(one.contexts)
    rows = []
    for one, values in zip(asked, evaluator.weigh_options(contexts, options), strict=True):
        problem = one.problem
        lengths = [len(choice) for choice in problem.choices]
        right = problem.choices.index(problem.answer)
        taken = likeliest(values, lengths, problem.rule)
        rows.append(
            of_problem(problem, one.examples)
            | {
                ANSWERS: [int(taken == right)],
                f"{ANSWERS}_text": problem.choices[taken],
                f"logprob_{ANSWERS}": values,
                "characters": lengths,
                "right": right,
            }
        )
    return rows

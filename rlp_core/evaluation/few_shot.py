"""Problems with worked examples in front: what a prompt alone teaches, beside what training did.

Each problem is asked in three forms, with the same examples in each:

- `few_shot`: questions and answers alone, as a model answers without thinking;
- `few_shot_thinking`: a thought in its delimiters before each answer, as imitation teaches it;
- `few_shot_work`: the same work as plain text, a marker, the answer. A base model never met the
  delimiters; this is what people ask one to do (Wei et al. 2022, chain-of-thought prompting).

Examples are demonstrations of a training part that show a thought, never a problem that is asked.
They are drawn for each problem anew, by (seed, problem), the same for every arm. Options that are
weighed have examples of their own: `few_shot_options.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Protocol

from rlp_core.data.records import Demonstration, Problem, Record, content_key
from rlp_core.data.tokenizer import Codec
from rlp_core.errors import ConfigError
from rlp_core.evaluation.config import Shots
from rlp_core.evaluation.evaluator import (
    DIRECT,
    EXAMPLES,
    THOUGHTS,
    WORK,
    Evaluator,
    Tokens,
    reasoned,
)
from rlp_core.evaluation.item_files import ANSWERS, FORMS, THINKING, WORKING, identity
from rlp_core.evaluation.losses import Loss
from rlp_core.evaluation.written import marked
from rlp_core.rollout.rng import number_of, uniform


@dataclass(frozen=True)
class ShotProblem:
    """A problem in every form.

    Attributes:
        problem: what is asked.
        examples: in front of it, in order; fewer than wanted where more do not fit.
        prompts: tokens by form; where no example fits, the prompt of zero-shot.
    """

    problem: Problem
    examples: tuple[Demonstration, ...]
    prompts: dict[str, Tokens]


def pool(
    demonstrations: Sequence[Demonstration], problems: Sequence[Problem], shots: Shots, where: str
) -> list[Demonstration]:
    """What examples are drawn from, in the order of the content hashes; what is left out is said.

    Left out are demonstrations without a thought, those of a problem that is asked, and those whose
    context or thought holds the marker or the separator: an answer could not be found behind them.

    Args:
        demonstrations: of the part.
        problems: that are asked.
        shots: the settings.
        where: the stage, for what is said.

    Raises:
        ConfigError: fewer are left than a prompt is to hold.
    """
    asked = {p.key for p in problems} | {content_key(p.prompt) for p in problems}
    kept: dict[str, Demonstration] = {}
    bare = same = unclear = 0
    for demo in sorted(demonstrations, key=lambda d: (d.key, d.id)):
        if not demo.thought.strip():
            bare += 1
        elif demo.key in asked or content_key(demo.context) in asked:
            same += 1
        elif any(m in demo.context + demo.thought for m in (shots.separator, shots.answer_marker)):
            unclear += 1
        else:
            kept.setdefault(demo.key, demo)
    said = (
        f"{len(kept)} of {len(demonstrations)} demonstrations may be examples: {bare} show no "
        f"thought, {same} are a problem that is asked, {unclear} hold the separator or the marker, "
        "the rest are the same again"
    )
    if len(kept) < shots.count:
        raise ConfigError(
            f"too few examples: {said}",
            where=f"params.yaml, key evaluate.shots.count = {shots.count}",
            fix="ask for fewer, give part `finetune` more demonstrations with thoughts, or choose "
            "another separator or marker",
        )
    print(f"{where}: {said}", flush=True)
    return list(kept.values())


def draw(count: int, among: int, seed: int, problem: Problem) -> list[int]:
    """So many different numbers below `among`, by (seed, problem)."""
    chosen: dict[int, None] = {}
    turn = 0
    while len(chosen) < count:
        ticket = float(uniform(seed, EXAMPLES, number_of(problem.id), turn))
        chosen[int(ticket * among)] = None
        turn += 1
    return list(chosen)


def ask(
    evaluator: Evaluator, problems: Sequence[Problem], examples: Sequence[Demonstration]
) -> list[ShotProblem]:
    """Every problem in every form; nothing runs through the model.

    Args:
        evaluator: the codec, the settings and the seed are its.
        problems: to be asked.
        examples: what `pool` left, at least `evaluate.shots.count`.
    """
    shots = evaluator.settings.shots
    found = []
    for problem in problems:
        chosen = [examples[i] for i in draw(shots.count, len(examples), evaluator.seed, problem)]
        for kept in range(len(chosen), 0, -1):
            prompts = {form: prompt(evaluator.codec, form, chosen[:kept], problem.prompt, shots)
                       for form in FORMS}  # fmt: skip
            if max(map(len, prompts.values())) <= shots.max_tokens:
                break
        else:
            kept = 0
            bare = evaluator.cut(evaluator.codec.context(problem.prompt))
            prompts = dict.fromkeys(FORMS, bare)
        found.append(ShotProblem(problem, tuple(chosen[:kept]), prompts))
    return found


def prompt(
    codec: Codec, form: str, examples: Sequence[Demonstration], question: str, shots: Shots
) -> Tokens:
    """The tokens of examples and question: context, thought and continuation as in training.

    Only the space at an example's end is exchanged for the separator.
    """
    tokens: Tokens = []
    for demo in examples:
        tokens += codec.encode(demo.context) if tokens else codec.context(demo.context)
        if form == THINKING:
            tokens += [*codec.opening, *codec.encode(demo.thought), codec.close_id]
        elif form == WORKING:
            tokens += codec.encode(demo.thought + shots.answer_marker)
        tokens += codec.encode(demo.continuation.rstrip() + shots.separator)
    return [*tokens, *codec.encode(question)]


class WithExamples(Protocol):
    """A problem, and what stands in front of it."""

    @property
    def examples(self) -> Sequence[Record]:
        """In order."""


def fewer_examples(asked: Sequence[WithExamples], shots: Shots) -> Loss:
    """How many problems are asked with fewer examples than were wanted."""
    return Loss(
        "fewer_shots",
        sum(len(one.examples) < shots.count for one in asked),
        len(asked),
        f"problems are asked with fewer than evaluate.shots.count = {shots.count} examples: more "
        "do not fit",
        f"raise evaluate.shots.max_tokens = {shots.max_tokens}, or ask for fewer examples",
    )


def few_shot(evaluator: Evaluator, asked: Sequence[ShotProblem]) -> list[dict[str, Any]]:
    """Rows of `few_shot.jsonl`: sampled answers in every form, and the text of the first."""
    many, warm = evaluator.settings.samples, evaluator.settings.temperature
    numbers = [number_of(one.problem.id) for one in asked]
    contexts = {form: [one.prompts[form] for one in asked] for form in FORMS}
    drawn = evaluator.think(contexts[THINKING], numbers, many, warm, THOUGHTS)
    answers = {
        ANSWERS: evaluator.answer(contexts[ANSWERS], numbers, many, warm, DIRECT),
        THINKING: evaluator.answer(
            reasoned(evaluator, contexts[THINKING], drawn, many), numbers, many, warm
        ),
    }
    room = evaluator.thought_tokens + 2 + len(evaluator.codec.lead)
    worked = evaluator.draw(
        contexts[WORKING], numbers, many, warm, WORK, room + evaluator.settings.answer_tokens
    )
    shots = evaluator.settings.shots
    answers[WORKING] = [
        answer_after_work(evaluator.codec, tokens, shots) for tokens in worked.tokens
    ]
    rows = []
    for i, one in enumerate(asked):
        mine = slice(i * many, (i + 1) * many)
        row = of_problem(one.problem, one.examples)
        for form in FORMS:
            row[form] = [marked(answer, one.problem) for answer in answers[form][mine]]
            row[f"{form}_text"] = answers[form][i * many]
        row["work"] = evaluator.codec.decode(worked.tokens[i * many])
        rows.append(row)
    return rows


def of_problem(problem: Problem, examples: Sequence[Record]) -> dict[str, Any]:
    """What a row of `few_shot.jsonl` says of who is asked, and after what."""
    return {**identity(problem), "examples": [one.id for one in examples]}


def answer_after_work(codec: Codec, tokens: Sequence[int], shots: Shots) -> str:
    """The line behind the marker, before the model begins another example; empty: no marker."""
    text = codec.decode(takewhile(lambda token: token not in codec.end_ids, tokens))
    own = text.partition(shots.separator)[0]
    return own.partition(shots.answer_marker)[2].split("\n", 1)[0].strip()

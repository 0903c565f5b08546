"""Tries a model on a sample: what `rlp_core.advising.trial` describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rlp_core.advising.asked import ASKED, Asking
from rlp_core.advising.shares import share_of, wilson
from rlp_core.advising.trial import HELP, ModelTrial, TrialOptions
from rlp_core.data.records import Demonstration, Document
from rlp_core.data.thinking import Thinking
from rlp_core.data.tokenizer import Codec
from rlp_core.errors import ConfigError, DataError
from rlp_core.evaluation.config import BiasFiles, Evaluate
from rlp_core.evaluation.control_metrics import control_statistics
from rlp_core.evaluation.controls import controls
from rlp_core.evaluation.drawing import draw_equally
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.item_files import TRIED, Row
from rlp_core.evaluation.problem_rows import problem_rows
from rlp_core.evaluation.statistics import Estimate, Resampler, mean
from rlp_core.policy.context_length import context_length
from rlp_core.policy.ends import ends_of
from rlp_core.policy.model import choose_device, load
from rlp_core.rollout.engine import prepare

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ANSWER_TOKENS = 16
"""Tokens of an answer at least; the longest expected answer and one more, where that is longer."""

DECODED, SCORED = 256, 64
"""Sequences through the network at once, where thoughts are drawn, and where text is scored."""


def open_evaluator(
    folder: Path, thinking: Thinking | None, options: TrialOptions, longest_answer: int
) -> Evaluator:
    """The model of a folder, ready to be measured.

    Args:
        folder: a Hugging Face folder.
        thinking: how it thinks; None: as the folder says.
        options: how much is tried.
        longest_answer: tokens of the longest answer that is expected, at most.

    Raises:
        RlpError: no such model, one that does not say how it thinks or lacks the delimiters, or
            one that cannot read so much.
    """
    how = Thinking.read(folder) if thinking is None and folder.is_dir() else thinking
    device = choose_device(options.device)
    model, tokenizer = load(folder)
    assert how is not None  # there is no such folder: `load` has said so
    codec = Codec.of(
        tokenizer, (how.open, how.close), how.prompt, how.lead, ends_of(model, tokenizer)
    )
    answer_tokens = max(ANSWER_TOKENS, longest_answer + 1)
    _check_length(model, codec, how, options, answer_tokens)
    model.to(device)  # type: ignore[arg-type]  # a decorator of transformers hides the type
    prepare(model)
    settings = Evaluate(
        benchmarks=(ASKED,),
        benchmark_folder="none",
        samples=options.samples,
        temperature=options.temperature,
        problems=options.problems,
        heldout_documents=options.problems,
        heldout_positions=1,
        max_tokens=options.max_tokens,
        answer_tokens=answer_tokens,
        controls=True,
        bias=BiasFiles(folder="none", template_items=1),
    )
    return Evaluator(model, codec, settings, how.max_tokens, options.seed, SCORED, DECODED)


def try_model(
    evaluator: Evaluator,
    asking: Asking,
    documents: Sequence[Document],
    demonstrations: Sequence[Demonstration],
) -> ModelTrial:
    """Ask a sample of the problems, and think in a sample of the documents.

    Raises:
        DataError: fewer than two different documents have a place to think.
    """
    settings = evaluator.settings
    problems = draw_equally(asking.problems, settings.problems, lambda problem: problem.source)
    drawn = draw_equally(documents, settings.heldout_documents, lambda document: document.source)
    kept = evaluator.measurable(drawn)
    if len({document.key for document in kept}) < 2:
        raise DataError(
            f"{len(kept)} of {len(drawn)} texts that were drawn have a place to think within "
            f"{settings.max_tokens} tokens; two different ones are needed, so that one's thoughts "
            "are the other's controls",
            where="the corpus",
            fix="give more texts, or raise --text-tokens",
        )
    unasked = (
        [f"{asking.unasked} records ask nothing that a short line answers, and are not asked"]
        if asking.unasked
        else []
    )
    lost = evaluator.losses(problems, drawn, [])
    places = evaluator.places(kept)
    rows = controls(evaluator, kept, places)
    answered = problem_rows(evaluator, problems) if problems else []
    keys = [kept[i].key for i, _ in places.spots for _ in range(settings.samples)]
    drafts = list(zip(keys, places.drawn.tokens, places.drawn.stopped, strict=True))
    limit = evaluator.thought_tokens
    thoughts = [demo.thought for demo in demonstrations if demo.thought.strip()]
    return ModelTrial(
        asked=len(problems),
        asked_from=asking.origin,
        thinking=_passed(answered, "thinking"),
        direct=_passed(answered, "direct"),
        read=len(kept),
        losses=(*unasked, *(str(loss) for loss in lost if loss.count)),
        information_gain=Resampler(evaluator.seed).estimate(
            control_statistics(rows)["horizon_gain"]
        ),
        helpful=helpful(rows, evaluator.seed),
        empty=share_of((key, float(len(tokens) == stopped)) for key, tokens, stopped in drafts),
        forced=share_of((key, float(not stopped)) for key, _, stopped in drafts),
        max_thought_tokens=limit,
        longer_demonstrations=share_of(
            (thought, float(len(evaluator.codec.encode(thought)) >= limit)) for thought in thoughts
        ),
    )


def over(row: Row, own: str = "thinking") -> list[float]:
    """Nats of every thought of a row of `controls.jsonl` over no thought and the best of the rest.

    Args:
        row: of one document.
        own: which is held against the rest: the sampled thought, or one of its controls.
    """
    gains: list[float] = []
    for direct, *each in zip(row["direct"], *(row[name] for name in TRIED), strict=True):
        tried = dict(zip(TRIED, map(np.asarray, each), strict=True))
        rest = np.max([values for name, values in tried.items() if name != own], axis=0)
        gains += (tried[own] - np.maximum(rest, direct)).tolist()
    return gains


def helpful(rows: Sequence[Row], seed: int) -> Estimate:
    """The share of thoughts that help, less that of another text's thoughts in their places.

    Texts are drawn anew for the interval. Where no thought helped they are all alike, and its upper
    end is Wilson's of none in as many texts.

    Args:
        rows: of `controls.jsonl`.
        seed: of the draws.
    """
    wins = [[gain >= HELP for gain in over(row)] for row in rows]
    chance = [[gain >= HELP for gain in over(row, "other")] for row in rows]
    excess = [float(np.mean(own) - np.mean(his)) for own, his in zip(wins, chance, strict=True)]
    found = Resampler(seed).estimate(
        mean([row["id"] for row in rows], [row["key"] for row in rows], excess)
    )
    if any(map(any, wins)):
        return found
    return replace(found, high=max(found.high, wilson(0.0, found.clusters)[1]))


def _passed(rows: Sequence[Row], mode: str) -> Estimate | None:
    """pass@1: the share of sampled answers that are right."""
    if not rows:
        return None
    return share_of((row["cluster"], value) for row in rows for value in map(float, row[mode]))


def _check_length(
    model: PreTrainedModel, codec: Codec, how: Thinking, options: TrialOptions, answer_tokens: int
) -> None:
    """Raise ConfigError where a text, a thought and an answer are more than the model reads."""
    limit = context_length(model.config.to_dict())
    longest = options.max_tokens + len(codec.opening) + how.max_tokens + 1 + answer_tokens
    if limit is not None and longest > limit:
        raise ConfigError(
            f"a text, a thought and an answer are {longest} tokens at most, and the model reads "
            f"{limit}",
            where="rlp advise --model",
            fix=f"give --text-tokens {max(1, limit - longest + options.max_tokens)} or less, or a "
            "smaller --max-tokens",
        )

"""`rlp prompts rank`: under which prompt a model's thoughts are worth most, on one's own texts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlp_core import prompts
from rlp_core.data.pieces import TextPieces, read_pieces
from rlp_core.data.thinking import Thinking
from rlp_core.data.thought import ThoughtConfig
from rlp_core.data.tokenizer import Codec
from rlp_core.errors import DataError, UsageError
from rlp_core.evaluation.drawing import draw_equally
from rlp_core.evaluation.prompt_ranking import NO_PROMPT, RANKED, ranking
from rlp_core.evaluation.prompt_rows import RankedText, ThoughtTrials, placed, prompt_rows
from rlp_core.files import (
    folder_sha256,
    replacing_folder,
    sha256,
    write_json,
    write_jsonl,
    write_text,
)
from rlp_core.policy.context_length import context_length
from rlp_core.policy.ends import ends_of
from rlp_core.policy.model import choose_device, load
from rlp_core.rollout.engine import prepare
from rlp_core.tracking import Tracker, open_command_run
from rlp_core.training.inputs import codec_for
from rlp_core.workspace import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel

AS_TRAINED = "(its own)"
"""The row of the prompt that the model's folder says it was trained with."""

EXPERIMENT = "rlp-prompts"
"""The MLflow experiment of rankings, beside that of the pipeline."""

CHARACTERS_PER_TOKEN = 8
"""Of a piece of a text at most: more than tokens have, so that what is read is rarely cut short."""


@dataclass(frozen=True)
class RankRequest:
    """What is to be ranked.

    Attributes:
        model: a Hugging Face folder.
        corpus: a text file, or a file of rows with a field `text`.
        output: folder for the page, the figure and the numbers; a ranking there is replaced.
        names: prompts, as `NAME` or `NAME@VERSION`; empty: all.
        texts: how many are drawn.
        trials: what is tried on each; how long a thought may be is said by `thinking`.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        tracked: whether a run goes to MLflow.
    """

    model: Path
    corpus: Path
    output: Path
    names: tuple[str, ...] = ()
    texts: int = 24
    trials: ThoughtTrials = field(default_factory=ThoughtTrials)
    device: str = "auto"
    tracked: bool = True


@dataclass(frozen=True)
class _Asked:
    """A prompt by its name: its words, and its version where it is of the library."""

    name: str
    words: prompts.Words
    version: int | None = None


def rank(root: Path, request: RankRequest, thinking: Thinking) -> Iterator[str]:
    """Measure a model under every prompt, write the ranking, and yield what is told.

    Writes `ranking.md`, `ranking.json`, `figures/prompts.svg` and, for each prompt, the rows that
    the numbers are made from. Equal requests on equal files give equal bytes, on one machine.

    Args:
        root: the checkout, or the folder that one works in: MLflow's file lies below it.
        request: what is to be ranked.
        thinking: delimiters and longest thought of the model, and the prompt of its own.

    Raises:
        RlpError: no such model, prompt or corpus; too few texts; a prompt that leaves no room; or a
            model that cannot be read.
    """
    trials = replace(request.trials, thought_tokens=thinking.max_tokens)
    request = replace(request, trials=trials)
    _check_output(request.output)
    asked = _prompts(request.names, thinking)
    corpus = read_pieces(request.corpus, CHARACTERS_PER_TOKEN * request.trials.text_tokens)
    drawn = draw_equally(corpus.pieces, request.texts, lambda piece: piece.key)
    model, tokenizer = load(request.model)
    how = ThoughtConfig(open=thinking.open, close=thinking.close, max_tokens=thinking.max_tokens)
    codecs = {NO_PROMPT: codec_for(model, tokenizer, how)}
    ends, pair = ends_of(model, tokenizer), (thinking.open, thinking.close)
    codecs |= {one.name: Codec.of(tokenizer, pair, *one.words, ends=ends) for one in asked}
    _check_room(model, codecs, request.trials, thinking)
    texts = placed(codecs[NO_PROMPT], drawn, request.trials)
    _check_texts(texts, request)
    yield from _losses(corpus, request, len(drawn), len(texts))
    model.to(choose_device(request.device))  # type: ignore[arg-type]  # hidden by a decorator
    prepare(model)
    said = _said(request, thinking, corpus, texts)
    with _run(root, request, said) as tracker:
        measured = {}
        for name, codec in codecs.items():
            yield f"{name}: {len(codec.prefix) + len(codec.lead)} tokens of prompt"
            measured[name] = prompt_rows(model, codec, texts, request.trials)
        tree = ranking(measured, request.trials.seed) | {"asked": said}
        for one in (_Asked(NO_PROMPT, prompts.Words()), *asked):
            plain = len(codecs[NO_PROMPT].prefix)
            codec = codecs[one.name]
            tree["prompts"][one.name] |= {
                "version": one.version,
                "words": one.words.digest,
                "place": "thought" if one.words.lead else "start",
                "prompt_tokens": len(codec.prefix) - plain + len(codec.lead),
            }
        yield from _written(request.output, tree, measured)
        if tracker is not None:
            _track(tracker, tree, request.output)


def _prompts(names: Sequence[str], thinking: Thinking) -> list[_Asked]:
    """The prompts in question, told from each other by their words before any work is done."""
    if twice := {name for name in names if list(names).count(name) > 1}:
        raise UsageError(
            f"named twice: {', '.join(sorted(twice))}",
            where="rlp prompts rank --prompts",
            fix="name each prompt once",
        )
    pair = (thinking.open, thinking.close)
    found = [
        _Asked(name, prompts.words(name, pair), prompts.get(name).version)
        for name in names or prompts.names()
    ]
    own = prompts.Words(thinking.prompt, thinking.lead)
    return found + ([_Asked(AS_TRAINED, own)] if any(own) else [])


def _check_output(output: Path) -> None:
    """A folder that holds something else than a ranking is not replaced."""
    if output.is_dir() and any(output.iterdir()) and not (output / "ranking.json").is_file():
        raise UsageError(
            "the folder holds other things than a ranking, and would be replaced",
            where=str(output),
            fix="name another by --output",
        )


def _check_room(
    model: PreTrainedModel,
    codecs: Mapping[str, Codec],
    trials: ThoughtTrials,
    thinking: Thinking,
) -> None:
    limit = context_length(model.config.to_dict())
    inner = trials.text_tokens + thinking.max_tokens + trials.horizon + 2
    for name, codec in codecs.items():
        length = len(codec.prefix) + len(codec.lead) + inner
        if limit is not None and length > limit:
            raise UsageError(
                f"prompt {name}, text, thought and what follows are {length} tokens at most, and "
                f"the model reads {limit}",
                where="rlp prompts rank",
                fix="lower --text-tokens or --max-tokens, or leave the prompt out by --prompts",
            )


def _check_texts(texts: Sequence[RankedText], request: RankRequest) -> None:
    if len({text.document.key for text in texts}) < 2:
        raise DataError(
            "there are fewer than two texts: no thought could be another text's, and no interval "
            "could be told",
            where=str(request.corpus),
            fix="give a corpus of several texts, or fewer --text-tokens, so that one has several "
            "pieces",
        )


def _losses(corpus: TextPieces, request: RankRequest, drawn: int, kept: int) -> Iterator[str]:
    """What was drawn, and what was left out."""
    yield (
        f"{drawn} of {len(corpus.pieces)} pieces of {corpus.rows} texts drawn by content hash; "
        f"of each the first {request.trials.text_tokens} tokens at most are read"
    )
    if drawn < request.texts:
        yield f"warning: {request.texts} texts were asked for, and the corpus has {drawn} pieces"
    if corpus.repeated:
        yield f"{corpus.repeated} pieces were left out: an equal one stands before them"
    if kept < drawn:
        yield f"warning: {drawn - kept} pieces are of a single token and were left out"


def _said(
    request: RankRequest, thinking: Thinking, corpus: TextPieces, texts: Sequence[RankedText]
) -> dict[str, Any]:
    """All that decides the numbers, the words of the prompts aside."""
    trials = asdict(request.trials)
    for runtime in ("micro_batch", "decode_batch_size"):
        del trials[runtime]
    return {
        **trials,
        "open": thinking.open,
        "close": thinking.close,
        "model": request.model.resolve().name,
        "model_sha256": folder_sha256(request.model),
        "corpus": request.corpus.name,
        "corpus_sha256": sha256(request.corpus),
        "rows": corpus.rows,
        "texts": len(texts),
        "places": sum(len(text.positions) for text in texts),
    }


@contextlib.contextmanager
def _run(root: Path, request: RankRequest, said: Mapping[str, Any]) -> Iterator[Tracker | None]:
    """The MLflow run, opened before the work: a store that is away is told at once."""
    if not request.tracked:
        yield None
        return
    parameters = {key: str(value) for key, value in said.items()}
    name = f"{said['model']} on {said['corpus']}"
    with open_command_run("prompts rank", name, EXPERIMENT, Workspace(root), parameters) as tracker:
        yield tracker


def _written(
    output: Path, tree: Mapping[str, Any], measured: Mapping[str, Sequence[dict[str, Any]]]
) -> Iterator[str]:
    from rlp_core.reporting.prompts import figure, page, terminal

    drawn = figure(tree)
    with replacing_folder(output) as folder:
        write_text(folder / "ranking.md", page(tree, drawn))
        write_json(folder / "ranking.json", tree)
        write_text(folder / "figures" / f"{drawn.name}.svg", drawn.document())
        for name, rows in measured.items():
            write_jsonl(folder / "rows" / f"{name.strip('()').replace(' ', '-')}.jsonl", rows)
    yield from terminal(tree)
    yield f"{output / 'ranking.md'}"


def _track(tracker: Tracker, tree: Mapping[str, Any], output: Path) -> None:
    for name, of in tree["prompts"].items():
        label = name.strip("()")
        tracker.metrics(
            {
                f"prompts/{label}/{metric}{end}": of[metric][key]
                for metric in (*RANKED, "thought_tokens", "closed_share")
                for key, end in (("value", ""), ("low", "_low"), ("high", "_high"))
                if of[metric][key] is not None
            },
            step=0,
        )
    tracker.tags({"rlp.prompts.first": tree["order"][0]})
    for path in ("ranking.md", "ranking.json", "figures/prompts.svg"):
        tracker.artifact(output / path)

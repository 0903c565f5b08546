"""`params.yaml` as frozen, typed settings: a section per stage, and `runtime`.

`load` checks the whole file before any work starts. Whatever changes a result stands in a
stage's section; what changes only speed, memory or where things are logged stands in `runtime`,
which no stage depends on.
"""

from __future__ import annotations

import difflib
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rlp_core.errors import ConfigError, MissingInputError
from rlp_core.workspace import PARTS

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
PositiveReal = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """Frozen, and closed: an unknown key or a value of another type is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Thought(Section):
    """How a thought is written. Read by every stage that trains or samples."""

    open: str = Field(min_length=1, description="Token that opens a thought.")
    close: str = Field(min_length=1, description="Token that closes it.")
    max_tokens: Positive = Field(
        description="L: tokens drawn for a thought at most, `close` counted; then it is closed by "
        "force. The paper trains with 2048."
    )

    @model_validator(mode="after")
    def _distinct(self) -> Thought:
        if self.open == self.close:
            raise ValueError("`open` and `close` must differ")
        return self


# ---------------------------------------------------------------------------------- prepare


class Mapping(Section):
    """How a row of a file becomes a record: templates over the row's fields.

    Every template is a Python format string. `extract` adds the named groups of a regular
    expression to the fields.
    """

    only: dict[str, str] = Field(
        default_factory=dict,
        description="Fields and the values that they must have; other rows are passed over.",
    )
    extract_field: str = Field(default="", description="Field that `extract` is matched on.")
    extract: str = Field(
        default="", description="Regular expression with named groups; must match the whole field."
    )
    key: str = Field(
        default="", description="What makes two rows the same; empty: text, context or prompt."
    )
    text: str = Field(default="", description="Document: the text; empty: the field `text`.")
    answer_span: str = Field(
        default="", description="Document: what to mark, at its last place in the text."
    )
    context: str = Field(default="", description="Demonstration: what is read.")
    thought: str = Field(default="", description="Demonstration: what is thought.")
    continuation: str = Field(default="", description="Demonstration: what follows.")
    prompt: str = Field(default="", description="Problem: what is asked.")
    answer: str = Field(default="", description="Problem: the right answer.")
    choices_field: str = Field(default="", description="Problem: the field with the options.")


class Procedural(Section):
    """Made here, from a seed."""

    kind: Literal["procedural"]
    world: Literal["arithmetic", "people"] = Field(description="Which generator.")
    count: Positive = Field(description="Records to make.")
    min_terms: Annotated[int, Field(ge=2)] = Field(default=2, description="Shortest chain.")
    max_terms: Annotated[int, Field(ge=2, le=12)] = Field(default=4, description="Longest chain.")
    worked: Share = Field(
        default=0.0, description="Share of records that show the steps to the answer."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Procedural:
        if self.min_terms > self.max_terms:
            raise ValueError("`min_terms` must not exceed `max_terms`")
        return self


class Files(Section):
    """Local files: jsonl, csv, tsv, txt or parquet, each also gzipped."""

    kind: Literal["files"]
    name: str = Field(min_length=1, description="Name of the source, for lineage.")
    licence: str = Field(min_length=1, description="SPDX identifier, or what the source states.")
    pattern: str = Field(min_length=1, description="Glob below `prepare.folder`.")
    take: Literal["all", "train", "heldout"] = Field(
        default="all", description="All rows, or one side of the split by content hash."
    )
    limit: Count = Field(default=0, description="Rows at most, 0: all.")
    chunk_chars: Count = Field(
        default=0, description="Documents: cut longer texts at line ends to this many characters."
    )
    mapping: Mapping = Field(default_factory=Mapping, description="Row to record.")


class Hub(Section):
    """A Hugging Face data set, by name and revision, or a local folder of one."""

    kind: Literal["hub"]
    name: str = Field(min_length=1, description="Repository or local folder.")
    config: str = Field(default="", description="Configuration of the data set.")
    revision: str = Field(default="", description="Commit; required for a repository.")
    split: str = Field(default="train", description="Split to read.")
    licence: str = Field(min_length=1, description="SPDX identifier, or what the source states.")
    streaming: bool = Field(default=False, description="Read without downloading the whole.")
    take: Literal["all", "train", "heldout"] = Field(
        default="all", description="All rows, or one side of the split by content hash."
    )
    limit: Count = Field(default=0, description="Rows at most, 0: all.")
    chunk_chars: Count = Field(
        default=0, description="Documents: cut longer texts at line ends to this many characters."
    )
    mapping: Mapping = Field(default_factory=Mapping, description="Row to record.")


Source = Annotated[Procedural | Files | Hub, Field(discriminator="kind")]
Sources = Annotated[tuple[Source, ...], Field(strict=False)]


class Prepare(Section):
    """Stage `prepare`: sources to records."""

    folder: str = Field(
        min_length=1, description="Folder of local files; a DVC dependency of the stage."
    )
    heldout_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="Share of the content hashes that is held out."
    )
    max_line_bytes: Positive = Field(description="A longer line of a file is an error.")
    base: Sources = Field(description="Documents for `base`.")
    rlp: Sources = Field(description="Documents for `rlp` and `cpt`: they carry no thoughts.")
    heldout: Sources = Field(description="Documents held out, for cross-entropy.")
    bootstrap: Sources = Field(description="Demonstrations for imitation.")
    finetune: Sources = Field(description="Demonstrations for fine-tuning.")
    problems: Sources = Field(description="Problems for evaluation.")

    @model_validator(mode="after")
    def _all_parts(self) -> Prepare:
        for part in PARTS:
            if not getattr(self, part):
                raise ValueError(f"`{part}` needs at least one source")
        return self


# --------------------------------------------------------------------------------- validate


class Validate(Section):
    """Stage `validate`: what may enter."""

    max_quarantine_share: Share = Field(
        description="A larger share of quarantined rows in any part stops the pipeline."
    )
    min_chars: Count = Field(description="Shorter texts are quarantined.")
    max_chars: Positive = Field(description="Longer texts are quarantined.")
    max_tokens: Positive = Field(
        description="More tokens, by the word-and-sign count of the rule, are quarantined."
    )
    contamination_ngram: Positive = Field(
        description="n of the n-gram rule, in words or signs (GPT-3 used 13)."
    )
    contamination_share: Share = Field(
        description="A training record that shares more n-grams than this with an evaluation "
        "record is quarantined; as a share of the n-grams of the shorter of the two."
    )
    near_duplicate_similarity: Annotated[float, Field(gt=0, le=1)] = Field(
        description="Jaccard similarity of their three-token runs from which on two records of "
        "one part count as near-duplicates."
    )
    near_duplicates: Literal["off", "warning", "error"] = Field(
        description="What a near-duplicate is; `off` where a world repeats itself on purpose."
    )
    personal_data: Literal["warning", "error"] = Field(
        description="What an e-mail address or telephone number is."
    )
    unsound_steps: Literal["warning", "error"] = Field(
        description="What a demonstration with a step that does not hold is."
    )
    min_group_share: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.25,
        description="Share of a part's gendered terms below which a group's absence is a warning.",
    )


# ----------------------------------------------------------------------------------- models


class Optimizer(Section):
    """Muon on the matrices and AdamW on the rest, or AdamW on all."""

    name: Literal["adamw", "muon"] = Field(description="Which optimizer.")
    lr: PositiveReal = Field(description="Learning rate of AdamW.")
    matrix_lr: PositiveReal = Field(
        default=0.02, description="Learning rate of Muon on two-dimensional weights."
    )
    betas: Annotated[tuple[Share, Share], Field(strict=False)] = Field(
        default=(0.9, 0.95), description="AdamW's decay rates."
    )
    weight_decay: NonNegative = Field(default=0.0, description="Decoupled weight decay.")
    warmup_steps: Count = Field(default=0, description="Linear warm-up.")
    schedule: Literal["constant", "linear"] = Field(
        default="constant", description="After the warm-up: constant, or linear to zero."
    )
    clip_norm: PositiveReal = Field(default=1.0, description="Largest gradient norm.")


class Architecture(Section):
    """A Qwen3 configuration built from scratch, and its byte-level BPE tokenizer."""

    vocabulary: Annotated[int, Field(ge=258)] = Field(description="Tokens, at most.")
    width: Positive = Field(description="Hidden size.")
    layers: Positive = Field(description="Blocks.")
    heads: Positive = Field(description="Query heads.")
    kv_heads: Positive = Field(description="Key and value heads; divides `heads`.")
    feed_forward: Positive = Field(description="Inner size of the gated feed-forward block.")
    context: Positive = Field(description="Longest sequence, in tokens.")

    @model_validator(mode="after")
    def _divides(self) -> Architecture:
        if self.width % self.heads:
            raise ValueError("`heads` must divide `width`")
        if self.heads % self.kv_heads:
            raise ValueError("`kv_heads` must divide `heads`")
        if (self.width // self.heads) % 2:
            raise ValueError("`width / heads` must be even: rotary positions turn pairs")
        return self


class Base(Section):
    """Stage `base`: train a small model from scratch, or take a checkpoint."""

    checkpoint: str = Field(
        default="", description="Hugging Face name or folder; empty: train `architecture`."
    )
    revision: str = Field(default="", description="Commit of the checkpoint on a hub.")
    architecture: Architecture | None = Field(
        default=None, description="The model to build where no checkpoint is named."
    )
    steps: Count = Field(description="Optimizer steps of next-token prediction; 0: none.")
    batch: Positive = Field(description="Documents a step.")
    max_tokens: Positive = Field(description="Tokens of a document at most; the rest is cut.")
    optimizer: Optimizer = Field(description="How to step.")

    @model_validator(mode="after")
    def _one_origin(self) -> Base:
        if bool(self.checkpoint) == (self.architecture is not None):
            raise ValueError("give either `checkpoint` or `architecture`")
        if self.architecture is not None and self.max_tokens > self.architecture.context:
            raise ValueError("`max_tokens` exceeds `architecture.context`")
        return self


class Supervised(Section):
    """Stages `bootstrap` and `finetune`: imitation of demonstrations."""

    steps: Count = Field(description="Optimizer steps.")
    batch: Positive = Field(description="Demonstrations a step.")
    max_tokens: Positive = Field(description="Tokens at most; longer demonstrations are cut.")
    optimizer: Optimizer = Field(description="How to step.")


class Rlp(Section):
    """Stage `rlp`: the paper's update, on text that carries no thoughts.

    Letters as in arXiv 2510.01265.
    """

    steps: Count = Field(description="Updates.")
    documents: Positive = Field(description="Documents an update. The paper: 512.")
    max_tokens: Positive = Field(description="T: tokens of a document at most. The paper: 2048.")
    positions: Positive = Field(description="K: places to think per document.")
    position_selection: Literal["answer", "uniform"] = Field(
        description="At marked answers, or drawn uniformly."
    )
    group_size: Annotated[int, Field(ge=2)] = Field(
        description="G: thoughts per place. The paper: 16. Two at least: the baseline of a "
        "thought is the mean of the others."
    )
    temperature: PositiveReal = Field(description="Sampling temperature. The paper: 0.7.")
    horizon: Positive = Field(description="H: tokens whose gain is rewarded. The paper: 1.")
    discount: Share = Field(description="Weight of each further token, for H > 1.")
    clip_low: Annotated[float, Field(gt=0, lt=1)] = Field(description="eps_low of equation 8.")
    clip_high: PositiveReal = Field(description="eps_high of equation 8.")
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="tau of the baseline model. The paper: 0.999."
    )
    optimizer: Optimizer = Field(description="How to step. The paper: AdamW, 1e-6, constant.")


class Cpt(Section):
    """Stage `cpt`: next-token prediction with the compute that `rlp` spent."""

    batch: Positive = Field(description="Documents a step.")
    compute_ratio: PositiveReal = Field(
        description="FLOPs as a multiple of those in the ledger of `rlp`. 1: matched."
    )
    optimizer: Optimizer = Field(description="How to step.")


# ------------------------------------------------------------------------------- evaluation


class BiasFiles(Section):
    """Published bias sets, by path; an empty path leaves the set out."""

    bbq: str = Field(default="", description="Folder with the files of BBQ.")
    bbq_per_category: Count = Field(
        default=0, description="Items per category, drawn by content hash; 0: all."
    )
    winobias: str = Field(default="", description="Folder with the files of WinoBias.")
    winobias_pairs: Count = Field(default=0, description="Pairs, drawn by content hash; 0: all.")
    template_items: Positive = Field(description="Items of the generated, balanced template set.")
    thoughts: Positive = Field(
        default=4, description="Thoughts per item; the choices' likelihoods are averaged over them."
    )


class Evaluate(Section):
    """Stage `evaluate@ARM`."""

    samples: Positive = Field(description="Answers per problem. The paper: 8.")
    temperature: PositiveReal = Field(description="Sampling temperature. The paper: 0.7.")
    problems: Positive = Field(description="Problems at most.")
    heldout_documents: Positive = Field(description="Documents at most for cross-entropy.")
    heldout_positions: Positive = Field(description="Places to think per document.")
    max_tokens: Positive = Field(description="Tokens of a document at most.")
    answer_tokens: Positive = Field(description="Tokens of an answer at most.")
    bias: BiasFiles = Field(description="Bias sets.")


class Compare(Section):
    """Stage `compare`."""

    resamples: Annotated[int, Field(ge=100)] = Field(description="Bootstrap resamples.")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(description="Of the intervals.")


class Gate(Section):
    """When the winner may become champion."""

    min_pass_at_1: Share = Field(description="Thinking pass@1 at least.")
    min_gain_over_base: float = Field(
        description="Lower bound of the interval of winner minus base, thinking pass@1."
    )
    min_information_gain: float = Field(description="Mean information gain at least, in nats.")
    max_bias_increase: NonNegative = Field(
        description="Lower bound of the interval of |bias| winner minus |bias| base, in points of "
        "100, at most, for every bias metric."
    )


class Promote(Section):
    """Stage `promote`."""

    candidates: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        description="Arms that may win."
    )
    metric: str = Field(description="Metric of the comparison by which they are ranked.")
    gate: Gate = Field(description="What must hold.")


# ---------------------------------------------------------------------------------- runtime


class Runtime(Section):
    """What changes speed, memory or logging, and no result. No stage depends on it."""

    device: str = Field(default="auto", description="`auto`, `cpu`, `cuda` or `cuda:N`.")
    threads: Positive = Field(description="CPU threads of a stage.")
    micro_batch: Positive = Field(description="Sequences through the network at once.")
    log_every: Positive = Field(description="Steps between lines of the log.")
    experiment: str = Field(default="rlp", min_length=1, description="MLflow experiment.")
    tracking: bool = Field(default=True, description="Whether to log to MLflow at all.")


class Params(Section):
    """The whole of `params.yaml`."""

    seed: Count = Field(description="Seed of every random choice.")
    thought: Thought
    prepare: Prepare
    validate_: Validate = Field(alias="validate")
    base: Base
    bootstrap: Supervised
    rlp: Rlp
    cpt: Cpt
    finetune: Supervised
    evaluate: Evaluate
    compare: Compare
    promote: Promote
    runtime: Runtime


def load(path: Path) -> Params:
    """Read and check a parameter file.

    Raises:
        MissingInputError: there is no such file.
        ConfigError: it is no YAML mapping, or a key, type or combination is wrong. The message
            names file, key, value, what is allowed, and the nearest known key.
    """
    if not path.is_file():
        raise MissingInputError(
            "no parameters here",
            where=str(path),
            fix="run `rlp profile use tiny`, which writes params.yaml",
        )
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"not a YAML file: {error}", where=str(path), fix="mend the line it names"
        ) from error
    if not isinstance(tree, dict):
        raise ConfigError(
            "no mapping of sections", where=str(path), fix="see profiles/tiny.yaml for the shape"
        )
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise _explain(error, path) from error


def _explain(error: ValidationError, path: Path) -> ConfigError:
    problems, places = [], []
    for problem in error.errors(include_url=False):
        keys = [str(key) for key in problem["loc"]]
        place = ".".join(keys) or "the file as a whole"
        if problem["type"] == "extra_forbidden":
            known = _known_keys(problem["loc"][:-1])
            near = difflib.get_close_matches(keys[-1], known, n=1, cutoff=0.5)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            problems.append(
                f"`{place}` = {_short(problem['input'])}: unknown key{hint} "
                f"(known here: {', '.join(sorted(known)) or 'none'})"
            )
        elif problem["type"] == "missing":
            problems.append(f"`{place}`: missing")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            problems.append(f"`{place}` = {_short(problem['input'])}: {message}")
        places.append(place)
    return ConfigError(
        "\n".join(["impossible parameters:", *(f"  - {text}" for text in problems)]),
        where=f"{path}, key {', '.join(places)}",
        fix="correct the keys named above; docs/reference/params.md lists all of them",
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """Keys of the section at `location`, by walking the models."""
    models: list[type[BaseModel]] = [Params]
    for step in location:
        if isinstance(step, int) or any(step == _tag(model) for model in models):
            models = [m for m in models if isinstance(step, int) or step == _tag(m)]
            continue
        fields = [
            field.annotation
            for model in models
            for name, field in model.model_fields.items()
            if (field.alias or name) == step
        ]
        models = [model for annotation in fields for model in _models_in(annotation)]
    return [f.alias or n for model in models for n, f in model.model_fields.items()]


def _tag(model: type[BaseModel]) -> str | None:
    kind = model.model_fields.get("kind")
    return typing.get_args(kind.annotation)[0] if kind else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [m for inner in typing.get_args(annotation) for m in _models_in(inner)]

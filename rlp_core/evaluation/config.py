"""Section `evaluate`: what is measured of a model, and on how much."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from rlp_core.errors import ConfigError
from rlp_core.evaluation import robustness
from rlp_core.evaluation.inspection_config import Inspect
from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.policy.config import Precision
from rlp_core.section import Count, Positive, PositiveReal, Section, Share


def named_once(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names themselves.

    Raises:
        ValueError: one comes twice.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"named twice: {', '.join(twice)}")
    return names


class BiasFiles(Section):
    """Published bias sets, by their folders below one; an empty name leaves the set out."""

    folder: str = Field(
        min_length=1,
        description="Folder that the sets lie below; a DVC dependency of stage `evaluate`.",
    )
    bbq: str = Field(default="", description="Folder with the files of BBQ, below `folder`.")
    bbq_per_category: Count = Field(
        default=0, description="Items per category, drawn by content hash; 0: all."
    )
    winobias: str = Field(
        default="", description="Folder with the files of WinoBias, below `folder`."
    )
    winobias_pairs: Count = Field(default=0, description="Pairs, drawn by content hash; 0: all.")
    holisticbias: str = Field(
        default="", description="Folder with the files of HolisticBias, below `folder`."
    )
    holisticbias_swaps: Count = Field(
        default=0,
        description="Swaps of descriptors per axis, each of 12 sentences, drawn by content hash; "
        "0: all.",
    )
    sets: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(),
        description="Further sets in use, by name: a YAML file each, yours in `folder` itself.",
    )
    sets_per_category: Count = Field(
        default=0,
        description="Items per category of each of `sets`, drawn by content hash, where the set's "
        "own file does not ask for fewer; 0: as the files say.",
    )
    random_models: Count = Field(
        default=0,
        description="Models of the same make with random weights, of as many seeds, that meet the "
        "same items without thoughts, once, beside the base: what a score is worth that knows "
        "nothing. 3 tell a little; 0: none.",
    )
    template_items: Positive = Field(description="Items of the generated, balanced template set.")
    thoughts: Positive = Field(
        default=4, description="Thoughts per item; the choices' likelihoods are averaged over them."
    )

    def bounded(self) -> tuple[str, ...]:
        """Sets in use whose items are dropped where a choice does not fit the limit on tokens."""
        return (*self.sets, *(("holisticbias",) if self.holisticbias else ()))

    @field_validator("sets")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return named_once(names)

    @field_validator("bbq", "winobias", "holisticbias")
    @classmethod
    def _below(cls, name: str) -> str:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(
                "must lie below `evaluate.bias.folder`, on which the stage depends: what lies "
                "elsewhere could change and nothing would run again"
            )
        return name


class Shots(Section):
    """Worked examples put before each problem, beside asking without any.

    They are demonstrations of part `finetune` that show a thought; of options that are weighed,
    what `examples` of the benchmark names, or problems of its own that are not asked. They are
    drawn for each problem anew, the same for every arm. Which examples a model happens to meet is
    then a part of what the intervals over problems say is uncertain; one set for all problems would
    shift them together, unseen.
    """

    count: Count = Field(default=0, description="Examples per problem; 0: problems are asked bare.")
    arms: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(),
        description="Arms that are asked so; empty: all. `[base]` is enough to tell which part of "
        "a gain examples give for nothing.",
    )
    max_tokens: Positive = Field(
        default=1024,
        description="Tokens of a prompt with its examples at most, in every form; examples that do "
        "not fit are left out and counted.",
    )
    separator: str = Field(
        default="\n\n",
        min_length=1,
        description="What follows an example, in place of the space that it ends with.",
    )
    answer_marker: str = Field(
        default="\nAnswer:",
        min_length=1,
        description="What stands between work and answer where the work is plain text. The work, "
        "this and the answer have as many tokens as a thought, its delimiters and an answer.",
    )

    def asked(self, arm: str) -> bool:
        """Whether an arm is asked with examples too."""
        return self.count > 0 and (not self.arms or arm in self.arms)


class Robustness(Section):
    """The same problems with typos, other names and the like, beside the problems as they are.

    What a perturbation does to a problem is drawn by (seed, perturbation, problem): all arms meet
    the same texts.
    """

    perturbations: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(),
        description="Perturbations by name: entries of docs/reference/robustness.md; empty: none.",
    )
    problems: Positive = Field(
        default=50,
        description="Problems per benchmark at most, drawn by content hash from those that are "
        "asked.",
    )
    samples: Positive = Field(
        default=4, description="Answers per problem and perturbation, thinking and not."
    )

    @field_validator("perturbations")
    @classmethod
    def _known_and_named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            try:
                keeps = robustness.get(name).keeps_answer
            except ConfigError as error:
                raise ValueError(f"{error.what}; {error.fix}") from error
            if not keeps:
                raise ValueError(
                    f"`{name}` changes the right answer, and what is answered to it cannot be "
                    "marked: name perturbations that keep it"
                )
        return named_once(names)


class Evaluate(Section):
    """Stage `evaluate@ARM`."""

    precision: Precision = Field(
        default="float32",
        description="What computes. In bfloat16 answers of near ties differ: float32 for tables.",
    )
    samples: Positive = Field(description="Answers per problem. The paper: 8.")
    temperature: PositiveReal = Field(description="Sampling temperature. The paper: 0.7.")
    benchmarks: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = Field(
        description="Benchmarks in use, by name: a YAML file each."
    )
    benchmark_folder: str = Field(
        min_length=1,
        description="Folder with your own benchmarks; a DVC dependency of stage `prepare`.",
    )
    problems: Positive = Field(
        description="Problems at most, as many of each benchmark, drawn by content hash."
    )
    problems_of: dict[str, Positive] = Field(
        default={},
        description="By benchmark, problems of it at most, beside `problems`, which the others "
        "share: more of the benchmark that ranks the arms.",
    )
    heldout_documents: Positive = Field(
        description="Documents at most for cross-entropy, as many of each source, drawn by content "
        "hash."
    )
    heldout_positions: Positive = Field(description="Places to think per document.")
    max_tokens: Positive = Field(description="Tokens of a document at most.")
    answer_tokens: Positive = Field(description="Tokens of an answer at most.")
    chat_template: bool = Field(
        default=False,
        description="Whether a problem is asked as a user's message, by the model's own chat "
        "template. For models that were trained to be talked to; examples in front of a problem "
        "(`shots`) and held-out text stay as they are.",
    )
    shots: Shots = Field(
        default=Shots(), description="Worked examples before each problem, beside zero-shot."
    )
    controls: bool = Field(
        default=False,
        description="Whether to measure, where thoughts are tried, the next `horizon` tokens after "
        "the thought and after control thoughts: an empty one, another text's, random tokens.",
    )
    horizon: Positive = Field(
        default=1,
        description="Tokens that `controls` measures at a place; as `rlp.horizon` to see what was "
        "rewarded.",
    )
    audit: RewardAudit = Field(
        default=RewardAudit(), description="Signs of a reward that is not earned by thinking."
    )
    inspect: Inspect = Field(
        default=Inspect(), description="What the page's thought inspector shows; no metric."
    )
    warn_lost_share: Share = Field(
        default=0.02,
        description="A larger share of records that the limits on tokens drop or cut is a warning.",
    )
    max_lost_share: Share = Field(
        default=0.5,
        description="A larger share is an error, held-out documents excepted of which only the end "
        "is not read.",
    )
    robustness: Robustness = Field(
        default=Robustness(),
        description="Problems that are asked again with perturbations, by every arm.",
    )
    bias: BiasFiles = Field(description="Bias sets.")

    def most_problems(self) -> int:
        """Problems that are asked at most."""
        shared = self.problems if len(self.problems_of) < len(self.benchmarks) else 0
        return shared + sum(self.problems_of.values())

    @field_validator("benchmarks")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return named_once(names)

    @model_validator(mode="after")
    def _counts_what_is_asked(self) -> Evaluate:
        if unused := [name for name in self.problems_of if name not in self.benchmarks]:
            raise ValueError(
                f"`problems_of` names what `benchmarks` does not: {', '.join(unused)}; "
                "add it there, or leave it out here"
            )
        return self

    @model_validator(mode="after")
    def _examples_leave_room(self) -> Evaluate:
        if self.shots.count and self.shots.max_tokens < self.max_tokens:
            raise ValueError(
                f"`shots.max_tokens` = {self.shots.max_tokens} must be at least `max_tokens` = "
                f"{self.max_tokens}: a prompt with examples holds the problem too"
            )
        return self

    @model_validator(mode="after")
    def _audits_beside_controls(self) -> Evaluate:
        if self.audit.enabled and not self.controls:
            raise ValueError(
                "`audit.enabled` needs `controls: true`: it asks more of the same thoughts"
            )
        return self

    @model_validator(mode="after")
    def _warns_first(self) -> Evaluate:
        if self.warn_lost_share > self.max_lost_share:
            raise ValueError("`warn_lost_share` must not exceed `max_lost_share`")
        return self

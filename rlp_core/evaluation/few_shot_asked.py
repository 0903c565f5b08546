"""Problems with worked examples in front, those with written answers and those with options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlp_core.data.records import Demonstration, Problem
from rlp_core.evaluation.config import Shots
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.few_shot import ShotProblem, ask, few_shot, fewer_examples, pool
from rlp_core.evaluation.few_shot_options import (
    Pools,
    ShotOptions,
    ask_options,
    few_shot_options,
    option_pools,
    without_examples,
)
from rlp_core.evaluation.losses import Loss
from rlp_core.evaluation.weighed import is_weighed


@dataclass(frozen=True)
class WorkedExamples:
    """What examples are drawn from; no model is needed to gather it.

    Attributes:
        problems: that are asked, with examples or not.
        demonstrations: for written answers.
        pools: for options that are weighed.
    """

    problems: Sequence[Problem]
    demonstrations: Sequence[Demonstration] = ()
    pools: Pools = field(default_factory=dict)

    @classmethod
    def gather(
        cls,
        problems: Sequence[Problem],
        others: Sequence[Problem],
        shown: Callable[[], Sequence[Demonstration]],
        shots: Shots,
        where: str,
    ) -> WorkedExamples:
        """What may stand before the problems; what is left out is said.

        Args:
            problems: that are asked.
            others: all that are at hand, asked or not.
            shown: reads the demonstrations; called where an answer is written.
            shots: the settings.
            where: the stage, for what is said.

        Raises:
            ConfigError: there are too few.
        """
        written, weighed = _written(problems), _weighed(problems)
        demonstrations = pool(shown(), written, shots, where) if written else []
        pools = option_pools(weighed, others, shots, where)
        if bare := len(problems) - len(written) - len(weighed):
            print(
                f"{where}: {bare} problems are of tasks of lm-evaluation-harness, whose prompts "
                "bring their own examples, and are not asked with others"
            )
        return cls(problems, demonstrations, pools)

    def ask(self, evaluator: Evaluator) -> AskedAfterExamples:
        """Every problem with its examples; nothing runs through the model."""
        shots, weighed = evaluator.settings.shots, _weighed(self.problems)
        written = (
            ask(evaluator, _written(self.problems), self.demonstrations)
            if self.demonstrations
            else []
        )
        options = ask_options(evaluator, weighed, self.pools) if self.pools else []
        losses = without_examples(self.pools, weighed, shots)
        if written or options:
            losses.append(fewer_examples([*written, *options], shots))
        order = {problem.id: place for place, problem in enumerate(self.problems)}
        return AskedAfterExamples(written, options, losses, order)


@dataclass(frozen=True)
class AskedAfterExamples:
    """Problems with their examples.

    Attributes:
        written: those whose answer is written.
        options: those whose options are weighed.
        losses: of examples, by their names.
        order: place of each problem, by its id.
    """

    written: Sequence[ShotProblem]
    options: Sequence[ShotOptions]
    losses: Sequence[Loss]
    order: dict[str, int]

    def rows(self, evaluator: Evaluator) -> list[dict[str, Any]]:
        """Rows of `few_shot.jsonl`, in the order of the problems; none where nothing is asked."""
        made = few_shot(evaluator, self.written) if self.written else []
        made += few_shot_options(evaluator, self.options) if self.options else []
        return sorted(made, key=lambda row: self.order[row["id"]])


def _written(problems: Sequence[Problem]) -> list[Problem]:
    return [p for p in problems if not is_weighed(p) and p.role == "asked"]


def _weighed(problems: Sequence[Problem]) -> list[Problem]:
    return [p for p in problems if is_weighed(p) and p.role == "asked"]

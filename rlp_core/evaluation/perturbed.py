"""The same problems, perturbed: which text each is asked with, and what is lost on the way.

A text is drawn by (seed, perturbation, problem), so that all arms meet the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rlp_core.data.records import Problem
from rlp_core.evaluation import robustness, verified
from rlp_core.evaluation.config import Evaluate
from rlp_core.evaluation.drawing import draw_of_each
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.item_files import CLEAN
from rlp_core.evaluation.losses import Loss
from rlp_core.evaluation.robustness import Perturbation
from rlp_core.evaluation.robustness._needs import MET
from rlp_core.evaluation.robustness._question import Question
from rlp_core.rollout.rng import generator, number_of
from rlp_core.workspace import VERIFIED

PERTURBED = 40
"""What a random number is for, beside those of `evaluator.py`."""

Asked = Mapping[str, Sequence[Problem]]
"""By perturbation the problems as they are asked; under `CLEAN` all of them as they are."""


def perturbed(problem: Problem, name: str, seed: int) -> Problem | None:
    """A problem under a perturbation, by (seed, perturbation, problem); None: it does not apply.

    To a problem whose choices are read in contexts of their own none applies: it has no one text.
    Nor does one after which the world of a problem finds another task in its prompt, or none: a
    board is no sentence.

    Raises:
        PluginError: the perturbation raised, or touched what the answer rests on.
    """
    part, question = robustness.get(name), Question.of(problem)
    if problem.contexts or not MET[part.needs](question):
        return None
    rng = generator(seed, PERTURBED, number_of(name), number_of(problem.id))
    try:
        body = part.function(question, rng)
    except Exception as error:
        raise robustness.fault(name, f"raised {type(error).__name__}: {error}") from error
    if body is None or body == question.body:
        return None
    if not _keeps(question, body, part):
        raise robustness.fault(
            name, f"changed what the answer of problem {problem.id!r} rests on: {body[:200]!r}"
        )
    prompt = question.prompt(body)
    if problem.rule == VERIFIED and not verified.asks_the_same(problem, prompt):
        return None
    return problem.model_copy(update={"prompt": prompt})


def ask_perturbed(problems: Sequence[Problem], settings: Evaluate, seed: int) -> Asked:
    """The problems that are asked, clean and under each perturbation that applies.

    Args:
        problems: those that are measured.
        settings: section `evaluate`.
        seed: of the run.
    """
    chosen = settings.robustness
    most = dict.fromkeys((problem.benchmark for problem in problems), chosen.problems)
    kept = {problem.id for problem in draw_of_each(problems, most)}
    clean = [problem for problem in problems if problem.id in kept]
    asked: dict[str, Sequence[Problem]] = {CLEAN: clean}
    for name in chosen.perturbations:
        made = (perturbed(problem, name, seed) for problem in clean)
        asked[name] = [problem for problem in made if problem is not None]
    return asked


def perturbed_losses(evaluator: Evaluator, asked: Asked) -> list[Loss]:
    """Which problems a perturbation does not apply to, and which of its prompts are cut."""
    found = []
    for name, problems in asked.items():
        if name == CLEAN:
            continue
        lost = {loss.name: loss for loss in evaluator.losses(problems, (), ())}
        cut, most = lost["cut_problem_prompts"], evaluator.settings.max_tokens
        found += [
            Loss(
                f"unperturbed_problems/{name}",
                len(asked[CLEAN]) - len(problems),
                len(asked[CLEAN]),
                f"problems are not asked with `{name}`: it does not apply to them (it needs "
                f"{robustness.get(name).needs})",
                "name a perturbation that suits the benchmarks",
                bounded=False,
            ),
            Loss(
                f"cut_perturbed_prompts/{name}",
                cut.count,
                cut.total,
                f"prompts are cut after `{name}`: the model does not read their beginning",
                f"raise evaluate.max_tokens = {most}, or name another perturbation",
            ),
        ]
    return found


def _keeps(question: Question, body: str, part: Perturbation) -> bool:
    """Whether all that the answer rests on is still there, in order, and no number came besides."""
    before, after = question.rests_on(), question.rests_on(body)
    if part.adds == "nothing":
        return sorted(before) == sorted(after) if part.reorders else before == after
    digits = sum(text[0].isdigit() for text in after) - sum(text[0].isdigit() for text in before)
    if digits != (part.adds == "a number"):
        return False
    if part.reorders:
        return not Counter(before) - Counter(after)
    rest = iter(after)
    return all(text in rest for text in before)

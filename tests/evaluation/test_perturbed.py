"""Which problems are asked perturbed, and what is counted on the way."""

from __future__ import annotations

import dataclasses

from rlp_core.evaluation.config import Robustness
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.item_files import CLEAN
from rlp_core.evaluation.perturbed import ask_perturbed, perturbed, perturbed_losses
from rlp_core.evaluation.robustness import built_in
from tests.evaluation.robustness.questions import ARITHMETIC, TOM
from tests.evaluation.samples import PROBLEMS, choice_problem, evaluator

TRIED = ("irrelevant_sentence", "typo", "renamed_entities")


def asking(max_tokens: int = 90, **changes: object) -> Evaluator:
    made = evaluator(max_tokens=max_tokens)
    chosen = Robustness(perturbations=TRIED, samples=2).model_copy(update=changes)
    return dataclasses.replace(
        made, settings=made.settings.model_copy(update={"robustness": chosen})
    )


def test_what_does_not_apply_or_fit_is_counted() -> None:
    made = asking(60)
    problems = [TOM, ARITHMETIC.model_copy(update={"id": "q", "key": "q"})]
    asked = ask_perturbed(problems, made.settings, 1)
    assert {name: [p.id for p in of] for name, of in asked.items()} == {
        CLEAN: ["p", "q"],
        "irrelevant_sentence": ["p", "q"],
        "typo": ["p"],
        "renamed_entities": ["p"],
    }
    found = {loss.name: loss for loss in perturbed_losses(made, asked)}
    counts = {name: (loss.count, loss.total) for name, loss in found.items()}
    lengths = [len(made.codec.context(p.prompt)) for p in asked["irrelevant_sentence"]]
    assert counts["unperturbed_problems/irrelevant_sentence"] == (0, 2)
    assert counts["unperturbed_problems/typo"] == (1, 2)
    assert counts["cut_perturbed_prompts/irrelevant_sentence"] == (sum(n > 60 for n in lengths), 2)
    assert counts["cut_perturbed_prompts/typo"] == (1, 1)
    assert sum(n > 60 for n in lengths) >= 1
    assert not found["unperturbed_problems/typo"].bounded
    assert found["cut_perturbed_prompts/typo"].bounded
    assert "it needs free words" in str(found["unperturbed_problems/typo"])


def test_a_limit_holds_for_every_benchmark() -> None:
    many = [p.model_copy(update={"benchmark": b, "id": f"{b}{p.id}", "key": f"{b}{p.key}"})
            for b in "xyz" for p in PROBLEMS]  # fmt: skip
    asked = ask_perturbed(many, asking(problems=2).settings, 1)
    assert [p.benchmark for p in asked[CLEAN]] == list("xxyyzz")


def test_a_small_benchmark_leaves_its_share_to_no_other() -> None:
    many = [p.model_copy(update={"benchmark": b, "id": f"{b}{p.id}", "key": f"{b}{p.key}"})
            for b, few in (("x", 1), ("y", 3)) for p in PROBLEMS[:few]]  # fmt: skip
    asked = ask_perturbed(many, asking(problems=2).settings, 1)
    assert [p.benchmark for p in asked[CLEAN]] == list("xyy")


def test_a_problem_with_a_context_of_each_choice_has_no_one_text() -> None:
    contexts = ["Tom met Ryan because Tom was late.", "Tom met Ryan because Ryan was late."]
    own = choice_problem("w", "Tom met Ryan because _ was late.", ["Tom", "Ryan"], "Tom",
                         contexts=contexts, continuations=[" So."] * 2)  # fmt: skip
    assert [perturbed(own, name, 1) for name in built_in()] == [None] * len(built_in())
    alone = own.model_copy(update={"contexts": []})
    assert perturbed(alone, "typo", 1) is not None

"""Names of metrics in MLflow: no two become one, MLflow takes them, headlines come first."""

from __future__ import annotations

import random
import re
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils import validation

from rlp_core.evaluation.abilities import GROUP, OF_A_BENCHMARK
from rlp_core.evaluation.bias.scores import SCORES
from rlp_core.evaluation.comparison import BEST_MODE, MEANINGS
from rlp_core.evaluation.few_shot_metrics import FEW_SHOT_DESCRIPTIONS, FEW_SHOT_KIND_DESCRIPTIONS
from rlp_core.evaluation.perturbed_metrics import ROBUSTNESS_DESCRIPTIONS
from rlp_core.evaluation.reward_audit.audit_metrics import AUDIT_DESCRIPTIONS
from rlp_core.evaluation.reward_audit.rules import RULES
from rlp_core.stage import stage_names
from rlp_core.tracking.metric_names import (
    LIMIT,
    PLACEHOLDERS,
    PROCESS,
    TABLES,
    admitted,
    lines_of,
    logged_as,
)
from rlp_core.tracking.naming import acceptable_name
from rlp_core.workspace import BenchmarkGroup

BENCHMARKS = [f"benchmark-{number}" for number in range(15)]
OF_AN_ARM = sorted(MEANINGS.keys() - BEST_MODE.keys())
OF_PROBLEMS = sorted(
    {
        *OF_A_BENCHMARK,
        "maj_at_k_direct",
        "acc_thinking",
        *FEW_SHOT_DESCRIPTIONS,
        *FEW_SHOT_KIND_DESCRIPTIONS,
    }
)
STAGES = ["prepare", "validate", "rlp", "evaluate@rlp", "compare", "promote", "of-another-version"]

# Names as stages give them, put together from their parts in every way, sensible or not.
_PARTS = [
    *("overall", "heldout", "gsm8k", "group:x", "bias", "audit", "lost", "eval", "other", "rlp"),
    *("thinking", "direct", "gain", "few_shot", "both", "random", "pass_at_1", "final_loss", "é"),
    *("score_direct", "score_random_low", "left_out", "rlp_minus_cpt", "dropped_items", ""),
]
WORDS = st.sampled_from([*OF_AN_ARM, *SCORES, *_PARTS])
NAMES = st.one_of(st.lists(WORDS, min_size=1, max_size=5).map("/".join), st.text(max_size=40))


def measured() -> list[str]:
    """What an arm measures with everything on: several hundred numbers."""
    sets = [*BENCHMARKS, *(f"{GROUP}{group}" for group in get_args(BenchmarkGroup))]
    names = [*OF_AN_ARM, *(f"{name}/{of}" for name in OF_PROBLEMS for of in sets)]
    for mode in ("thinking", "direct"):
        names += [f"bias/templates/{name}_{mode}" for name in ("score", "male_preference")]
        names += [
            f"bias/bbq/{category}/{name}_{mode}"
            for category in ("Age", "Religion", "Physical_appearance")
            for name in ("s_amb", "s_dis", "acc_amb", "acc_dis", "accuracy_cost")
        ]
    for stem in ROBUSTNESS_DESCRIPTIONS:
        names += [f"{stem}/typo", f"{stem}/typo/gsm8k"]
    names += ["bias/bbq/Age/left_out", "bias/templates/score_random_low", "cut_problem_prompts"]
    return names + [f"audit/{name}" for name in AUDIT_DESCRIPTIONS]


def rivals(logged: str) -> list[str]:
    """Names that are made of the parts of a name in MLflow, in ways in which a table could."""
    *place, mode, metric = ["", "", *logged.split("/")]
    within = "/".join(filter(None, place))
    inner = within.partition("/")[2]
    ends = [metric, f"{metric}_{mode}", f"{mode}_{metric}", f"{mode}/{metric}"]
    return [
        logged,
        *ends,
        *(f"{within}/{end}" for end in ends),
        *(f"{end}/{inner}" for end in ends),
        *(f"{inner}/{end}" for end in ends),
    ]


@pytest.mark.parametrize("stage", STAGES)
@given(st.lists(NAMES, max_size=20))
@example(["pass_at_1_thinking", "pass_at_1_thinking/overall", "bias/a/x_thinking"])
@example(["bias/a/score_random_low", "bias/a/b/x_direct", "other/information_gain"])
def test_no_two_names_become_one(stage: str, names: list[str]) -> None:
    mapped = {name: logged_as(stage, name) for name in names}
    for logged in list(mapped.values()):
        mapped |= {name: logged_as(stage, name) for name in rivals(logged)}
    assert len(set(mapped.values())) == len(mapped)


def test_all_names_of_a_run_stay_apart() -> None:
    names = measured()
    assert len(names) > 300
    assert len({acceptable_name(logged_as("evaluate@rlp", n)) for n in names}) == len(set(names))


@pytest.mark.parametrize("stage", STAGES)
@given(name=NAMES)
def test_mlflow_takes_every_name(stage: str, name: str) -> None:
    validation._validate_metric(acceptable_name(logged_as(stage, name)), 1.0, 0, 0)


@pytest.mark.parametrize(
    ("name", "logged"),
    [
        ("pass_at_1_thinking", "eval/overall/thinking/pass_at_1"),
        ("pass_at_1_direct/gsm8k", "eval/gsm8k/direct/pass_at_1"),
        ("pass_at_1_gain/group:mathematics", "eval/group:mathematics/gain/pass_at_1"),
        ("pass_at_1_few_shot_work/gsm8k", "eval/gsm8k/few_shot_work/pass_at_1"),
        ("acc_norm_direct/arc-easy", "eval/arc-easy/direct/acc_norm"),
        ("maj_at_k_thinking", "eval/overall/thinking/maj_at_k"),
        ("thought_tokens/gsm8k", "eval/gsm8k/thinking/thought_tokens"),
        ("position_cross_entropy_thinking", "eval/heldout/thinking/position_cross_entropy"),
        ("information_gain", "eval/heldout/gain/information_gain"),
        ("bias/bbq/Age/s_amb_thinking", "bias/bbq/Age/thinking/s_amb"),
        ("bias/templates/score_direct", "bias/templates/direct/score"),
        ("bias/templates/score_random_high", "bias/templates/random/score_high"),
        ("bias/crows-pairs/too_few", "bias/crows-pairs/both/too_few"),
        ("audit/specificity", "audit/specificity"),
        ("robust_drop_rate_thinking/typo/gsm8k", "robust/typo/gsm8k/thinking/drop_rate"),
        ("robust_gain_change/typo", "robust/typo/gain/gain_change"),
        ("unperturbed_problems/typo", "lost/unperturbed_problems/typo"),
        ("dropped_bias_items/winogender", "lost/dropped_bias_items/winogender"),
        ("pass_at_1_thinking/overall", "other/pass_at_1_thinking/overall"),
        ("new_and_unheard_of", "other/new_and_unheard_of"),
        ("wall_seconds", "process/wall_seconds"),
    ],
)
def test_names_of_an_evaluation(name: str, logged: str) -> None:
    assert logged_as("evaluate@rlp", name) == logged


def test_whatever_evaluation_declares_has_a_place_and_a_valid_name() -> None:
    for name in measured():
        logged = logged_as("evaluate@rlp", name)
        assert re.match(r"(eval|bias|audit|robust|lost)/", logged), name
        assert acceptable_name(logged) == logged
        if logged.startswith(("eval/", "bias/", "robust/")):
            assert logged.split("/")[-2] in {
                "thinking", "direct", "gain", "few_shot", "few_shot_thinking", "few_shot_work",
                "both", "random",
            }  # fmt: skip


def test_the_table_knows_scores_and_alarms() -> None:
    assert PLACEHOLDERS["score"][0] == "|".join(SCORES)
    looked_at = {rule.metric for rule in RULES} | {"gain"}
    alarm = re.compile(PLACEHOLDERS["alarm"][0])
    assert {name for name in AUDIT_DESCRIPTIONS if alarm.fullmatch(name)} == looked_at


def test_every_stage_has_a_table_and_every_line_its_placeholders() -> None:
    assert {name.partition("@")[0] for name in stage_names()} == set(TABLES)
    used = set()
    for stage in TABLES:
        for line in lines_of(stage):
            both = [set(re.findall(r"\{(\w+)\}", name)) for name in (line.measured, line.logged)]
            assert both[0] == both[1], line
            used |= both[0]
    assert used == set(PLACEHOLDERS)


def test_every_line_is_reached_by_some_name() -> None:
    """A line that is hidden behind earlier ones would be a name that nothing is given."""
    samples = [*measured(), "shots", "pass_at_1_few_shot/gsm8k", "new", *PROCESS]
    reached = {_line("evaluate@rlp", name) for name in samples}
    assert reached == set(range(len(lines_of("evaluate@rlp"))))


def _line(stage: str, name: str) -> int:
    from rlp_core.tracking.metric_names import _placed

    return _placed(stage, name)[0]


def test_a_run_holds_at_most_sixty_the_headlines_first() -> None:
    names = [*measured(), *PROCESS]
    chosen = admitted("evaluate@rlp", names)
    assert len(chosen) == len(set(chosen)) == LIMIT == 60
    assert chosen[:3] == list(PROCESS)
    assert set(chosen[3:5]) == {"pass_at_1_thinking", "pass_at_1_direct"}
    headlines = {"information_gain", "content_gain", "gain_over_empty", "pass_at_1_few_shot"}
    assert headlines <= set(chosen)
    for mode in ("thinking", "direct"):
        assert {f"pass_at_1_{mode}/{name}" for name in BENCHMARKS} <= set(chosen)
        assert f"bias/templates/score_{mode}" in chosen
    assert any(name.startswith("audit/") for name in chosen)
    assert not any(name.startswith("greedy") for name in chosen)


@given(st.sets(st.sampled_from(measured()), max_size=120), st.randoms(use_true_random=False))
def test_what_is_chosen_is_a_matter_of_the_names_alone(
    names: set[str], shuffler: random.Random
) -> None:
    given_names = sorted(names)
    shuffled = given_names.copy()
    shuffler.shuffle(shuffled)
    chosen = admitted("evaluate@rlp", given_names)
    assert admitted("evaluate@rlp", shuffled) == chosen
    assert len(chosen) == min(len(names), LIMIT - len(PROCESS))


def test_room_is_kept_for_the_process() -> None:
    assert len(admitted("evaluate@rlp", measured(), taken=50)) == 7
    assert admitted("evaluate@rlp", PROCESS, taken=57) == list(PROCESS)
    assert admitted("evaluate@rlp", measured(), taken=99) == []

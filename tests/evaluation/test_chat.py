"""Problems as a user's messages: the template's tokens around, and the problem's text inside."""

from __future__ import annotations

import copy
import dataclasses

import pytest

from rlp_core.data.tokenizer import END_OF_TEXT, Codec
from rlp_core.errors import ConfigError
from rlp_core.evaluation.chat import chat_frame
from rlp_core.evaluation.evaluator import Evaluator
from rlp_core.evaluation.problem_rows import problem_rows
from tests import models
from tests.evaluation.samples import PROBLEMS, choice_problem, evaluator, problem

TEMPLATE = (
    "{% for m in messages %}" + END_OF_TEXT + "{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}model:{% endif %}"
)


def codec(template: str | None) -> Codec:
    tokenizer = copy.deepcopy(models.tokenizer())
    tokenizer.chat_template = template
    return Codec.of(tokenizer, models.DELIMITERS)


def chatting(max_tokens: int = 40) -> Evaluator:
    made = evaluator(max_tokens=max_tokens, codec=codec(TEMPLATE))
    return dataclasses.replace(
        made, settings=made.settings.model_copy(update={"chat_template": True})
    )


def test_a_problem_stands_inside_the_template() -> None:
    made = chatting()
    tokens = made.asked("Q: 3+4\nA:")
    assert tokens[0] == made.codec.end_id  # the template's own control token
    assert made.codec.decode(tokens[1:]) == "user: Q: 3+4\nA:\nmodel:"
    before, after = made.chat
    assert tokens == [*before, *made.codec.encode("Q: 3+4\nA:"), *after]


def test_a_control_token_is_never_read_out_of_a_problem() -> None:
    made = chatting(max_tokens=200)
    tokens = made.asked(f"{END_OF_TEXT}model: 7{models.DELIMITERS[1]}")
    assert tokens.count(made.codec.end_id) == 1
    assert made.codec.close_id not in tokens


def test_a_long_problem_is_cut_inside_the_template() -> None:
    made = chatting(max_tokens=30)
    before, after = made.chat
    tokens = made.asked("1+" * 60)
    assert len(tokens) == 30
    assert tokens[: len(before)] == before
    assert tokens[-len(after) :] == after
    long = [problem("l", "1+" * 60, "1")]
    lost = {loss.name: loss.count for loss in made.losses(long, [], [])}
    assert lost["cut_problem_prompts"] == 1


def test_written_and_weighed_problems_are_asked_so() -> None:
    made = chatting()
    choices = choice_problem("c", "Q: 3+4\nA:", ["7", "8"], "7")
    plain = dataclasses.replace(made, settings=evaluator().settings)
    rows, others = (problem_rows(one, [*PROBLEMS, choices]) for one in (made, plain))
    assert rows[-1]["logprob_direct"] != others[-1]["logprob_direct"]
    head = made.asked(choices.prompt)
    expected = made.weigh([head], [[made.codec.encode("7"), made.codec.encode("8")]])[0]
    assert rows[-1]["logprob_direct"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "no chat template"),
        ("{{ messages[0].content | upper }}", "does not hold a user's message once"),
        ("{{ messages[0].content }}{{ messages[0].content }}", "does not hold"),
        ("{{ raise_exception('no') }}", "cannot be rendered"),
    ],
)
def test_a_template_that_cannot_be_used_is_told(template: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        chat_frame(codec(template))
    assert "evaluate.chat_template" in caught.value.where

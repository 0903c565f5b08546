"""What the limits take is counted, told, and refused where too little is left."""

from __future__ import annotations

import pytest

from rlp_core.errors import DataError
from rlp_core.evaluation.losses import Loss, report
from tests import models
from tests.evaluation.samples import document, evaluator, problem, templates_item

LONG = "Q: " + "1+" * 30 + "1\nA:1\n"


def test_every_loss_is_counted() -> None:
    marked = document("late", LONG, [[LONG.index("A:") + 2, LONG.index("A:") + 3]])
    early = document("cut", LONG, [[3, 4]])
    whole = document("whole", "Q: 3+4\nA:7\n", [[9, 10]])
    piece = whole.model_copy(update={"ends": False})  # its text goes on: no end is missing
    problems = [problem("p", LONG, "1"), problem("q", "Q:", "1,234,567 legs")]
    items = [templates_item("t", LONG)]
    made = evaluator(max_tokens=16)
    counts = {
        loss.name: (loss.count, loss.total)
        for loss in made.losses(problems, [marked, early, whole, piece], items)
    }
    assert counts == {
        "dropped_heldout_documents": (1, 4),
        "cut_heldout_documents": (2, 4),
        "cut_problem_prompts": (1, 2),
        "unanswerable_problems": (1, 2),
        "cut_bias_contexts": (1, 1),
    }
    assert len(made.heldout([marked, early, whole])) == 2
    assert len(models.codec().encode(problems[1].answer)) > made.settings.answer_tokens


@pytest.mark.parametrize(
    ("count", "total", "bounded", "said", "raised"),
    [
        (0, 10, True, "", False),
        (1, 100, True, "evaluate@rlp: 1 of 100 lost (1.0%); do this", False),
        (5, 100, True, "warning: evaluate@rlp: 5 of 100 lost (5.0%); do this", False),
        (60, 100, True, "warning: evaluate@rlp: 60 of 100", True),
        (60, 100, False, "warning: evaluate@rlp: 60 of 100", False),
        (0, 0, True, "", False),
    ],
)
def test_a_share_is_told_then_a_warning_then_an_error(
    count: int,
    total: int,
    bounded: bool,
    said: str,
    raised: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    losses = [Loss("x", count, total, "lost", "do this", bounded)]
    if raised:
        with pytest.raises(DataError, match="60 of 100 lost"):
            report(losses, "evaluate@rlp", 0.02, 0.5)
    else:
        report(losses, "evaluate@rlp", 0.02, 0.5)
    printed = capsys.readouterr().out
    assert printed.startswith(said)
    assert bool(printed) == bool(said)


def test_nothing_left_is_an_error_whatever_the_limit() -> None:
    with pytest.raises(DataError, match="too little is left") as caught:
        report([Loss("x", 3, 3, "lost", "raise it")], "evaluate@rlp", 1.0, 1.0)
    assert caught.value.fix == "raise it"

"""The check at the start of a run: what it says, what it stops, and what it leaves alone."""

from __future__ import annotations

import pytest

from rlp_core.errors import TrainingError
from rlp_core.rollout import branches, verify
from rlp_core.training.selfcheck import verify_branches
from tests.rollout.test_verify import shifted
from tests.training import steps
from tests.training.steps import trainer

DOUBT = verify.Agreement(rms=0.5, tail=2.0, dense_rms=0.1, dense_tail=0.3)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("verdict", ["error", "warn"])
def test_right_code_is_trained_with_a_line_of_what_was_found(precision, verdict, capsys):
    made = trainer(precision=precision)
    verify_branches(made, verdict)
    said = capsys.readouterr().out
    assert said.startswith("rlp: branch attention errs by ")
    assert "warning" not in said


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_fault_is_an_error_and_names_the_way_round(precision, monkeypatch):
    made = trainer(precision=precision)
    real = branches.across_segments
    monkeypatch.setattr(branches, "across_segments", lambda *rest: shifted(-1)(real(*rest)))
    with pytest.raises(TrainingError, match="more than rounding") as raised:
        verify_branches(made, "error")
    assert "runtime.verify: warn" in raised.value.fix


def test_a_warning_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(verify, "compare", lambda *_: DOUBT)
    verify_branches(trainer(), "warn")
    assert "warning: branch attention differs" in capsys.readouterr().out


def test_off_compares_nothing(monkeypatch, capsys):
    monkeypatch.setattr(verify, "compare", None)
    verify_branches(trainer(), "off")
    assert capsys.readouterr().out == ""


def test_nothing_of_the_learner_changes():
    made, twin = trainer(), trainer()
    verify_branches(made, "error")
    assert steps.same(made.state(), twin.state())
    assert made.step(0).metrics == twin.step(0).metrics

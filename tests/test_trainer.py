"""The library: three lines train a model, callbacks are told, a run goes on where it was ended."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import rlp_core
from rlp_core import (
    Document,
    HeldoutConfig,
    OptimizerConfig,
    RLPCallback,
    RLPConfig,
    RLPTrainer,
    ThoughtConfig,
)
from rlp_core.data.thinking import Thinking
from rlp_core.errors import ConfigError, DataError, PluginError, UsageError
from rlp_core.files import folder_sha256
from tests import models

TEXTS = [f"Q: {a}+{b}\nA:{a + b}\n" for a in range(1, 5) for b in range(1, 6)]
THOUGHT = ThoughtConfig(max_tokens=6)
SMALL = {"steps": 3, "documents": 2, "max_tokens": 24, "positions": 1, "group_size": 3}


def made(*callbacks: RLPCallback, **changes: Any) -> RLPTrainer:
    keywords = {k: changes.pop(k) for k in ("output_dir", "seed", "save_seconds") if k in changes}
    config = RLPConfig(**(SMALL | {"optimizer": OptimizerConfig(lr=1e-3)} | changes))
    return RLPTrainer(
        models.model(5), models.codec().tokenizer, TEXTS, config,
        thought=THOUGHT, callbacks=callbacks, **keywords,
    )  # fmt: skip


class Told(RLPCallback):
    """Notes all that it is told."""

    def __init__(self, stop_at: int = 0) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.stop_at = stop_at

    def on_train_begin(self, _trainer):
        self.events.append(("begin",))

    def on_step_end(self, trainer, step, metrics):
        self.events.append(("step", step, dict(metrics)))
        if step == self.stop_at:
            trainer.stop()

    def on_evaluate(self, _trainer, step, metrics):
        self.events.append(("evaluate", step, set(metrics)))

    def on_save(self, _trainer, step, folder):
        self.events.append(("save", step, folder.is_dir()))

    def on_train_end(self, _trainer, metrics):
        self.events.append(("end", metrics["steps"]))

    def names(self) -> list[tuple[Any, ...]]:
        return [event[:2] for event in self.events]


def weights(trainer: RLPTrainer) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_trains_and_tells_what_it_did() -> None:
    trainer = made()
    before = weights(trainer)
    metrics = trainer.train()
    assert not same(before, weights(trainer))
    assert metrics["steps"] == len(trainer.history) == 3
    assert metrics["final_information_gain"] == trainer.history[-1]["information_gain"]
    assert metrics["tokens"] > 0 < metrics["flops"]


def test_all_defaults_make_a_trainer() -> None:
    texts = ["one two three. " * 4] * 3
    trainer = RLPTrainer(models.model(5, context=512), models.codec().tokenizer, texts)
    assert trainer.config == RLPConfig()
    assert trainer.thought == ThoughtConfig()


def test_callbacks_are_told_in_order(tmp_path) -> None:
    told = Told()
    heldout = HeldoutConfig(every=2, documents=4)
    made(told, heldout=heldout, output_dir=tmp_path, save_seconds=0).train()
    assert told.names() == [
        ("begin",), ("step", 1), ("save", 1), ("evaluate", 2), ("step", 2), ("save", 2),
        ("step", 3), ("save", 3), ("end", 3),
    ]  # fmt: skip
    saved = [event for event in told.events if event[0] == "save"]
    assert all(folder for _, _, folder in saved)
    assert "heldout_gain" in told.events[3][2]


def test_a_callback_may_end_the_run() -> None:
    told = Told(stop_at=2)
    assert made(told).train()["steps"] == 2
    assert told.names()[-1] == ("end", 2)


@pytest.mark.parametrize("event", ["on_train_begin", "on_step_end", "on_train_end"])
def test_a_callback_that_raises_is_named(event: str) -> None:
    class Broken(RLPCallback):
        pass

    def fail(*_):
        raise KeyError("no such thing")

    setattr(Broken, event, fail)
    with pytest.raises(PluginError, match="`Broken` raised KeyError") as caught:
        made(Broken()).train()
    assert caught.value.where == f"Broken.{event}"


def test_what_is_no_callback_is_refused_before_any_work() -> None:
    with pytest.raises(PluginError, match="is no callback"):
        made(print)  # type: ignore[arg-type]


@pytest.mark.parametrize("ended_at", [1, 2])
def test_a_run_that_was_ended_goes_on_to_the_same_bytes(tmp_path, ended_at: int) -> None:
    unbroken = made()
    unbroken.train()
    first = made(Told(stop_at=ended_at), output_dir=tmp_path, save_seconds=0)
    first.train()
    second = made(output_dir=tmp_path, save_seconds=0)
    second.train(resume_from_checkpoint=True)
    assert same(weights(unbroken), weights(second))
    assert second.history == unbroken.history


def test_a_checkpoint_of_another_run_is_never_taken(tmp_path) -> None:
    made(output_dir=tmp_path, save_seconds=0).train()
    for other in ({"seed": 2}, {"temperature": 0.9}):
        with pytest.raises(ConfigError, match=r"no checkpoint to go on from.*1 of other runs"):
            made(output_dir=tmp_path, **other).train(resume_from_checkpoint=True)
    with pytest.raises(ConfigError, match="no output_dir was given"):
        made().train(resume_from_checkpoint=True)


def test_an_earlier_run_like_this_one_is_begun_anew_and_said(tmp_path, capsys) -> None:
    made(Told(stop_at=1), output_dir=tmp_path, save_seconds=0).train()
    again = made(output_dir=tmp_path)
    again.train()
    assert "removes the checkpoint of step 1" in capsys.readouterr().out
    assert len(again.history) == 3


def test_it_trains_once() -> None:
    trainer = made()
    trainer.train()
    with pytest.raises(UsageError, match="has trained already"):
        trainer.train()


def test_evaluation_is_of_held_out_documents_or_of_ones_own() -> None:
    trainer = made(heldout=HeldoutConfig(every=3, documents=4))
    assert len(trainer.corpus.heldout) == 4
    metrics = trainer.train()
    assert trainer.evaluate()["heldout_gain"] == pytest.approx(metrics["final_heldout_gain"])
    assert trainer.evaluate(TEXTS[:2]) != trainer.evaluate()
    with pytest.raises(ConfigError, match="no held-out document"):
        made().evaluate()


def test_evaluation_after_training_needs_the_model_that_the_run_began_with() -> None:
    unread: dict[str, Any] = {"audit": {"every": 0}}
    trainer = made(**unread)
    trainer.train()
    with pytest.raises(ConfigError, match=r"(?s)was not kept.*heldout=HeldoutConfig"):
        trainer.evaluate(TEXTS[:2])
    asked = made(**unread)
    before = asked.evaluate(TEXTS[:2])
    asked.train()
    assert before["heldout_direct"] == 0.0
    assert asked.evaluate(TEXTS[:2])["heldout_direct"] != 0.0


def test_the_folder_is_read_by_transformers_and_says_how_it_thinks(tmp_path) -> None:
    trainer = made()
    trainer.train()
    trainer.save_pretrained(tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert all(torch.equal(p, weights(trainer)[n]) for n, p in model.named_parameters())
    assert len(AutoTokenizer.from_pretrained(tmp_path / "model")) == len(trainer.tokenizer)
    assert Thinking.read(tmp_path / "model").max_tokens == THOUGHT.max_tokens
    before = folder_sha256(tmp_path / "model")
    trainer.save_pretrained(tmp_path / "model")
    assert folder_sha256(tmp_path / "model") == before


def test_delimiters_that_are_new_are_added_and_said(capsys) -> None:
    thought = ThoughtConfig(open="<<", close=">>", max_tokens=6)
    model, tokenizer = models.model(5), models.fresh_tokenizer()
    rows = model.get_input_embeddings().weight.shape[0]
    trainer = RLPTrainer(model, tokenizer, TEXTS, RLPConfig(**SMALL), thought=thought)
    assert "the delimiters << and >> are new to the tokenizer" in capsys.readouterr().out
    assert trainer.codec.open_id != trainer.codec.close_id
    assert model.get_input_embeddings().weight.shape[0] >= max(rows, trainer.codec.close_id + 1)
    trainer.train()


def test_weights_of_another_type_become_float32_and_it_is_said(capsys) -> None:
    model = models.model(5).bfloat16()
    RLPTrainer(model, models.codec().tokenizer, TEXTS, RLPConfig(**SMALL), thought=THOUGHT)
    assert "weights of torch.bfloat16 become float32" in capsys.readouterr().out
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([], "there are no documents"),
        (["a text", " \n"], "document 1 is empty"),
        (["a text", 7], "document 1 is a int"),
        ("a text", "must be a list of texts, not str"),
        (None, "must be a list of texts, not NoneType"),
    ],
)
def test_documents_that_cannot_be_read_are_told(documents: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        RLPTrainer(models.model(5), models.codec().tokenizer, documents, thought=THOUGHT)


def test_a_model_without_a_tokenizer_is_told() -> None:
    with pytest.raises(ConfigError, match="without a tokenizer"):
        RLPTrainer(models.model(5), None, TEXTS)  # type: ignore[arg-type]


def test_what_the_model_cannot_read_is_told_before_any_work() -> None:
    with pytest.raises(ConfigError, match="the model reads"):
        made(max_tokens=100_000)


def test_a_thought_has_room_to_close() -> None:
    with pytest.raises(ConfigError, match="min_thought_tokens = 6 must be below"):
        made(min_thought_tokens=6)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"group_sise": 4}, "did you mean `group_size`"),
        ({"estimator": "rlo"}, "did you mean `rloo`"),
        ({"optimizer": {"name": "sgd"}}, "optimizer.name"),
        ({"clip_low": 2.0}, "clip_low"),
        ({"group_size": 1}, "compares the thoughts of a position"),
    ],
    ids=str,
)
def test_an_argument_that_is_unknown_or_impossible_is_told(argument: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        RLPConfig(**argument)
    assert caught.value.where == "RLPConfig(...)"


@pytest.mark.parametrize("verify", [True, False, "maybe"])
def test_a_verdict_that_is_unknown_is_told_what_to_write(verify: Any) -> None:
    with pytest.raises(ConfigError, match="none of error, warn, off") as raised:
        RLPTrainer(models.model(5), models.codec().tokenizer, TEXTS, thought=THOUGHT, verify=verify)
    assert "'off' for what was False" in raised.value.fix


def test_records_with_marked_answers_are_thought_at_their_answers() -> None:
    records = [
        Document(id=str(i), key=str(i), source="s", licence="l", text=text, spans=[[8, 9]])
        for i, text in enumerate(TEXTS)
    ]
    config = RLPConfig(**SMALL, position_selection="answer")
    trainer = RLPTrainer(
        models.model(5), models.codec().tokenizer, records, config, thought=THOUGHT
    )
    assert {len(document.candidates) for document in trainer.corpus.training} == {1}


def test_every_public_name_is_there_and_explained() -> None:
    for name in rlp_core.__all__:
        assert getattr(rlp_core, name).__doc__, name
    assert set(rlp_core.__all__) <= set(dir(rlp_core))
    with pytest.raises(AttributeError, match="no attribute 'RLPTrainr'"):
        _ = rlp_core.RLPTrainr


def test_the_package_imports_nothing_slow_until_a_name_is_used() -> None:
    code = "import sys, rlp_core; print(sorted({'torch', 'pydantic', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_training_imports_nothing_of_the_pipeline() -> None:
    code = (
        "import sys; from tests.test_trainer import made; made().train();"
        "print(sorted({'mlflow', 'prefect', 'dvc', 'great_expectations', 'pandas', 'datasets',"
        " 'matplotlib', 'click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"

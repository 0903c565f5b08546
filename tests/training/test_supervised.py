import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.data.records import Demonstration, Document
from rlp_core.errors import ConfigError
from rlp_core.objective.reference import logprob
from rlp_core.policy.recompute import recomputing
from rlp_core.training.batches import (
    Example,
    batch_indices,
    demonstration_example,
    document_example,
    learnable,
    truncation,
)
from rlp_core.training.config import OptimizerConfig
from rlp_core.training.supervised import SupervisedTrainer, steps_within
from rlp_core.training.truncation import Truncation
from tests import models
from tests.kept import counting

RECORD = {"id": "d", "key": "k", "source": "s", "licence": "l"}
DATA = [Example([5, 6, 7, 8], range(1, 4), 4), Example([9, 10], range(1, 2), 2)] * 3


def made(
    steps=3,
    batch=2,
    micro_batch=8,
    budget=None,
    lr=1e-2,
    name="adamw",
    model=None,
    recompute=False,
    precision="float32",
):
    return SupervisedTrainer(
        model or models.model(1),
        DATA,
        steps=steps,
        batch=batch,
        optimizer=OptimizerConfig(name=name, lr=lr),
        seed=1,
        stream=0,
        micro_batch=micro_batch,
        flops_budget=budget,
        recompute=recompute,
        precision=precision,
    )


def train(steps=3, **settings):
    """The model, a row per step, and what was spent."""
    trainer, rows = made(steps, **settings), []
    for number in range(steps):
        result = trainer.step(number)
        if result is None:
            break
        rows.append({**result.metrics, "tokens": result.tokens, "flops": result.flops})
    return trainer.model, rows, trainer.ledger


def test_the_first_loss_is_the_mean_over_the_places():
    model = models.model(1)
    chosen = [DATA[i] for i in batch_indices(len(DATA), 2, 0, 1, 0)]
    places = [(e.tokens[:p], e.tokens[p]) for e in chosen for p in e.places]
    with torch.no_grad():
        expected = -sum(float(logprob(model, *place, 1.0)) for place in places) / len(places)
    assert train()[1][0]["loss"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_training_lowers_the_loss_and_repeats_itself(name):
    model, rows, _ = train(steps=12, name=name)
    assert rows[-1]["loss"] < rows[0]["loss"]
    again = train(steps=12, name=name)[0]
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_micro_batches_give_the_same_losses():
    small, large = train(micro_batch=1)[1], train(micro_batch=8)[1]
    for a, b in zip(small, large, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_layers_made_again_save_memory_and_change_no_byte(dropout):
    """It must be alive: transformers switches it off in evaluation mode without a word."""
    found, peaks = [], []
    for recompute in (False, True):
        model = models.model(1)
        for layer in model.model.layers:
            layer.mlp = torch.nn.Sequential(layer.mlp, torch.nn.Dropout(dropout))
        with counting() as kept:
            found.append(train(model=model, recompute=recompute))
        peaks.append(kept["peak"])
    (one, rows, _), (other, again, _) = found
    assert rows == again
    assert all(map(torch.equal, one.parameters(), other.parameters()))
    assert peaks[1] < 0.6 * peaks[0]
    assert not any(getattr(m, "gradient_checkpointing", False) for m in other.modules())
    assert not other.training


def test_in_bf16_the_parameters_stay_fp32_and_the_losses_near():
    """A step of 1e-5 would round away in bf16; the masters take it."""
    (_, exact, _), (model, rough, _) = (
        train(lr=1e-5, precision=p) for p in ("float32", "bfloat16")
    )
    start = models.model(1)
    for before, after in zip(start.parameters(), model.parameters(), strict=True):
        assert after.dtype == torch.float32
        assert not torch.equal(before, after)
    for a, b in zip(exact, rough, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=0.05)
        assert a["loss"] != b["loss"]


def test_a_resumed_bf16_run_computes_with_the_restored_parameters():
    whole = made(precision="bfloat16")
    for number in range(3):
        last = whole.step(number)
    first, second = made(precision="bfloat16"), made(precision="bfloat16", model=models.model(9))
    for number in range(2):
        first.step(number)
    second.restore(first.state())
    assert second.step(2).metrics == last.metrics
    assert all(map(torch.equal, whole.model.parameters(), second.model.parameters()))


def test_a_model_that_cannot_make_its_layers_again_is_told():
    model = models.model(1)
    model.supports_gradient_checkpointing = False
    with pytest.raises(ConfigError, match="no layers that can be made again"):
        train(model=model, recompute=True)
    with pytest.raises(ValueError, match="training mode alone"), recomputing(model.eval(), True):
        pass


def test_a_budget_is_never_exceeded_and_nearly_used():
    _, rows, whole = train(steps=6)
    budget = whole.total_flops // 2
    _, short, ledger = train(steps=6, budget=budget)
    assert ledger.total_flops <= budget
    assert ledger.total_flops + rows[len(short)]["flops"] > budget
    assert ledger.total_flops == sum(row["flops"] for row in short)


def test_enough_steps_are_planned_for_a_budget():
    model, _, whole = train(steps=6)
    assert steps_within(model, DATA, 2, whole.total_flops) >= 6


def test_epochs_are_shuffled_and_laid_end_to_end():
    seen = [i for step in range(5) for i in batch_indices(10, 4, step, 3, 1)]
    assert sorted(seen[:10]) == sorted(seen[10:20]) == list(range(10))
    assert seen[:10] != seen[10:20]
    assert seen != [i for step in range(5) for i in batch_indices(10, 4, step, 3, 2)]


def test_a_demonstration_teaches_thought_and_continuation_alone():
    codec = models.codec()
    demo = Demonstration(**RECORD, context="Q: 3+4\nA:", thought="3+4=7", continuation="7\n")
    example = demonstration_example(codec, demo, 99)
    learnt = codec.decode(example.tokens[p] for p in example.places)
    assert learnt == "3+4=7</think>7\n<|endoftext|>"
    before = codec.decode(example.tokens[: example.places.start])
    assert before.endswith("Q: 3+4\nA:<think>")


@given(st.text(alphabet="7 yes.\n</think>|", max_size=12), st.text(alphabet="+3<|end>", max_size=9))
def test_whatever_a_continuation_ends_with_its_end_is_taught_and_is_where_the_answer_ends(
    continuation, thought
):
    codec = models.codec()
    demo = Demonstration(**RECORD, context="Q", thought=thought, continuation=continuation)
    example = demonstration_example(codec, demo, 99)
    learnt = [example.tokens[p] for p in example.places]
    assert learnt[-1] == codec.end_id
    assert learnt.count(codec.close_id) == learnt.count(codec.end_id) == 1
    after = learnt[learnt.index(codec.close_id) + 1 :]
    assert codec.decode(after[:-1]) == continuation
    assert codec.answer([*after, *codec.encode("more")]) == continuation.split("\n")[0].strip()


@given(st.integers(1, 40))
def test_a_demonstration_is_learnt_whole_or_not_at_all(limit):
    codec = models.codec()
    demo = Demonstration(**RECORD, context="Q: 3+4\nA:", thought="3+4=7", continuation="7\n")
    whole = demonstration_example(codec, demo, 99)
    found = demonstration_example(codec, demo, limit)
    assert found.whole == len(whole.tokens)
    assert found == whole if limit >= found.whole else not found.places


def test_what_teaches_nothing_is_left_out_and_counted():
    codec = models.codec()
    demo = Demonstration(**RECORD, context="Q: 3+4\nA:", thought="", continuation="7\n")
    document = Document(**RECORD, text="abc")
    found = [
        demonstration_example(codec, demo, 5),
        document_example(codec, document, 1),
        document_example(codec, document, 3),
    ]
    assert learnable(found) == found[2:]
    length = len(demonstration_example(codec, demo, 99).tokens)
    assert truncation(found) == Truncation(3, 1, 2, length + 5 + 5, length + 5 + 2)


def test_a_piece_of_a_longer_text_teaches_no_end():
    document = Document(**RECORD, text="Q: 3+4", ends=False)
    example = document_example(models.codec(), document, 99)
    assert models.codec().end_id not in example.tokens[1:]


def test_the_tokens_of_a_document_are_all_learnt():
    example = document_example(models.codec(), Document(**RECORD, text="Q: 3+4\nA:7\n"), 99)
    assert list(example.places) == list(range(1, len(example.tokens)))

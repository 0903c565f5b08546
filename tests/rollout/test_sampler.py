import gc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlp_core.policy import logits
from rlp_core.rollout import attention, sampler
from rlp_core.rollout.decoding import Users, inverse, inverse_by_products
from rlp_core.rollout.sampler import Completions, Prompt, SamplingParams, sample
from tests.rollout import step_by_step, trees
from tests.rollout.samples import OPEN, STOP, Case, assert_same, cases, next_logprobs, textbook

CASE = Case(
    [[3, 4, 5, 6], [7, 8], [9, 10, 11, 3, 4, 5, 6, 7]],
    [
        Prompt(0, 0, OPEN, (3,)),
        Prompt(0, 4, OPEN, (5, 6, 7)),
        Prompt(1, 1, OPEN, (8,)),
        Prompt(2, 3, OPEN, ()),
        Prompt(2, 7, OPEN, (7, 7)),
    ],
)
ROWS = ("tokens", "stopped", "logprobs", "predicted")
MODES = {
    "greedy": SamplingParams(2, STOP, 5, 0.0),
    "cool": SamplingParams(3, STOP, 6, 0.7),
    "plain": SamplingParams(3, STOP, 6, 1.0),
    "at least three": SamplingParams(3, STOP, 6, 1.0, min_tokens=3),
    "greedy, at least two": SamplingParams(1, STOP, 4, 0.0, min_tokens=2),
    "one token": SamplingParams(4, STOP, 1, 1.0),
}


def draw(case, params=MODES["plain"], rows=64, family="qwen3", seed=0, block=None):
    return sample(
        trees.branching(family), case.trunks, case.prompts, params, case.uniforms(params.n, seed),
        rows, block,
    )  # fmt: skip


@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("family", trees.FAMILIES)
@pytest.mark.parametrize("mode", MODES)
def test_it_draws_what_the_textbook_draws(family, mode, block):
    params = MODES[mode]
    found = draw(CASE, params, family=family, block=block)
    assert_same(found, textbook(trees.plain(family), CASE, params))


@pytest.mark.parametrize("block", [1, 4])
def test_nothing_that_it_worked_in_outlives_it(block):
    trees.branching("qwen3")
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        draw(CASE, block=block)
        gc.collect()
        left = [type(thing).__name__ for thing in gc.garbage if isinstance(thing, torch.Tensor)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


@given(
    case=cases(),
    n=st.integers(1, 5),
    length=st.integers(2, 9),
    temperature=st.sampled_from([0.0, 0.5, 1.0]),
    least=st.integers(0, 1),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, derandomize=True)
def test_on_a_cpu_it_draws_what_plain_lists_draw_to_the_bit(
    case, n, length, temperature, least, seed
):
    params = SamplingParams(n, STOP, length, temperature, least)
    longest = {t: max(p.position for p in case.prompts if p.trunk == t)
               for t in {p.trunk for p in case.prompts}}  # fmt: skip
    prompts = sorted(case.prompts, key=lambda p: (longest[p.trunk], p.trunk))
    case = Case(case.trunks, prompts)
    model, numbers = trees.branching("qwen3"), case.uniforms(n, seed)
    expected = step_by_step.sample(model, case.trunks, prompts, params, numbers)
    found = sample(model, case.trunks, prompts, params, numbers, 10**6)
    for name in ROWS:
        assert getattr(found, name) == getattr(expected, name), name


@given(
    case=cases(),
    block=st.integers(2, 9),
    mode=st.sampled_from([*MODES]),
    seed=st.integers(0, 99),
    compact=st.sampled_from([0.0, 0.75, 1.0]),
)
@settings(max_examples=60, derandomize=True)
def test_the_length_of_a_block_changes_no_token_and_no_count(case, block, mode, seed, compact):
    """Rows that equal thoughts share or do not share, looks at each token or once in many."""
    expected = draw(case, MODES[mode], seed=seed, block=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampler, "COMPACT", compact)
        found = draw(case, MODES[mode], seed=seed, block=block)
    assert_same(found, expected)
    assert found.spent == expected.spent


def test_a_block_is_one_token_where_a_look_is_free():
    assert sampler.block_length(torch.device("cpu")) == 1
    assert sampler.block_length(torch.device("cuda")) > 1


# Derandomised: where a uniform falls within rounding of a boundary, about once in a million
# tokens, another batch size may truly draw another token.
@given(
    case=cases(),
    order=st.randoms(use_true_random=False),
    rows=st.sampled_from([1, 2, 5, 64]),
    compact=st.sampled_from([0.0, 0.75, 1.0]),
    mode=st.sampled_from(["greedy", "plain", "at least three"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, derandomize=True)
def test_batch_size_order_and_compaction_change_no_token(case, order, rows, compact, mode, seed):
    params = MODES[mode]
    expected = draw(case, params, seed=seed)
    documents = list(range(len(case.trunks)))
    places = list(range(len(case.prompts)))
    order.shuffle(documents)
    order.shuffle(places)
    moved = Case(
        [case.trunks[i] for i in documents],
        [
            Prompt(documents.index(s.trunk), s.position, s.opening, s.targets)
            for s in (case.prompts[i] for i in places)
        ],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampler, "COMPACT", compact)
        found = draw(moved, params, rows, seed=seed)
    back = [
        places.index(i) * params.n + copy for i in range(len(places)) for copy in range(params.n)
    ]
    rows_of = {name: [getattr(found, name)[i] for i in back] for name in ROWS}
    assert_same(Completions(**rows_of), expected)


@given(
    case=cases(),
    rows=st.sampled_from([1, 2, 5, 64]),
    mode=st.sampled_from(["greedy", "plain", "at least three", "one token"]),
)
@settings(max_examples=40, derandomize=True)
def test_a_number_is_asked_once_for_every_token_that_is_drawn_and_for_no_other(case, rows, mode):
    """Whatever the batch size: numbers cost what is drawn, not batches times rows."""
    params = MODES[mode]
    numbers, asked = case.uniforms(params.n), []

    def counting(token, wanted):
        asked.extend((token, int(row)) for row in wanted)
        return numbers(token, wanted)

    found = sample(trees.branching("qwen3"), case.trunks, case.prompts, params, counting, rows)
    drawn = [(t, row) for row, tokens in enumerate(found.tokens) for t in range(len(tokens))]
    assert sorted(asked) == (sorted(drawn) if params.temperature else [])


@given(case=cases(), extra=st.lists(trees.tokens, min_size=8, max_size=12))
@settings(max_examples=20, derandomize=True)
def test_a_thought_does_not_depend_on_its_company(case, extra):
    """Alone, or beside another document with thoughts of its own: the same thought."""
    first = case.prompts[0]
    alone = Case(case.trunks, [first])
    moved = Prompt(1, first.position, OPEN, first.targets)
    beside = Case([extra, case.trunks[first.trunk]], [Prompt(0, 8, OPEN, (3, 4)), moved])
    expected, found = draw(alone), draw(beside)
    assert found.tokens[3:] == expected.tokens
    assert found.stopped[3:] == expected.stopped


def prefixes(found, copies):
    """Per step the distinct prefixes of thoughts that go on."""
    longest = max(map(len, found.tokens))
    return [
        {
            (row // copies, tuple(tokens[:step]))
            for row, tokens in enumerate(found.tokens)
            if len(tokens) > step
        }
        for step in range(longest)
    ]


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_thoughts_share_rows_until_they_part(temperature):
    mode = SamplingParams(8, STOP, 12, temperature)
    found = draw(CASE, mode)
    fed = [len(step) for step in prefixes(found, 8)]
    assert found.spent["decode"][0] == found.spent["decode"][2] == sum(fed)
    assert fed[0] == len(CASE.prompts) < max(fed)
    assert sum(fed) < sum(map(len, found.tokens))
    seen = sum(
        CASE.prompts[prompt].position + step + 1
        for step, found_there in enumerate(prefixes(found, 8))
        for prompt, _ in found_there
    )
    assert found.spent["decode"][1] == seen


def test_rows_that_end_early_are_compacted_away(monkeypatch):
    fed = []
    forward = sampler.BranchCache.attend

    def attend(cache, layer, query, *rest):
        if layer == 0:
            fed.append(len(query))
        return forward(cache, layer, query, *rest)

    monkeypatch.setattr(sampler.BranchCache, "attend", attend)
    monkeypatch.setattr(sampler, "COMPACT", 1.0)  # at once
    case = Case(CASE.trunks, [Prompt(s.trunk, s.position, OPEN) for s in CASE.prompts])
    found = draw(case, SamplingParams(8, STOP, 12, 1.0))
    assert fed == [len(step) for step in prefixes(found, 8)]
    assert fed[-1] < max(fed)


def test_an_unterminated_thought_is_scored_after_its_last_token_and_a_forced_close():
    """The last drawn token and the close are both context of the target; neither may be lost."""
    case, params = Case([[3, 4, 5]], [Prompt(0, 2, OPEN, (5,))]), SamplingParams(8, STOP, 3, 1.0)
    found = draw(case, params)
    forced = [row for row in range(8) if not found.stopped[row]]
    assert forced
    for row in forced:
        tokens = found.tokens[row]
        assert len(tokens) == len(found.logprobs[row]) == 3  # the forced close is no choice
        assert STOP not in tokens
        oracle = {
            "right": [3, 4, OPEN, *tokens, STOP],
            "without the last token": [3, 4, OPEN, *tokens[:-1], STOP],
            "without the close": [3, 4, OPEN, *tokens],
        }
        scores = {k: next_logprobs(trees.plain("qwen3"), v)[5] for k, v in oracle.items()}
        value = found.predicted[row][0]
        assert value == pytest.approx(scores.pop("right"), abs=1e-5)
        for wrong in scores.values():
            assert abs(value - wrong) > 1e-3


def test_a_closed_thought_is_scored_after_one_close_at_temperature_1():
    case, params = Case([[3, 4, 5]], [Prompt(0, 2, OPEN, (5,))]), SamplingParams(16, STOP, 8, 0.5)
    found = draw(case, params)
    closed = [row for row in range(16) if found.stopped[row]]
    assert closed
    for row in closed:
        tokens = found.tokens[row]
        assert tokens.index(STOP) == len(tokens) - 1
        text = [3, 4, OPEN, *tokens]
        expected = next_logprobs(trees.plain("qwen3"), text)[5]
        assert found.predicted[row] == [pytest.approx(expected, abs=1e-5)]
        cool = next_logprobs(trees.plain("qwen3"), text, 0.5)[5]
        assert abs(found.predicted[row][0] - cool) > 1e-3


def test_the_end_of_a_text_does_not_end_a_thought():
    """eos and the closing delimiter are two tokens."""
    model, eos = trees.build(trees.FAMILIES["qwen3"]), 6
    model.config.eos_token_id = model.generation_config.eos_token_id = eos
    assert attention.enable(model)
    params = SamplingParams(16, STOP, 6, 1.0)
    found = sample(model, CASE.trunks, CASE.prompts, params, CASE.uniforms(16), 64)
    assert any(eos in tokens[:-1] for tokens in found.tokens)
    last = [s for t, s in zip(found.tokens, found.stopped, strict=True) if t[-1] == eos]
    assert last
    assert not any(last)


def test_a_close_is_not_drawn_before_the_least_length():
    params = SamplingParams(64, STOP, 6, 1.0, min_tokens=3)
    lengths = [t.index(STOP) for t in draw(CASE, params).tokens if STOP in t]
    assert min(lengths) == 3
    free = [t.index(STOP) for t in draw(CASE, SamplingParams(64, STOP, 6, 1.0)).tokens if STOP in t]
    assert min(free) == 0


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_evenly_spread_numbers_give_each_token_its_probability(temperature):
    """No top-k, no top-p: the rarest token too gets its share, to one draw in 4,000."""
    many = 4000
    spread = (np.arange(many) + 0.5) / many
    found = sample(
        trees.branching("qwen3"), [[3, 4]], [Prompt(0, 2, OPEN)],
        SamplingParams(many, 11, 1, temperature),
        lambda _, asked: spread[asked], many,
    )  # fmt: skip
    expected = np.exp(next_logprobs(trees.plain("qwen3"), [3, 4, OPEN], temperature))
    counts = np.bincount([t[0] for t in found.tokens], minlength=trees.VOCABULARY)
    np.testing.assert_allclose(counts, expected * many, atol=1.01)


def test_tokens_are_drawn_with_the_models_probabilities():
    many, temperature = 4000, 0.5
    case = Case([[5, 6]], [Prompt(0, 2, OPEN)])
    found = draw(case, SamplingParams(many, STOP, 1, temperature), rows=many)
    expected = np.exp(next_logprobs(trees.plain("qwen3"), [5, 6, OPEN], temperature))
    counts = np.bincount([t[0] for t in found.tokens], minlength=trees.VOCABULARY)
    assert np.abs(counts / many - expected).max() < 5 * np.sqrt(0.25 / many)


@pytest.mark.parametrize("number", [0.0, 1 - 2.0**-53])
def test_the_ends_of_the_interval_draw_a_token_that_is_possible(number):
    """A close that is banned is not drawn by 0 or almost 1, first or last in the vocabulary."""
    for stop in (0, trees.VOCABULARY - 1):
        found = sample(
            trees.branching("qwen3"), [[3]], [Prompt(0, 1, OPEN)],
            SamplingParams(1, stop, 2, 1.0, 1),
            lambda _, asked: np.full(len(asked), number), 1,
        )  # fmt: skip
        assert found.tokens[0][0] != stop
        assert np.isfinite(found.logprobs[0][0])


def test_logits_in_small_chunks_draw_the_same(monkeypatch):
    expected = draw(CASE)
    monkeypatch.setattr(logits, "CELLS", 2 * trees.VOCABULARY)
    assert draw(CASE).tokens == expected.tokens


def test_nothing_to_draw_gives_nothing():
    found = sample(
        trees.branching("qwen3"),
        [[3]],
        [],
        MODES["plain"],
        lambda _, asked: np.zeros(len(asked)),
        4,
    )
    assert found.tokens == found.stopped == found.logprobs == found.predicted == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"max_tokens": 0}, "must be positive"),
        ({"n": 0}, "must be positive"),
        ({"temperature": -0.1}, "temperature not negative"),
        ({"min_tokens": 5}, "min_tokens must lie in"),
        ({"min_tokens": -1}, "min_tokens must lie in"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(change, named):
    usual = {"n": 2, "stop_token_id": STOP, "max_tokens": 5, "temperature": 1.0}
    with pytest.raises(ValueError, match=named):
        SamplingParams(**usual | change)


@pytest.mark.parametrize("position", [-1, 3])
def test_a_start_beyond_its_document_is_refused(position):
    """Else it would see the tokens of the document that lies next to it."""
    prompts = [Prompt(0, position, OPEN), Prompt(1, 1, OPEN)]
    with pytest.raises(ValueError, match="lies beyond a document of 2 tokens"):
        sample(
            trees.branching("qwen3"), [[3, 4], [5, 6, 7]], prompts, MODES["plain"],
            lambda _, asked: np.zeros(len(asked)), 8,
        )  # fmt: skip


@pytest.mark.parametrize("family", ["qwen3", "llama"])
def test_decoding_reads_the_head_and_of_an_untied_table_no_more_than_rows(family):
    model = trees.branching(family)
    tied = model.config.tie_word_embeddings
    table = model.get_input_embeddings().weight.nbytes
    every = sum(p.nbytes for p in model.parameters())
    assert sampler.read_weights(model) == every - (0 if tied else table)


@given(
    rows=st.integers(1, 6),
    vocabulary=st.integers(2, 130),
    sharing=st.booleans(),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=80)
def test_products_choose_the_token_that_a_cumulative_sum_chooses(rows, vocabulary, sharing, seed):
    """Also where tokens have no probability at all, and a number lies at an end of the interval."""
    random = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(rows, vocabulary, generator=random)
    logits[torch.rand(rows, vocabulary, generator=random) < 0.3] = -torch.inf
    logits[:, seed % vocabulary] = 0.0
    probability = torch.softmax(logits, 1, dtype=torch.float64)
    count = 3 * rows if sharing else rows
    row = torch.randint(rows, (count,), generator=random) if sharing else None
    users = Users(torch.arange(count), row)
    uniform = torch.rand(count, dtype=torch.float64, generator=random)
    expected = inverse(probability, users, uniform)
    assert torch.equal(inverse_by_products(probability, users, uniform), expected)
    for end in (0.0, 1 - 2.0**-53):
        found = inverse_by_products(probability, users, torch.full_like(uniform, end))
        assert (users.chosen(probability, found) > 0).all()

"""The decoding cache: what it holds stays as it was fed, and never lies in memory twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from rlp_core.rollout.branches import pack
from rlp_core.rollout.cache import BranchCache
from rlp_core.rollout.sampler import Prompt, SamplingParams, sample
from tests.rollout import trees
from tests.rollout.samples import OPEN, STOP

LAYERS, GROUPS, SIZE, ROOM = 8, 2, 4, 32


class Memory(TorchDispatchMode):
    """Counts the bytes of all tensors that were made under it and are still alive."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(tensor, torch.Tensor):
                memory = tensor.untyped_storage()
                self.alive[memory._cdata] = (StorageWeakRef(memory), memory.nbytes())
        self.peak = max(self.peak, self.now())
        return made

    def now(self) -> int:
        self.alive = {k: v for k, v in self.alive.items() if not v[0].expired()}
        return sum(size for _, size in self.alive.values())


def made(documents: int, rows: int, length: int = 6) -> BranchCache:
    """A cache over random trunks, `rows` rows of each."""
    packed = pack([[1] * length] * documents)
    shape = (documents * length, GROUPS, SIZE)
    for layer in range(LAYERS):
        packed.attention.kept[layer] = (torch.randn(shape), torch.randn(shape))
    trunks = np.arange(documents).repeat(rows)
    lengths = np.full(len(trunks), length)
    device = torch.device("cpu")
    return BranchCache(packed.attention, packed.trunk_starts, trunks, lengths, ROOM, device)


def feed(cache: BranchCache) -> list[torch.Tensor]:
    """One token to every row of every layer; returns the layers' keys."""
    cache.begin(1)
    cache.advance(torch.tensor([cache.filled]))
    fed = [torch.randn(len(cache.trunk_of), GROUPS, SIZE) for _ in range(LAYERS)]
    for layer, key in enumerate(fed):
        cache.attend(layer, key, key, -key, 1.0, 0.0)
    cache.fed(1)
    return fed


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_rows_part_end_and_come_back_with_what_they_were_fed(data):
    """Whatever parts and ends: every row's slot holds its own past, in every layer."""
    torch.manual_seed(0)
    cache = made(documents=2, rows=2)
    past = [[[] for _ in range(4)] for _ in range(LAYERS)]
    for _ in range(data.draw(st.integers(1, 6))):
        for layer, key in enumerate(feed(cache)):
            for row, value in enumerate(key):
                past[layer][row].append(value)
        count = len(cache.trunk_of)
        kept = sorted(data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=9)))
        cache.keep(np.array(kept))
        past = [[list(rows[row]) for row in kept] for rows in past]
        for layer, (keys, values) in cache.own.items():
            expected = torch.stack([torch.stack(row, 1) for row in past[layer]])
            assert torch.equal(keys[: len(kept), :, : cache.filled], expected)
            assert torch.equal(values[: len(kept), :, : cache.filled], -expected)


@pytest.mark.parametrize("filled", [4, ROOM - 1])
@pytest.mark.parametrize(
    "rows",
    [[0, 0, 1, 2, 3, 3, 4, 5], [0, 2, 4, 5], [0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 7]],
    ids=["some part, as many stay", "some end", "more than ever before"],
)
def test_nothing_but_a_layers_keys_or_values_is_ever_there_twice(filled, rows):
    with Memory() as memory:
        cache = made(documents=2, rows=4)
        for _ in range(filled):
            feed(cache)
        before = memory.now()
        own = sum(keys.nbytes + values.nbytes for keys, values in cache.own.values())
        memory.peak = before
        cache.keep(np.array(rows))
        after, peak = memory.now(), memory.peak
        grown = sum(keys.nbytes + values.nbytes for keys, values in cache.own.values())
    layer = max(own, grown) / LAYERS
    assert grown == own * max(1, len(rows) / 8)  # slots are as many as rows ever stood at once
    assert after <= before + (grown - own) + layer / 8
    assert peak <= before + (grown - own) + 1.25 * layer


def test_trunks_are_taken_over_layer_by_layer():
    with Memory() as memory:
        cache = made(documents=3, rows=1, length=64)
        trunks = sum(key.nbytes + value.nbytes for key, value in cache.trunk.values())
        assert memory.peak <= trunks * (1 + 4 / LAYERS)


def test_thoughts_that_end_free_their_trunk_too_without_a_second_copy():
    with Memory() as memory:
        cache = made(documents=8, rows=1, length=64)
        feed(cache)
        before = memory.peak = memory.now()
        layer = sum(part.nbytes for part in cache.trunk[0])
        cache.keep(np.arange(1, 8))
        assert memory.peak <= before + 1.1 * layer
        assert memory.now() < before


def test_decoding_holds_as_many_slots_as_rows_ever_stood_at_once(monkeypatch):
    """Of a whole batch: 4 documents, 8 thoughts each, of which many end early."""
    rows, slots = [], []
    forward = BranchCache.attend

    def attend(cache, layer, query, *rest):
        found = forward(cache, layer, query, *rest)
        rows.append(len(query))
        slots.append(len(cache.own[layer][0]))
        return found

    monkeypatch.setattr(BranchCache, "attend", attend)
    spread = np.random.default_rng(0).random((40, 32))
    prompts = [Prompt(i, 3, OPEN, (5,)) for i in range(4)]
    sample(
        trees.branching("qwen3"), [[3 + i, 4, 5] for i in range(4)], prompts,
        SamplingParams(8, STOP, 20, 1.0), lambda token, asked: spread[token, asked], 32,
    )  # fmt: skip
    assert slots == list(np.maximum.accumulate(rows))
    assert min(rows[-2:]) < max(rows)


def test_slots_of_tokens_to_come_are_not_seen_whatever_lies_in_them():
    """In a block attention spans slots that are not filled yet, even over NaN.

    They are cleared where a span begins; a block that the same span holds finds them clear.
    """
    torch.manual_seed(0)
    one, other = made(documents=2, rows=2), made(documents=2, rows=2)
    other.trunk = one.trunk
    fed = torch.randn(7, len(one.trunk_of), GROUPS, SIZE)
    results: list[list[torch.Tensor]] = []
    for cache, blocks in ((one, [1] * 7), (other, [1, 2, 2, 1, 1])):
        results.append([])
        for block in blocks:
            if not cache.hides:
                for own in cache.own.values():
                    for part in own:
                        part[:, :, cache.filled :] = torch.nan
            cache.begin(block)
            for offset in range(block):
                key = fed[cache.filled + offset]
                cache.advance(torch.tensor([cache.filled + offset]))
                results[-1].append(cache.attend(0, key, key, -key, 1.0, 0.0))
            cache.fed(block)
    for single, blocked in zip(*results, strict=True):
        torch.testing.assert_close(blocked, single)

"""Keys and values while thoughts are drawn: trunks once per document, branches row by row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rlp_core.rollout.branch_attention import BranchAttention
from rlp_core.rollout.decoding import moved
from rlp_core.rollout.flex import FlexAttention

REACH = 128
"""Slots that rows see in a block of several tokens are a multiple of this, or all of them."""


class BranchCache:
    """What a drawn token may see: its trunk before its position, and its own branch.

    Rows are branches. Those of one document share its keys and values, which lie in a grid of
    [documents, rows of a document], so that one product serves them all.

    A row's own keys and values lie in a slot, and there are as many slots as rows ever stood here
    at once. Where rows part or end (`keep`), those that stay close up in place, layer by layer,
    and a new row takes the slot of one that went: beside the cache there is never more than a
    copy of one layer's keys or values.

    Tokens are fed in blocks: within one no shape changes, and nothing is read back from the
    device. What decides the shapes, `trunk_of` and `visible`, is known to the host. In blocks of
    several tokens rows see all slots up to `reach`, and a mask hides those of tokens to come: so
    the shapes stay for many blocks, and what a step does can be recorded.
    """

    def __init__(
        self,
        prefill: BranchAttention | FlexAttention,
        trunk_starts: Sequence[int],
        trunks: npt.NDArray[np.int64],
        positions: npt.NDArray[np.int64],
        room: int,
        device: torch.device,
    ) -> None:
        """Begin with empty branches.

        Args:
            prefill: has kept the keys and values of the packed trunks; they are taken from it.
            trunk_starts: where each trunk begins in them.
            trunks: [rows] the trunk of each row; rows of one trunk stand together.
            positions: [rows] how many tokens of the trunk each row sees.
            room: tokens a branch may have.
            device: where the keys and values lie.
        """
        self.device = device
        self.trunk_of, self.visible, self.filled = trunks, positions, 0
        self.longest = int(positions.max())
        assert prefill.kept or self.longest == 0
        # beyond a short trunk the index points at some other row: the bias hides it
        index = np.asarray(trunk_starts, dtype=np.int64)[:, None] + np.arange(self.longest)
        index = index.clip(max=max(0, self._rows(prefill) - 1))
        at = moved(index.ravel(), self.device)
        self.trunk: dict[int, tuple[Tensor, Tensor]] = {}
        for layer in sorted(prefill.kept):  # taken over one by one: no second copy of them all
            key, value = prefill.kept.pop(layer)
            self.trunk[layer] = (
                self._grid(key, at, len(index)),
                self._grid(value, at, len(index)),
            )
        self.documents = len(index)
        self.own: dict[int, tuple[Tensor, Tensor]] = {}
        self.room, self.bytes_read, self.reach, self.hides = room, 0, 0, False
        self.column = torch.zeros(1, dtype=torch.long, device=device)
        self.changes = 0
        self._arrange()

    @staticmethod
    def _rows(prefill: BranchAttention | FlexAttention) -> int:
        return max((len(key) for key, _ in prefill.kept.values()), default=0)

    def _grid(self, kept: Tensor, index: Tensor, count: int) -> Tensor:
        """[all trunk tokens, kv_heads, size] to [documents, kv_heads, longest, size]."""
        picked = kept.index_select(0, index).view(count, self.longest, *kept.shape[1:])
        return picked.transpose(1, 2).contiguous()

    def _arrange(self) -> None:
        """Lay the rows out in the grid anew."""
        self.hides, self.changes = False, self.changes + 1
        documents, row_of, counts = np.unique(
            self.trunk_of, return_inverse=True, return_counts=True
        )
        if len(documents) < self.documents:
            kept = moved(documents, self.device)
            for layer, (key, value) in self.trunk.items():
                self.trunk[layer] = (key[kept], value[kept])
            self.trunk_of, self.documents = row_of, len(documents)
        self.cells = (len(counts), int(counts.max()))
        rank = np.arange(len(row_of)) - (counts.cumsum() - counts)[row_of]
        slot = row_of * self.cells[1] + rank
        self.slot: Tensor | None = None
        self.grid: Tensor | None = None
        if (counts != self.cells[1]).any():
            grid = np.zeros(self.cells[0] * self.cells[1], dtype=np.int64)
            grid[slot] = np.arange(len(slot))
            self.slot, self.grid = moved(slot, self.device), moved(grid, self.device)
        column = torch.arange(self.longest, device=self.device)
        self.positions = moved(self.visible, self.device)
        unseen = column >= self.positions[:, None]
        self.bias = torch.zeros(unseen.shape, device=self.device).masked_fill_(unseen, -torch.inf)[
            :, None, None
        ]

    def keep(self, rows: npt.NDArray[np.int64]) -> None:
        """Go on with some rows; one that stands there twice parts in two.

        Args:
            rows: [new rows] where each comes from; those of one trunk stand together.
        """
        self.trunk_of, self.visible = self.trunk_of[rows], self.visible[rows]
        kept = moved(rows, self.device)
        for layer, (keys, values) in self.own.items():
            keys = self._closed_up(keys, kept)
            self.own[layer] = (keys, values)  # the old keys are let go before the values follow
            self.own[layer] = (keys, self._closed_up(values, kept))
        self._arrange()

    def _closed_up(self, own: Tensor, rows: Tensor) -> Tensor:
        """The slots after `keep`: the same memory, or more where rows have become more."""
        filled = own[:, :, : self.filled].index_select(0, rows)
        if len(rows) > len(own):
            own = own.new_empty(len(rows), *own.shape[1:])
        own[: len(rows), :, : self.filled] = filled
        return own

    def begin(self, block: int) -> None:
        """The next `block` tokens of every row are about to be read, one after another.

        `changes` is another number than before, where a step then does something else, or
        elsewhere in memory.
        """
        end = self.filled + block
        if block == 1:
            self.reach, self.hides, self.changes = end, False, self.changes + 1
        elif not self.hides or self.reach < end:
            self.reach, self.hides = min(self.room, -(-end // REACH) * REACH), True
            self.changes += 1
            for own in self.own.values():
                self._clear(own, self.filled)
            before = self.bias.new_zeros(len(self.bias), 1, 1, self.filled)
            later = self.bias.new_full((len(self.bias), 1, 1, self.reach - self.filled), -torch.inf)
            self.mask = torch.cat([self.bias, before, later], dim=-1)

    def fed(self, tokens: int) -> None:
        """So many tokens were read since, all with the shapes that `begin` set."""
        self.filled += tokens
        for layer, (keys, _) in self.own.items():
            trunk = self.trunk[layer][0]
            row = self.reach * keys.shape[1] * keys.shape[3] * keys.element_size()
            self.bytes_read += 2 * tokens * (trunk.nbytes + len(self.visible) * row)

    def _clear(self, own: tuple[Tensor, Tensor], first: int) -> None:
        """Leave nothing in the slots of tokens to come: even 0 times NaN is NaN."""
        for part in own:
            part[:, :, first : self.reach] = 0

    def advance(self, column: Tensor) -> None:
        """The next token of every row is about to be read.

        Args:
            column: [1] how many tokens were read before it, on the device.
        """
        self.column = column
        if self.hides:
            self.mask.index_fill_(3, column + self.longest, 0)

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, softcap: float
    ) -> Tensor:
        """One new token per row; shapes as in `attention.AttentionBackend`, N being the rows."""
        rows, heads, size = query.shape
        groups = key.shape[1]
        if layer not in self.own:
            empty = key.new_empty(rows, groups, self.room, size)
            self.own[layer] = (empty, torch.empty_like(empty))
            if self.hides:
                self._clear(self.own[layer], 0)
        if layer not in self.trunk:  # all rows begin at position 0: no trunk was read
            nothing = key.new_zeros(self.cells[0], groups, 0, size)
            self.trunk[layer] = (nothing, nothing)
        keys, values = self.own[layer]
        self._write(keys[:rows], key)
        self._write(values[:rows], value)
        keys, values = keys[:rows, :, : self.reach], values[:rows, :, : self.reach]
        per_row = query.view(rows, groups, -1, size)
        trunk_keys, trunk_values = self.trunk[layer]
        across = self._to_rows(self._to_grid(per_row) @ trunk_keys.mT, per_row.shape[2])
        score = torch.cat([across, per_row @ keys.mT], dim=-1).float().mul_(scale)
        if softcap:
            score = torch.tanh(score / softcap).mul_(softcap)
        if self.hides:
            score += self.mask
        else:
            score[..., : self.longest] += self.bias
        weight = torch.softmax(score, dim=-1).to(value.dtype)
        seen = self._to_grid(weight[..., : self.longest]) @ trunk_values
        out = self._to_rows(seen, per_row.shape[2]) + weight[..., self.longest :] @ values
        return out.reshape(rows, heads, size)

    def _write(self, own: Tensor, new: Tensor) -> None:
        """Put the tokens that are read now into their slots."""
        if self.hides:
            own.index_copy_(2, self.column, new[:, :, None])
        else:  # the same, where the host's own count will do: four times as fast on a CPU
            own[:, :, self.filled] = new

    def _to_grid(self, rows: Tensor) -> Tensor:
        """[rows, groups, repeat, x] to [documents, groups, cells * repeat, x]."""
        cells = rows if self.grid is None else rows.index_select(0, self.grid)
        cells = cells.view(*self.cells, *rows.shape[1:]).transpose(1, 2)
        return cells.reshape(
            self.cells[0], rows.shape[1], self.cells[1] * rows.shape[2], rows.shape[-1]
        )

    def _to_rows(self, grid: Tensor, repeat: int) -> Tensor:
        """[documents, groups, cells * repeat, x] to [rows, groups, repeat, x]."""
        count, width = self.cells
        cells = grid.view(count, grid.shape[1], width, repeat, grid.shape[-1]).transpose(1, 2)
        cells = cells.reshape(count * width, grid.shape[1], repeat, grid.shape[-1])
        return cells if self.slot is None else cells.index_select(0, self.slot)

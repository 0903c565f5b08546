"""Kernels of branch attention side by side: one layer, forward and backward, on a CPU.

The kernels take turns, so that each meets the same machine, and are compared repetition by
repetition; other programs only ever add time, so seconds of the processor stand beside the clock's.
`mask` is attention without branches in mind: PyTorch's kernel on the whole packed row, with a mask
of all pairs of its tokens.

    python -m benchmarks.attention --threads 1

prints JSON as the last line of stdout.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from rlp_core import quiet

if TYPE_CHECKING:
    from torch import Tensor

    from rlp_core.rollout.branches import Branch

    Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
    Times = dict[str, dict[str, float]]

CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


@dataclass(frozen=True)
class Shape:
    """Documents, each with G thoughts at one position, and the heads of a layer.

    Attributes:
        documents: how many; of half to all of `tokens`, unless there is one.
        tokens: of the longest document.
        group_size: G.
        thought_tokens: L, delimiters and targets counted; with `ragged` a third to all of it.
        ragged: whether thoughts differ in length.
        heads: for queries.
        kv_heads: for keys and values.
        size: of a head.
    """

    documents: int
    tokens: int
    group_size: int
    thought_tokens: int
    ragged: bool = False
    heads: int = 9
    kv_heads: int = 3
    size: int = 64

    def tree(self) -> tuple[list[list[int]], list[Branch]]:
        """Trunks, and branches in their second halves."""
        from rlp_core.rollout.branches import Branch
        from rlp_core.rollout.rng import generator

        random = generator(0)
        trunks, branches = [], []
        for index in range(self.documents):
            half = self.tokens // 2
            length = random.integers(half, self.tokens + 1) if self.documents > 1 else self.tokens
            position = int(random.integers(length // 2, length))
            trunks.append([0] * int(length))
            for _ in range(self.group_size):
                least = max(1, self.thought_tokens // 3) if self.ragged else self.thought_tokens
                thought = int(random.integers(least, self.thought_tokens + 1))
                branches.append(Branch(index, position, [0] * thought))
        return trunks, branches


SHAPES = {
    "short": Shape(documents=8, tokens=128, group_size=8, thought_tokens=35),
    "ragged": Shape(documents=8, tokens=128, group_size=8, thought_tokens=35, ragged=True),
    "long": Shape(documents=1, tokens=1024, group_size=16, thought_tokens=259),
}
"""Layers of SmolLM2-135M; L = 32 and 256, with two delimiters and H = 3 less the last."""


def contestants(shape: Shape) -> tuple[int, dict[str, Attend]]:
    """Tokens of the packed row, and attention over it by every kernel that a CPU has."""
    from torch.nn.functional import scaled_dot_product_attention

    from rlp_core.rollout.branch_attention import KERNELS
    from rlp_core.rollout.branches import pack

    scale = shape.size**-0.5
    packed = {kernel: pack(*shape.tree(), kernel=kernel) for kernel in KERNELS}
    ids = packed["flash"].ids
    mask = _seen(*shape.tree())

    def whole(*rows: Tensor) -> Tensor:
        query, key, value = (t.transpose(0, 1)[None] for t in rows)
        out = scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=scale, enable_gqa=True
        )
        return out[0].transpose(0, 1)

    def by(kernel: str) -> Attend:
        return lambda q, k, v: packed[kernel].attention.attend(0, q, k, v, scale, 0.0)

    return ids.shape[1], {**{kernel: by(kernel) for kernel in packed}, "mask": whole}


def _seen(trunks: Sequence[Sequence[int]], branches: Sequence[Branch]) -> Tensor:
    """[N, N] True where a token may look."""
    import torch

    from rlp_core.rollout.branches import starts

    begins = starts(map(len, trunks), 0)
    first = sum(map(len, trunks))
    ends = starts((len(b.tokens) for b in branches), first)
    count = first + sum(len(b.tokens) for b in branches)
    seen = torch.zeros(count, count, dtype=torch.bool)
    for start, trunk in zip(begins, trunks, strict=True):
        seen[start : start + len(trunk), start : start + len(trunk)] = True
    for start, branch in zip(ends, branches, strict=True):
        own = slice(start, start + len(branch.tokens))
        seen[own, own] = True
        seen[own, begins[branch.trunk] : begins[branch.trunk] + branch.position] = True
    return seen.tril_()


def measure(
    shape: Shape, dtype: str, repeats: int, chosen: Sequence[str] = ("flash", "mask")
) -> dict[str, Any]:
    """Milliseconds of one layer by `blocks` and some others, and how many times as fast they are.

    Returns:
        Medians with quartiles, by kernel, pass and clock; the largest relative difference of a
        result or gradient from that of `blocks`.
    """
    import torch

    count, every = contestants(shape)
    kernels = {name: every[name] for name in ("blocks", *chosen)}
    random = torch.Generator().manual_seed(0)
    heads = (shape.heads, shape.kv_heads, shape.kv_heads, shape.heads)
    made = [torch.randn(count, n, shape.size, generator=random) for n in heads]
    inputs = [each.to(getattr(torch, dtype)) for each in made]
    taken: dict[str, list[Times]] = {name: [] for name in kernels}
    results: dict[str, list[Tensor]] = {}
    for _ in range(repeats + 1):
        for name, attend in kernels.items():
            times, results[name] = _timed(attend, inputs)
            taken[name].append(times)
    found: dict[str, Any] = {"tokens": count, "milliseconds": {}}
    for name in kernels:
        taken[name] = taken[name][1:]  # the first is to warm up
        found["milliseconds"][name] = {
            part: {c: _spread([each[part][c] for each in taken[name]]) for c in CLOCKS}
            for part in ("forward", "backward", "both")
        }
    both = {name: [each["both"]["processor"] for each in taken[name]] for name in kernels}
    found["times_as_fast_as_blocks"] = {
        name: _spread([one / other for one, other in zip(both["blocks"], own, strict=True)])
        for name, own in both.items()
    }
    found["difference"] = {
        name: max(
            float((a.float() - b.float()).norm() / b.float().norm())
            for a, b in zip(result, results["blocks"], strict=True)
        )
        for name, result in results.items()
    }
    return found


def _timed(attend: Attend, inputs: Sequence[Tensor]) -> tuple[Times, list[Tensor]]:
    """Milliseconds of each pass by each clock; the result, and the gradients of the inputs."""
    *rows, weight = inputs
    leaves = [t.clone().requires_grad_() for t in rows]
    begun = _now()
    out = attend(*leaves)
    between = _now()
    out.backward(weight)
    ended = _now()
    times = {
        part: {clock: 1e3 * (after[clock] - before[clock]) for clock in CLOCKS}
        for part, before, after in (
            ("forward", begun, between),
            ("backward", between, ended),
            ("both", begun, ended),
        )
    }
    return times, [out.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


def _now() -> dict[str, float]:
    return {name: clock() for name, clock in CLOCKS.items()}


def _spread(values: Sequence[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    if len(values) == 1:
        return [values[0]] * 3
    return statistics.quantiles(values, n=4, method="inclusive")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--shape", "shapes", type=click.Choice(list(SHAPES)), multiple=True)
@click.option("--dtype", "dtypes", type=click.Choice(["float32", "bfloat16"]), multiple=True)
@click.option("--mask/--no-mask", default=True, help="Whether `mask` takes part: it is slow.")
@click.option("--repeats", type=click.IntRange(1), default=15, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
def main(
    shapes: Sequence[str], dtypes: Sequence[str], mask: bool, repeats: int, threads: int
) -> None:
    """Time the kernels of branch attention; JSON is the last line of stdout."""
    quiet.apply()
    import torch

    torch.set_num_threads(threads)
    found = []
    for shape in shapes or SHAPES:
        for dtype in dtypes or ("float32", "bfloat16"):
            measured = measure(
                SHAPES[shape], dtype, repeats, ("flash", "mask") if mask else ("flash",)
            )
            fast = measured["times_as_fast_as_blocks"]
            line = ", ".join(f"{name} {values[1]:.2f}" for name, values in fast.items())
            click.echo(f"{shape}, {dtype}: times as fast as blocks: {line}", err=True)
            given = {"name": shape, **dataclasses.asdict(SHAPES[shape])}
            found.append({"shape": given, "dtype": dtype, **measured})
    capability = torch.backends.cpu.get_cpu_capability()
    click.echo(json.dumps({"threads": threads, "processor": capability, "measured": found}))


if __name__ == "__main__":
    main()

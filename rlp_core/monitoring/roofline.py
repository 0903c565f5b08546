"""What the machine can do at best: the limits that a phase's speed is stated against.

Prefill, scoring and update multiply large matrices and are bound by arithmetic: their limit is the
matrix-product peak. Decoding reads all weights and keys and values for one token per row and is
bound by memory: its limit is the bandwidth. Both are measured here, because a data sheet knows
neither this machine's cores nor its other users.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

SIZES = (512, 1024, 2048)
"""Edges of the square products that are tried; a larger one gains nothing on two cores."""
GPU_SIZES = (2048, 4096, 8192)
"""The same on a GPU."""
MEBIBYTE = 2**20


@dataclass(frozen=True)
class Peak:
    """The machine's limits.

    Attributes:
        gflops_fp32: matrix product, in units of 10^9 floating point operations per second.
        gflops_bf16: the same in bfloat16; on a CPU without the instructions it is far lower.
        gigabytes_per_second: of memory, reads and writes together, units of 10^9.
        threads: of the CPU.
        device: where it was measured.
    """

    gflops_fp32: float
    gflops_bf16: float
    gigabytes_per_second: float
    threads: int
    device: str

    def gflops(self, dtype: str) -> float:
        """The matrix-product peak in a type, by its name in torch."""
        return self.gflops_bf16 if dtype == "bfloat16" else self.gflops_fp32


def measure(threads: int, device: str = "cpu", seconds: float = 1.0) -> Peak:
    """Measure all limits; takes about four times `seconds`.

    Sets the number of torch's threads in this process.
    """
    torch.set_num_threads(threads)
    return Peak(
        gflops_fp32=matrix_peak(torch.float32, device, seconds),
        gflops_bf16=matrix_peak(torch.bfloat16, device, seconds),
        gigabytes_per_second=bandwidth(device, seconds),
        threads=threads,
        device=device,
    )


def matrix_peak(
    dtype: torch.dtype,
    device: str = "cpu",
    seconds: float = 1.0,
    sizes: tuple[int, ...] = (),
) -> float:
    """The best GFLOP/s of a square matrix product, over `sizes`, with torch's present threads.

    A product of edge n counts 2 n^3 operations. A size of which one product would take longer than
    `seconds`, by the speed of those before it, is left out: a processor without bfloat16 products
    takes a minute for the largest.
    """
    sizes = sizes or (SIZES if device == "cpu" else GPU_SIZES)
    best = 0.0
    for size in sizes:
        if best and 2 * size**3 / best > seconds:
            break
        left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        out = torch.empty_like(left)

        def product(a: torch.Tensor = left, b: torch.Tensor = right, c: torch.Tensor = out) -> None:
            torch.mm(a, b, out=c)

        best = max(best, 2 * size**3 / _fastest(product, device, seconds / len(sizes)))
    return best / 1e9


def bandwidth(device: str = "cpu", seconds: float = 1.0, mebibytes: int = 0) -> float:
    """The best GB/s of a copy and of a triad (a = b + s c) over arrays larger than any cache.

    Counts each array once. Where a write first fetches its line, memory moves more than that, so
    the figure is what a program gets, not what the chips do.
    """
    mebibytes = mebibytes or (64 if device == "cpu" else 1024)
    count = mebibytes * MEBIBYTE // 4
    first, second, third = (torch.ones(count, device=device) for _ in range(3))
    copy = _fastest(lambda: first.copy_(second), device, seconds / 2)
    triad = _fastest(lambda: torch.add(second, third, alpha=3.0, out=first), device, seconds / 2)
    return max(2 * 4 * count / copy, 3 * 4 * count / triad) / 1e9


def _fastest(work: Callable[[], object], device: str, seconds: float) -> float:
    """The shortest time of one call, over repetitions for about `seconds`, three at least."""

    def wait() -> None:
        if device != "cpu":
            torch.get_device_module(device).synchronize(device)

    work()
    wait()
    best, calls, start = float("inf"), 0, time.perf_counter()
    while calls < 3 or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        work()
        wait()
        best, calls = min(best, time.perf_counter() - before), calls + 1
    return best

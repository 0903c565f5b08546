"""What a plan says, beside the peak of a process that does it.

Each job runs in a process of its own, whose peak is the kernel's figure (`VmHWM`), less what it
held when it had imported everything and trained a tiny model. It was forked from one that had
imported the libraries, whose pages count in both. malloc is told to give large blocks back at once
(`MALLOC_MMAP_THRESHOLD_`, `MALLOC_TRIM_THRESHOLD_`) and to keep one arena: what it would keep for
later is no part of what the code holds.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from tests import warm
from tests.planning.child import Job
from tests.planning.plans import of_job

MODEL = "transformers.models.qwen3.modeling_qwen3"
MALLOC = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "262144",
    "MALLOC_TRIM_THRESHOLD_": "262144",
}

ROOT = Path(__file__).resolve().parents[2]

SMALL = {"width": 256, "layers": 3, "heads": 4, "kv_heads": 2, "feed_forward": 768}
LARGE = {"width": 512, "layers": 4, "heads": 8, "kv_heads": 4, "feed_forward": 1536}

JOBS = {
    "text in one pass": Job(
        "supervised", **SMALL, vocabulary=1024, documents=8, tokens=256, budget=8
    ),
    "activations made again": Job(
        "supervised", **LARGE, vocabulary=1024, documents=4, tokens=256, budget=4, recompute=True
    ),
    "bfloat16 and Muon": Job(
        "supervised",
        **LARGE,
        vocabulary=8192,
        documents=4,
        tokens=32,
        budget=2,
        precision="bfloat16",
        optimizer="muon",
    ),
    "thoughts in parts": Job(
        "rlp",
        **SMALL,
        vocabulary=8192,
        documents=1,
        tokens=256,
        thoughts=16,
        thought_tokens=64,
        budget=600,
    ),
    "documents in several passes": Job(
        "rlp",
        **LARGE,
        vocabulary=1024,
        documents=4,
        tokens=64,
        thoughts=4,
        thought_tokens=16,
        budget=140,
    ),
    "adapters on text, bfloat16": Job(
        "supervised",
        **LARGE,
        vocabulary=8192,
        documents=8,
        tokens=128,
        budget=8,
        precision="bfloat16",
        rank=8,
    ),
    "adapters and thoughts": Job(
        "rlp",
        **SMALL,
        vocabulary=8192,
        documents=4,
        tokens=64,
        thoughts=8,
        thought_tokens=32,
        rank=16,
    ),
    "most of it the decoding": Job(
        "rlp",
        **SMALL,
        vocabulary=8192,
        documents=16,
        tokens=16,
        thoughts=16,
        thought_tokens=24,
        budget=100,
    ),
}


@pytest.mark.parametrize("name", JOBS)
def test_the_peak_of_a_process_is_what_was_planned(name: str) -> None:
    job = JOBS[name]
    done = subprocess.run(
        [warm.python((MODEL,), **MALLOC), "-m", "tests.planning.child", json.dumps(asdict(job))],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **MALLOC},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    measured = int(done.stdout.splitlines()[-1])
    planned = of_job(job).peak
    print(
        f"{name}: planned {planned.total / 1e6:.0f} MB ({planned.name}), took {measured / 1e6:.0f}"
    )
    assert planned.total == pytest.approx(measured, rel=0.15)

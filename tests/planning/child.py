"""A process of its own that trains for two steps and says how much memory that took.

    python -m tests.planning.child '{"stage": "rlp", ...}'

prints, as the last line, the bytes by which its peak grew over what it held with everything
imported and a tiny run behind it.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.work import Work
from rlp_core.config import RLPConfig
from rlp_core.data.records import Document
from rlp_core.data.thought import ThoughtConfig
from rlp_core.monitoring.progress import StepLog
from rlp_core.policy import lora
from rlp_core.policy.config import LoraConfig
from rlp_core.rollout.engine import prepare
from rlp_core.rollout.rng import generator
from rlp_core.trainer import RLPTrainer
from rlp_core.training import loop
from rlp_core.training.batches import Example
from rlp_core.training.config import AuditConfig, OptimizerConfig
from rlp_core.training.supervised import SupervisedTrainer


@dataclass(frozen=True)
class Job:
    """What is trained; lengths in tokens.

    Attributes:
        stage: `rlp`, or `supervised`.
        width, layers, heads, kv_heads, feed_forward, vocabulary: of the model.
        documents: of a step.
        tokens: T.
        thoughts: G, at one place.
        thought_tokens: L.
        budget: tokens of an update, or texts of a supervised pass, at once.
        decode: thoughts in flight.
        precision: what computes.
        recompute: in the supervised loop.
        optimizer: `adamw` or `muon`.
        rank: of adapters; 0: all weights are trained.
    """

    stage: str
    width: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    vocabulary: int
    documents: int
    tokens: int
    thoughts: int = 2
    thought_tokens: int = 8
    budget: int = 10**6
    decode: int = 512
    precision: str = "float32"
    recompute: bool = False
    optimizer: str = "adamw"
    rank: int = 0

    def work(self) -> Work:
        return Work(
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            kv_heads=self.kv_heads,
            feed_forward=self.feed_forward,
            vocabulary=self.vocabulary,
            documents=self.documents,
            tokens=self.tokens,
            positions=1,
            group_size=self.thoughts,
            thought_tokens=self.thought_tokens,
            threads=1,
        )

    def rlp(self) -> tuple[RLPConfig, ThoughtConfig]:
        """Every thought has L tokens: its end is not drawn before."""
        config = RLPConfig(
            steps=2,
            documents=self.documents,
            max_tokens=self.tokens,
            positions=1,
            position_selection="answer",
            group_size=self.thoughts,
            min_thought_tokens=self.thought_tokens - 1,
            precision=self.precision,  # type: ignore[arg-type]
            optimizer=OptimizerConfig(name=self.optimizer),  # type: ignore[arg-type]
            audit=AuditConfig(every=1, positions=2),
            lora=LoraConfig(rank=self.rank),
        )
        return config, ThoughtConfig(max_tokens=self.thought_tokens)


TINY = Job("rlp", 32, 2, 2, 1, 64, 64, documents=2, tokens=16, thoughts=2, thought_tokens=4)


def documents(job: Job) -> list[Document]:
    """Random words; the last is the answer that is thought before, so that all of it is read."""
    random = generator(7)
    found = []
    for index in range(2 * job.documents):
        text = " ".join(f"w{n}" for n in random.integers(8, job.vocabulary, job.tokens - 1))
        span = [text.rindex(" ") + 1, len(text)]
        found.append(
            Document(
                id=str(index), key=str(index), source="t", licence="t", text=text, spans=[span]
            )
        )
    return found


def run(job: Job) -> None:
    """Two steps."""
    work = job.work()
    model = work.model(0)
    if job.stage == "rlp":
        config, thought = job.rlp()
        RLPTrainer(
            model,
            work.tokenizer(),
            documents(job),
            config,
            thought=thought,
            decode_batch_size=job.decode,
            update_token_budget=job.budget,
            verify="off",
        ).train()
        return
    if job.rank:
        lora.attach(model, LoraConfig(rank=job.rank), seed=1)
    prepare(model)
    ids = generator(7).integers(8, job.vocabulary, (2 * job.documents, job.tokens)).tolist()
    trainer = SupervisedTrainer(
        model,
        [Example(row, range(1, job.tokens), job.tokens) for row in ids],
        steps=2,
        batch=job.documents,
        optimizer=OptimizerConfig(name=job.optimizer),  # type: ignore[arg-type]
        seed=1,
        stream=0,
        micro_batch=job.budget,
        recompute=job.recompute,
        precision=job.precision,
    )
    loop.run(trainer, 2, StepLog("memory", 2, None, 10))


def held() -> int:
    """Bytes of this process now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def peak() -> int:
    """The most bytes that this program ever held.

    `ru_maxrss` would not do: it also counts what the process held before it became this program,
    which is what its parent held.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    line = next(line for line in status if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def main() -> None:
    torch.set_num_threads(1)
    job = Job(**json.loads(sys.argv[1]))
    for stage in ("rlp", "supervised"):
        like = {"stage": stage, "precision": job.precision, "rank": min(job.rank, 2)}
        run(Job(**{**asdict(TINY), **like}))
    before = held()
    run(job)
    print(peak() - before)


if __name__ == "__main__":
    main()

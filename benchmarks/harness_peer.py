"""Evaluation beside lm-evaluation-harness: the same answers and the same choices, one model.

Two kinds of work, as benchmarks ask for them: several sampled answers to each prompt
(`generate_until`), and the options of a prompt weighed (`loglikelihood`). Greedy answers and the
options' log-probabilities are compared before anything is timed. The two sides take turns, so that
each meets the same machine, and are compared round by round.

    python -m benchmarks.harness_peer --threads 1

prints JSON as the last line of stdout. It needs `pip install 'rlp[harness]'`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from benchmarks.work import REFERENCE, Work
from rlp_core import quiet

if TYPE_CHECKING:
    pass

SHAPE = dataclasses.replace(REFERENCE, documents=32, tokens=128, positions=1, group_size=8)
"""32 prompts of 128 tokens, 8 answers of 32 tokens each; options of 4 tokens."""

OPTIONS = 4


class Sides:
    """Both sides of the comparison, on models with the same weights.

    Args:
        work: prompts are its documents, answers its thoughts.
        seed: of model and prompts.
        batch: rows of the harness at once; ours takes all answers at once.
    """

    def __init__(self, work: Work, seed: int, batch: int) -> None:
        """Build both."""
        from lm_eval.models.huggingface import HFLM

        from rlp_core.rollout.engine import prepare

        self.work, self.seed = work, seed
        self.codec = work.codec()
        self.prompts = [passage.tokens for passage in work.passages(seed)]
        self.texts = [self.codec.decode(tokens) for tokens in self.prompts]
        theirs, self.model = work.model(seed), work.model(seed)
        prepare(self.model)
        with contextlib.redirect_stdout(sys.stderr):
            self.harness = HFLM(
                pretrained=theirs,
                tokenizer=work.tokenizer(),
                batch_size=batch,
                max_length=work.tokens + work.thought_tokens + 8,
            )

    # ------------------------------------------------------------------------------ answers

    def their_answers(self, copies: int, temperature: float) -> list[str]:
        """Answers by the harness, prompt by prompt."""
        from lm_eval.api.instance import Instance

        sampled = {"do_sample": True, "temperature": temperature} if temperature else {}
        asked = {"until": ["\n\n"], "max_gen_toks": self.work.thought_tokens} | sampled
        requests = [
            Instance("generate_until", {}, (text, dict(asked)), i)
            for i, text in enumerate(self.texts)
            for _ in range(copies)
        ]
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            found: list[str] = self.harness.generate_until(requests, disable_tqdm=True)
        return [text.strip() for text in found]

    def our_answers(self, copies: int, temperature: float) -> list[str]:
        """The same by this project's engine."""
        from rlp_core.rollout.engine import complete
        from rlp_core.rollout.rng import uniform
        from rlp_core.rollout.sampling import SamplingParams

        params = SamplingParams(copies, self.codec.end_id, self.work.thought_tokens, temperature)
        drawn = complete(
            self.model,
            self.prompts,
            params,
            lambda token, rows: uniform(self.seed, 0, rows, token),
            len(self.prompts) * copies,
        )
        return [
            self.codec.decode(t for t in tokens if t != self.codec.end_id).strip()
            for tokens in drawn.tokens
        ]

    # ------------------------------------------------------------------------------ options

    def _options(self) -> list[list[int]]:
        """The options of every prompt: words of the other prompts."""
        others = [*self.prompts[1:], self.prompts[0]]
        return [tokens[1 + 4 * k : 5 + 4 * k] for tokens in others for k in range(OPTIONS)]

    def their_weights(self) -> list[float]:
        """Log-probability of every option by the harness."""
        from lm_eval.api.instance import Instance

        requests = [
            Instance(
                "loglikelihood", {}, (self.texts[i // OPTIONS], " " + self.codec.decode(option)), i
            )
            for i, option in enumerate(self._options())
        ]
        with contextlib.redirect_stderr(io.StringIO()):
            return [float(value) for value, _ in self.harness.loglikelihood(requests, True)]

    def our_weights(self) -> list[float]:
        """The same by this project's engine."""
        from rlp_core.rollout.scoring import Continuation, score_continuations

        asked = [
            Continuation(i // OPTIONS, self.work.tokens, option, len(option))
            for i, option in enumerate(self._options())
        ]
        return score_continuations(self.model, self.prompts, asked, 8 * OPTIONS)


def measure(work: Work, seed: int, rounds: int, batch: int) -> dict[str, Any]:
    """Compare what both sides answer, then how long they take.

    Returns:
        `same_greedy_answers` (share), `largest_difference` of a log-probability in nats, and for
        `answers` and `options` the seconds of either side and our speed over theirs, each as
        lowest, median and highest of the rounds.
    """
    import torch

    torch.set_num_threads(work.threads)
    sides = Sides(work, seed, batch)
    greedy = [
        a == b for a, b in zip(sides.their_answers(1, 0), sides.our_answers(1, 0), strict=True)
    ]
    apart = [abs(a - b) for a, b in zip(sides.their_weights(), sides.our_weights(), strict=True)]
    pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "answers": (
            lambda: sides.their_answers(work.group_size, 1.0),
            lambda: sides.our_answers(work.group_size, 1.0),
        ),
        "options": (sides.their_weights, sides.our_weights),
    }
    found: dict[str, Any] = {
        "same_greedy_answers": sum(greedy) / len(greedy),
        "largest_difference": max(apart),
    }
    for name, (theirs, ours) in pairs.items():
        times = [(_seconds(theirs), _seconds(ours)) for _ in range(rounds)]
        found[name] = {
            "harness_seconds": _spread([t for t, _ in times]),
            "our_seconds": _spread([o for _, o in times]),
            "times_as_fast": _spread([t / o for t, o in times]),
        }
    return found


def _seconds(run: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def _spread(values: Sequence[float]) -> list[float]:
    return [round(f(values), 4) for f in (min, statistics.median, max)]


@click.command()
@click.option("--threads", default=1, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--batch", default=64, show_default=True, help="Rows of the harness at once.")
@click.option("--seed", default=0, show_default=True)
def main(threads: int, rounds: int, batch: int, seed: int) -> None:
    """Time both sides; the last line is JSON."""
    quiet.apply()
    work = dataclasses.replace(SHAPE, threads=threads)
    found = measure(work, seed, rounds, batch)
    click.echo(json.dumps({"work": dataclasses.asdict(work), "batch": batch} | found))


if __name__ == "__main__":
    main()

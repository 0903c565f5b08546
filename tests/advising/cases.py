"""Records and criteria that cases are made of."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from rlp_core import environments
from rlp_core.advising.criteria import THRESHOLDS, Criterion
from rlp_core.data.records import Demonstration, Document, content_key
from rlp_core.environments import Environment
from rlp_core.evaluation.statistics import Estimate

LICENCE = "CC0-1.0"


def world() -> Environment:
    found = environments.get("arithmetic")
    assert isinstance(found, Environment)
    return found


def demonstrations(
    count: int,
    *,
    shown: float = 1.0,
    sound: float = 1.0,
    source: str = "arithmetic",
    seed: int = 0,
) -> list[Demonstration]:
    """Different chains of four; every so manieth shows its work, or slips in its last step."""
    made = []
    rng = random.Random(seed)
    settings = world().settings(min_terms=4, max_terms=4)
    seen: set[str] = set()
    while len(made) < count:
        task = world().sample(rng, settings)
        question = world().question(task)
        if question in seen:
            continue
        seen.add(question)
        number, solution = len(made), world().expert(task)
        thought = world().thought(solution) if number < shown * count else ""
        if number % 10 >= round(10 * sound):
            thought = f"{thought[:-1]}{(int(thought[-1]) + 1) % 10}" if thought else ""
        made.append(
            Demonstration(
                id=f"d{number}",
                key=content_key(question),
                source=source,
                licence=LICENCE,
                context=world().prompt(task),
                thought=thought,
                continuation=world().continuation(solution),
            )
        )
    return made


def documents(count: int, *, seed: int = 1, source: str = "arithmetic") -> list[Document]:
    """Texts of other draws than the demonstrations', answers marked."""
    made = []
    for demo in demonstrations(count, shown=0.0, seed=seed, source=source):
        text = demo.context + demo.continuation
        span = [len(demo.context), len(demo.context) + 1]
        made.append(
            Document(
                id=f"t{demo.id}", key=demo.key, source=source, licence=LICENCE, text=text,
                spans=[span],
            )
        )  # fmt: skip
    return made


def share(value: float, width: float = 0.0, n: int = 200) -> Estimate:
    """A share with an interval so wide on either side."""
    return Estimate(value, max(0.0, value - width), min(1.0, value + width), n, n)


def criteria(**figures: Estimate | float | None) -> dict[str, Criterion]:
    """All criteria: the given figures, and of the others those of plenty that cannot be tried."""
    usual: dict[str, Estimate | float | None] = {
        "solved": None, "helped": None, "begin": 4000, "plenty": 4000, "sound": share(1.0),
        "usable": share(1.0), "shown": share(1.0), "text": 4000,
    }  # fmt: skip
    return {
        name: Criterion(
            name,
            Estimate(figure, figure, figure, 1, 1, math.nan)
            if isinstance(figure, int | float)
            else figure,
            taken=name in ("sound", "usable"),
        )
        for name, figure in (usual | figures).items()
    }


def counts(number: float) -> dict[str, Estimate | float | None]:
    """The criteria of so many usable demonstrations."""
    return {"begin": number, "plenty": number}


def soundness(value: float, width: float = 0.0) -> dict[str, Estimate | float | None]:
    return {"sound": share(value, width), "usable": share(value, width)}


def names() -> Sequence[str]:
    return list(THRESHOLDS)

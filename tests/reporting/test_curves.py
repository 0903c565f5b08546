"""Learning curves: which have a band, what the caption says of it, and how heavy they are."""

from __future__ import annotations

import random

from rlp_core.arms import declared
from rlp_core.reporting import curves
from rlp_core.reporting.figures import Figure

ARMS = declared()
STAGES = ("base", "bootstrap", "cpt")


def rewards(steps: int) -> dict[str, list[float]]:
    rng = random.Random(1)
    return {
        "step": [float(i) for i in range(steps)],
        "information_gain": [rng.gauss(1, 0.3) for _ in range(steps)],
        "true_gain": [rng.random() if i % 10 == 0 else float("nan") for i in range(steps)],
    }


def losses(steps: int) -> dict[str, list[float]]:
    rng = random.Random(2)
    return {"step": [float(i) for i in range(steps)], "loss": [rng.random() for _ in range(steps)]}


def drawn(steps: int) -> dict[str, Figure]:
    of = {"rlp": rewards(steps)} | {stage: losses(steps) for stage in STAGES}
    return curves.draw(of, ARMS, 0.9)


def test_the_caption_says_what_the_band_covers_and_what_not() -> None:
    made = drawn(60)
    assert set(made) == {"rlp-curves", "audit-curves", "loss-curves"}
    caption = made["rlp-curves"].caption
    assert "mean over 12 steps (fewer at the ends), in its 90% band" in caption
    assert "nothing about another seed" in caption
    assert "Thin: single steps;" in caption
    assert "fill-opacity: 0.2" in made["rlp-curves"].svg
    assert "fill-opacity: 0.2" not in made["audit-curves"].svg  # six audits
    assert "there is no band" in made["audit-curves"].caption


def test_curves_without_a_band_beside_others_are_told() -> None:
    of = {"rlp": rewards(0), "base": losses(80), "bootstrap": losses(3), "cpt": losses(200)}
    made = curves.draw(of, ARMS, 0.95)
    assert list(made) == ["loss-curves"]
    assert "mean over 12 to 20 steps" in made["loss-curves"].caption
    assert "Curves of fewer than 12 steps have none." in made["loss-curves"].caption


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert drawn(60) == drawn(60)


def test_a_long_run_makes_no_heavy_page() -> None:
    made = drawn(30_000)
    assert sum(len(figure.svg) for figure in made.values()) < 600_000
    assert "of long curves one in 50" in made["rlp-curves"].caption
    assert "rlp from" not in made["rlp-curves"].alt
    assert "information_gain from" in made["rlp-curves"].alt

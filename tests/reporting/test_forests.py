"""Forest plots and the small tables beside them: what is drawn, and when."""

from __future__ import annotations

from typing import Any

from rlp_core.arms import declared
from rlp_core.reporting import forests, summaries

ARMS = declared()


def entry(value: float | None, **more: Any) -> dict[str, Any]:
    ends = {
        "low": None if value is None else value - 0.1,
        "high": None if value is None else value + 0.1,
    }
    return {"value": value, **ends, "n": 9, "clusters": 9, "p": 0.01, **more}


def tree(suites: int = 1) -> dict[str, Any]:
    names = [
        f"bias/suite{i}/score_{mode}" for i in range(suites) for mode in ("thinking", "direct")
    ]
    trained = [arm for arm in ARMS.names if arm != "base"]
    change = {"change": entry(0.1, p_holm=0.5), "magnitude": entry(0.2)}
    return {
        "arms": {arm: {name: entry(0.1) for name in names} for arm in ARMS.names},
        "bias": {arm: dict.fromkeys(names, change) for arm in trained},
    }


def test_every_trained_arm_has_a_row_and_words() -> None:
    made = forests.draw(tree(), ARMS)
    assert list(made) == ["bias-changes"]
    for arm in (name for name in ARMS.names if name != "base"):
        assert (
            f"{arm} 0.200 [0.100, 0.300] in bias/suite0/score_thinking" in made["bias-changes"].alt
        )
    many = forests.draw(tree(2), ARMS)["bias-changes"].alt
    assert "rlp-ft" not in many
    assert "rlp 0.200" in many


def test_only_what_is_shown_is_filled() -> None:
    def filled(p: float | None) -> bool:
        of = tree()
        for scores in of["bias"].values():
            for one in scores.values():
                one["change"] = entry(0.1, p_holm=p)
        drawn = forests.draw(of, ARMS)["bias-changes"].svg
        return f"fill: {ARMS['rlp'].colour.light}" in drawn

    assert filled(0.01)
    assert not filled(0.2)
    assert not filled(None)


def test_undefined_scores_are_left_out() -> None:
    of = tree()
    for scores in of["bias"].values():
        for one in scores.values():
            one["magnitude"] = entry(None)
    assert forests.draw(of, ARMS) == {}
    assert forests.draw({"arms": {}, "bias": {}}, ARMS) == {}


def test_calibration_is_told_by_benchmark_arm_and_mode() -> None:
    of = {"confidence": 0.9, "right": 0.6, "error": 0.3, "overconfidence": entry(0.3)}
    by_arm = {arm: {"thinking": of, "direct": of} for arm in ("base", "rlp", "rlp-ft")}
    made = tree() | {"calibration": {"zebras": by_arm}}
    drawn = forests.draw(made, ARMS)["overconfidence"]
    assert "zebras, rlp, thinking 0.300 [0.200, 0.400]" in drawn.alt
    assert "rlp-ft" not in drawn.alt  # left to the table
    lines = summaries.calibration_lines(made, ARMS)
    assert [line.name for line in lines] == [
        f"zebras, {arm}, {mode}" for arm in by_arm for mode in ("thinking", "direct")
    ]
    assert [cell.value for cell in lines[0].cells] == ["0.900", "0.600", "+0.300", "0.300"]
    assert summaries.calibration_lines(tree(), ARMS) == []

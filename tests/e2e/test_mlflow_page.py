"""The README's steps for comparing models in MLflow, done in a real browser, in its own words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from flows import ui
from rlp_core.params import load
from rlp_core.tracking import close_pipeline_run, open_pipeline_run, open_run
from rlp_core.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, REGISTERED_MODEL
from rlp_core.workspace import Workspace
from tests.e2e import browser
from tests.e2e.checkout import REPOSITORY
from tests.tracking.runs import client_of

BROWSER = browser.find()

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(BROWSER is None, reason=f"no browser: none of {', '.join(browser.NAMES)}"),
]

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
STEPS = [
    " ".join(step.split())
    for step in re.split(
        r"^\d\. ",
        README.partition("### Comparing models in MLflow")[2].partition("![")[0],
        flags=re.M,
    )[1:]
]
MEASURED = {"base": (0.1, -1.5), "cpt": (0.3, -0.5), "rlp": (0.5, 2.25)}
ROW_OF = "[...document.querySelectorAll('[role=row]')].find(row => row.innerText.includes('{}'))"


def bold(step: int) -> list[str]:
    """What a step says to press."""
    return re.findall(r"\*\*(.+?)\*\*", STEPS[step - 1])


def code(step: int) -> list[str]:
    """What a step says to type, or names."""
    return re.findall(r"`(.+?)`", STEPS[step - 1])


@pytest.fixture
def workspace(tracked: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Three arms that were evaluated in one pipeline, a training run, and a registered model."""
    params = load(tracked.params)
    parent = open_pipeline_run(tracked, params, "rlp-pipeline", {})
    assert parent
    monkeypatch.setenv("RLP_PARENT_RUN_ID", parent)
    with open_run("rlp", params, tracked) as tracker:
        tracker.metrics({"loss": 1.0}, step=1)
    for arm, (right, gain) in MEASURED.items():
        with open_run(f"evaluate@{arm}", params, tracked) as tracker:
            told = {"pass_at_1_thinking": right, "pass_at_1_direct": 0.1, "bits_per_byte": 1.5}
            told |= {"information_gain": gain, "cross_entropy": 1.5, "greedy_direct/gsm8k": 0.2}
            tracker.metrics(told)
    close_pipeline_run(tracked, params, parent, succeeded=True)
    client = client_of(tracked)
    client.create_registered_model(REGISTERED_MODEL)
    version = client.create_model_version(REGISTERED_MODEL, "models/rlp").version
    for alias in (CHAMPION, CHALLENGER, PREVIOUS):
        client.set_registered_model_alias(REGISTERED_MODEL, alias, version)
    return tracked


def test_the_readme_compares_the_arms(workspace: Workspace, tmp_path: Path) -> None:
    served = ui._mlflow(workspace)
    try:
        ui.wait_until_up(served)
        with browser.tab(str(BROWSER), tmp_path) as page:
            page.size(1500, 760)
            page.open(served.address)
            _to_the_runs(page)
            _search(page)
            _charts(page)
            _compare(page)
            _registry(page)
    finally:
        ui.end(served)


def _to_the_runs(page: browser.Tab) -> None:
    assert bold(1) == ["Model training", "Experiments", "rlp"]
    for name in bold(1):
        page.click_called(name)
    page.wait_for_text("5 matching runs")


def _search(page: browser.Tab) -> None:
    (query,) = code(2)
    assert bold(2) == ["+"]
    page.click_on("document.querySelector('[data-testid=search-box]')")
    page.type(query)
    page.press("Enter")
    page.wait_for_text("4 matching runs")  # the parent is shown above those that match
    page.click_on(f"{ROW_OF.format('rlp-pipeline')}?.querySelector('button')")
    for arm in MEASURED:
        page.wait_for_text(f"evaluate@{arm}")


def _charts(page: browser.Tab) -> None:
    pattern = code(3)[0]
    assert bold(3) == ["chart"]
    page.click_on(
        "document.querySelector('input[name=runs-view-mode][value=CHART]').closest('label')"
    )
    page.wait_for_text("eval/gsm8k/direct")
    page.click_called("Search metric charts", "input")
    page.type(pattern)
    page.wait("!document.body.innerText.includes('eval/gsm8k/direct')")
    # One section per mode of a set: its charts stand together.
    found = page.wait(
        "(lines => lines.includes('process') ? null : lines)"
        "(document.body.innerText.split('\\n').filter(line => line.startsWith('eval/')))"
    )
    sections = {"eval/heldout/direct", "eval/heldout/gain"}
    assert sections | {"eval/overall/direct", "eval/overall/thinking"} <= set(found)
    assert not any("bits_per_byte" in line for line in found)


def _compare(page: browser.Tab) -> None:
    assert bold(4) == ["Compare"]
    for arm in MEASURED:
        row = ROW_OF.format(f"evaluate@{arm}")
        page.click_on(f"{row}?.querySelector('input[type=checkbox]')")
    page.click_called("Compare")
    page.wait_for_text("Comparing 3 Runs")
    page.wait_for_text("eval/heldout/gain/information_gain")
    assert "metrics.csv" in code(4)
    page.wait_for_text("metrics.csv")
    text = page.text
    assert {f"{gain:g}" for _, gain in MEASURED.values()} <= set(text.split("\n"))
    assert "evaluate.samples" in text


def _registry(page: browser.Tab) -> None:
    button, well = bold(5)
    assert code(5) == [REGISTERED_MODEL, CHAMPION, CHALLENGER, PREVIOUS]
    page.click_called(button)
    page.wait_for_text(PREVIOUS)  # whose table it comes with
    page.click_called(well, "button")
    page.wait("!document.elementFromPoint(1, 1).closest('[role=dialog]')")  # it fades
    page.click_called(REGISTERED_MODEL, "a")
    for alias in code(5)[1:]:
        page.wait(f"document.body.innerText.replace(/\\s/g, '').includes({json.dumps(alias)})")

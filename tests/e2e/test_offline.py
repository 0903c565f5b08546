"""The whole graph makes no network call: it runs without an interface, and nothing reaches out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.offline import offline
from tests.e2e.runs import FlowRun

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def test_the_hook_sees_a_call(tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text(
        "import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=5)\n"
    )
    done = offline(tmp_path, tmp_path / "calls", "caller")
    assert done.returncode != 0
    assert "192.0.2.1" in (tmp_path / "calls").read_text()


def test_the_whole_graph_makes_no_network_call(by_flow: FlowRun) -> None:
    assert by_flow.calls == ""
    verdict = json.loads((by_flow.root / "reports" / "promotion.json").read_text(encoding="utf-8"))
    assert verdict["winner"]
    assert (by_flow.root / "reports" / "index.html").stat().st_size > 0
    assert (by_flow.root / ".rlp" / "mlflow.db").is_file()

"""`dvc repro`, the flow by itself, and a deployed flow on a real server leave the same dvc.lock.

The first two run the whole graph; the third an arm of it, since each start of a stage costs seconds
and how a task runs a stage does not depend on which.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import checkout
from tests.e2e.runs import FlowRun

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def status(root: Path) -> dict[str, Any]:
    """What `dvc status` says would run, and why."""
    found: dict[str, Any] = json.loads(checkout.run(root, "dvc", "status", "--json"))
    return found


@contextmanager
def changed_params(root: Path, section: str, **values: Any) -> Iterator[None]:
    """Parameters with some values changed, put back afterwards."""
    params = checkout.micro_params()
    params[section] |= values
    checkout.write_params(root, params)
    try:
        yield
    finally:
        checkout.write_params(root, checkout.micro_params())


def test_a_second_repro_runs_nothing(by_dvc: Path) -> None:
    before = (by_dvc / "dvc.lock").read_bytes()
    said = checkout.run(by_dvc, "dvc", "repro")
    assert "Running stage" not in said
    assert "up to date" in said
    assert (by_dvc / "dvc.lock").read_bytes() == before


def test_runtime_re_runs_nothing(by_dvc: Path) -> None:
    with changed_params(by_dvc, "runtime", threads=2, micro_batch=64, log_every=1, tracking=False):
        assert status(by_dvc) == {}


def test_a_section_re_runs_its_stage_and_what_follows(by_dvc: Path) -> None:
    from flows.graph import load_graph
    from flows.plan import make_plan

    with changed_params(by_dvc, "evaluate", samples=3):
        changed = status(by_dvc)
        plan = make_plan(by_dvc, load_graph(by_dvc))
    evaluations = {line.stage.name for line in plan if line.stage.name.startswith("evaluate@")}
    # the comparison shows the settings, and the model card states them
    assert evaluations <= set(changed) <= {*evaluations, "compare", "promote"}
    assert {line.stage.name for line in plan if not line.fresh} == {
        *evaluations,
        "compare",
        "promote",
    }


def test_the_flow_without_a_server_leaves_the_same_lock(by_dvc: Path, by_flow: FlowRun) -> None:
    root, said = by_flow.root, by_flow.said
    assert (root / "dvc.lock").read_bytes() == (by_dvc / "dvc.lock").read_bytes()
    assert "21 to run" in said
    assert "Traceback" not in said
    assert status(root) == {}
    assert "0 to run, 21 fresh" in checkout.run(root, "flows.pipeline")


def forget(root: Path, forgotten: set[str]) -> None:
    """Leave a workspace as if some stages had never run."""
    lock = root / "dvc.lock"
    tree = yaml.safe_load(lock.read_text(encoding="utf-8"))
    for name in forgotten:
        stage = tree["stages"].pop(name)
        for out in stage["outs"]:
            path = root / out["path"]
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    lock.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    shutil.rmtree(root / ".dvc" / "cache" / "runs")


def test_a_deployed_flow_leaves_the_same_lock(by_dvc: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(by_dvc, tmp_path / "by-worker", symlinks=True))
    arm = {
        "cpt",
        "finetune@cpt",
        "rlvr@cpt",
        "evaluate@cpt",
        "evaluate@cpt-ft",
        "compare",
        "promote",
    }
    forget(root, arm)
    assert set(status(root)) == arm
    port = free_port()
    address = f"http://127.0.0.1:{port}/api"
    variables = {"PREFECT_API_URL": address, "PREFECT_HOME": str(tmp_path / "home")}
    server = ["server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with prefect_process(root, server, variables):
        wait_for(address)
        prefect(root, "work-pool", "create", "rlp-local", "--type", "process", **variables)
        prefect(root, "--no-prompt", "deploy", "--all", **variables)
        with prefect_process(root, ["worker", "start", "--pool", "rlp-local"], variables):
            command = ["deployment", "run", "rlp-pipeline/local", "--watch"]
            said = prefect(root, *command, **variables)
    assert "Completed" in said
    assert (root / "dvc.lock").read_bytes() == (by_dvc / "dvc.lock").read_bytes()


def prefect(root: Path, *arguments: str, **variables: str) -> str:
    return checkout.run(root, "prefect", *arguments, **variables)


@contextmanager
def prefect_process(root: Path, arguments: list[str], variables: dict[str, str]) -> Iterator[None]:
    """A Prefect command that runs until it is told to end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", *arguments],
        cwd=root,
        env=checkout.environment(root, **variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(address: str) -> None:
    give_up = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except OSError:
            assert time.monotonic() < give_up, "the server did not start"
            time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""A throw-away DVC project whose stages are a few lines of Python, for tests of the flows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]

# What `rlp_core.stage` promises to the flows: its exit code in `.rlp/runs/STAGE.json`.
WORK = """
import json, os, pathlib, subprocess, sys, time
name, action = sys.argv[1], sys.argv[2]
started = time.time()
def count():
    path = pathlib.Path(".rlp") / f"{name}.count"
    path.parent.mkdir(exist_ok=True)
    number = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(number))
    return number
code = 0
times = count()
print(f"line one of {name}")
print("to stderr", file=sys.stderr)
if action == "hang":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pathlib.Path(".rlp/pids").write_text(f"{os.getpid()} {child.pid}")
    print("hanging", flush=True)
    time.sleep(600)
elif action == "passing":
    code = 75 if times == 1 else 0
elif action.isdigit():
    code = int(action)
else:
    time.sleep(float(sys.argv[3]) if len(sys.argv) > 3 else 0)
if code == 0:
    out = pathlib.Path("out") / f"{name}.txt"
    out.parent.mkdir(exist_ok=True)
    out.write_text(name)
record = pathlib.Path(".rlp/runs") / f"{name}.json"
record.parent.mkdir(parents=True, exist_ok=True)
record.write_text(json.dumps({"stage": name, "started": started, "exit_code": code}))
sys.exit(code)
"""


def stage(name: str, action: str = "ok", deps: tuple[str, ...] = (), **meta: object) -> str:
    """The YAML of one stage; `deps` are names of stages."""
    settings = {"phase": "validate-data", "gpus": 0, "retries": 2, "timeout_minutes": 1} | meta
    lines = [f"  {name}:", f"    desc: Stage {name}", f"    cmd: python work.py {name} {action}"]
    lines += ["    deps:", "    - work.py", *(f"    - out/{dep}.txt" for dep in deps)]
    lines += [f"    outs: [out/{name}.txt]", f"    meta: {settings}".replace("'", "")]
    return "\n".join(lines) + "\n"


def make(root: Path, *stages: str) -> Path:
    """Write a DVC project with these stages at `root`."""
    root.mkdir(exist_ok=True)
    (root / "work.py").write_text(WORK)
    (root / "dvc.yaml").write_text("stages:\n" + "".join(stages))
    (root / ".gitignore").write_text("/out/\n/.rlp/\n")
    profile = REPOSITORY / "profiles" / "tiny.yaml"
    (root / "params.yaml").write_text(
        profile.read_text(encoding="utf-8") + "  tracking: false\n", encoding="utf-8"
    )
    (root / ".dvc").mkdir(exist_ok=True)  # as `dvc init` does, in no time
    (root / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (root / ".dvc" / "config").write_text(
        "[core]\n    analytics = false\n    check_update = false\n"
    )
    (root / ".dvcignore").touch()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def dvc(root: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a DVC command with this interpreter first on the PATH."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
        check=check,
    )


def alive(pid: int) -> bool:
    """Whether a process runs. A zombie does not: it waits for a parent to read its exit code."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

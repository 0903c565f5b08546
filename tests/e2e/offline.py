"""Runs a Python program without a network, and notes what it tries to reach.

Every Python process of the run carries an audit hook that refuses and notes whatever is not
loopback; and where the kernel lets a user make one, the run has a network namespace of its own, in
which loopback is the only interface, for programs that are not Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.e2e import checkout

# Python imports a module of this name at every start.
HOOK = """
import errno, os, socket, sys

_ours = {"localhost", "", None, socket.gethostname()}

def _inside(host):
    host = host.decode() if isinstance(host, bytes) else host
    return host in _ours or str(host).startswith("127.") or host in ("::1", "0.0.0.0", "::")

def _watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if not isinstance(address, tuple) or _inside(address[0]):
            return
        tried = address
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        if _inside(arguments[0]):
            return
        tried = arguments[0]
    else:
        return
    with open(os.environ["RLP_TEST_CALLS"], "a") as calls:
        calls.write(f"{event} {tried!r} {sys.argv[:4]}\\n")
    raise OSError(errno.ENETUNREACH, "no network in this test")

sys.addaudithook(_watch)
"""

# A new namespace has its loopback interface down.
ALONE = """
import fcntl, os, socket, struct, sys
with socket.socket() as s:
    SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40
    fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP | IFF_RUNNING))
os.execv(sys.executable, [sys.executable, "-m", *sys.argv[1:]])
"""


def namespace_command() -> list[str]:
    """How to start Python without a network; empty where the kernel does not allow it."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return []
    tried = subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False)
    return [unshare, "-rn", sys.executable, "-c", ALONE] if tried.returncode == 0 else []


def offline(root: Path, calls: Path, *module: str) -> subprocess.CompletedProcess[str]:
    """Run a Python module in a copy, without a network."""
    hooks = calls.parent / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
    environment = checkout.environment(
        root, PYTHONPATH=f"{hooks}{os.pathsep}{root}", RLP_TEST_CALLS=str(calls)
    )
    for name in ("DO_NOT_TRACK", "DVC_NO_ANALYTICS", "PREFECT_SERVER_ANALYTICS_ENABLED"):
        environment.pop(name, None)  # the project must switch them off by itself
    for name in ("CI", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "MLFLOW_DISABLE_TELEMETRY"):
        environment.pop(name, None)
    start = namespace_command() or [sys.executable, "-m"]
    return checkout.ended(root, [*start, *module], environment)

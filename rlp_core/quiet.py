"""Offline and quiet: the switches that stop the libraries from calling home.

What runs on this machine (Prefect's private server, MLflow's pages) is never asked for through a
proxy: loopback is added to `no_proxy`, which urllib, requests and httpx all read.

Applied at the start of every entry point, before the libraries are imported. A variable that the
user has set is left alone, so `HF_HUB_OFFLINE=0` lets a run download from a hub.
"""

from __future__ import annotations

import os

SWITCHES = {
    "DO_NOT_TRACK": "true",  # MLflow compares with "true", Prefect takes any truth
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


LOOPBACK = ("127.0.0.1", "localhost", "::1")


def apply() -> None:
    """Set every switch that the environment does not set already, and keep proxies off loopback."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    _reach_loopback()


def _reach_loopback() -> None:
    """Both spellings are set alike: the libraries differ in which one they read first."""
    said = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in said.split(",") if host.strip()]
    if "*" not in hosts:
        hosts += [host for host in LOOPBACK if host not in hosts]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(hosts)

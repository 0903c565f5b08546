"""Offline and quiet: the switches that stop the libraries from calling home, or through a proxy.

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


LOOPBACK = ("localhost", "127.0.0.1", "::1")


def apply() -> None:
    """Set every switch that the environment does not set already; keep loopback off proxies."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    loopback_without_proxy()


def loopback_without_proxy() -> None:
    """Have servers of this machine reached directly, whatever proxy the environment names.

    A proxy cannot reach them: its own loopback is another. What `no_proxy` holds already stays.
    Both spellings are set, since libraries read the one or the other and not both.
    """
    listed = f"{os.environ.get('no_proxy', '')},{os.environ.get('NO_PROXY', '')}"
    hosts = dict.fromkeys(host.strip() for host in listed.split(",") if host.strip())
    text = "*" if "*" in hosts else ",".join(dict.fromkeys([*hosts, *LOOPBACK]))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = text

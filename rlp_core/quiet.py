"""Offline and quiet: the switches that stop the libraries from calling home.

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


def apply() -> None:
    """Set every switch that the environment does not set already."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)

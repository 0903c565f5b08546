"""Prefect: when and where a stage runs. What depends on what is read from `dvc.yaml`."""

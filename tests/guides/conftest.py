"""The run of the micro graph that guides build on."""

from tests.e2e.runs import by_dvc

__all__ = ["by_dvc"]

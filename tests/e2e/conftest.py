"""The runs of the micro graph that tests share."""

from tests.e2e.runs import by_dvc, by_flow

__all__ = ["by_dvc", "by_flow"]

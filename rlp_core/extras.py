"""What an installation lacks, told by the extra that brings it.

The package alone brings what the library needs; the command, the stages and the pages need more,
and import it when they run.
"""

from __future__ import annotations

from importlib.util import find_spec

from rlp_core.errors import UnavailableError

FIX = "pip install 'rlp[pipeline]'; in a checkout `make install`"


def missing(error: ModuleNotFoundError) -> UnavailableError | None:
    """The message for a package that is not installed; None where it is, and is broken itself."""
    package = (error.name or "").partition(".")[0]
    if not package or package == __package__ or find_spec(package) is not None:
        return None
    return UnavailableError(
        f"the package `{package}` is not installed; the library needs it not, the pipeline does",
        where=f"import {error.name}",
        fix=FIX,
    )

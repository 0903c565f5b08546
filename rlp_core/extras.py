"""What an installation lacks, told by the extra that brings it.

The package alone brings what the library needs; the command, the stages and the pages need more,
and import it when they run.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Extra:
    """An extra of this project that a part needs, which most installations lack.

    Attributes:
        name: of the extra, `pip install 'rlp[NAME]'`.
        module: that it brings, by the name that it is imported by.
    """

    name: str
    module: str

    @property
    def installed(self) -> bool:
        """Whether its module is there; nothing is imported."""
        return find_spec(self.module) is not None

    @property
    def fix(self) -> str:
        """What to type for it."""
        return f"pip install 'rlp[{self.name}]'; in a checkout `pip install -e '.[{self.name}]'`"

    def require(self, what: str, *, where: str) -> None:
        """Raise UnavailableError unless it is installed; `what` it is that needs it."""
        if not self.installed:
            raise UnavailableError(
                f"{what} needs the package `{self.module}`, which is not installed",
                where=where,
                fix=self.fix,
            )

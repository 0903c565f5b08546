"""Every world with an expert as environments of Gymnasium, for whatever else learns in those.

Each world has two ids. In `rlp/NAME-v0` texts are read and written: one action is the whole answer.
In `rlp/NAME-letters-v0` an action writes one letter of the answer or ends it, for policies without
a language model. What is paid is the word of the world's verifier, 1 or 0, when the answer ends.

Gymnasium finds no environments in installed packages, since its 1.0: importing this registers them,
and `gymnasium.make("rlp_core.gym:rlp/nim-v0")` imports it. A world's own file waits until one of
its environments is made. So a world without questions has ids too, and says then that it asks
nothing.
"""

from __future__ import annotations

from rlp_core import environments
from rlp_core.errors import UnavailableError

try:
    import gymnasium
except ModuleNotFoundError as missing:
    raise UnavailableError(
        "worlds as environments of Gymnasium need the package `gymnasium`, which is not installed",
        where="import rlp_core.gym",
        fix="pip install 'rlp[gym]'",
    ) from missing

from rlp_core.gym.answering import LetterByLetter, WholeAnswer

__all__ = ["LetterByLetter", "WholeAnswer"]


def _register() -> None:
    for name in environments.names():
        for kind, suffix in ((WholeAnswer, ""), (LetterByLetter, "-letters")):
            gymnasium.register(
                id=f"rlp/{name}{suffix}-v0",
                entry_point=f"{__name__}:{kind.__name__}",
                kwargs={"world": name},
            )


_register()

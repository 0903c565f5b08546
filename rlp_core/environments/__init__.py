"""Worlds with rules: what may be asked, an expert who explains its steps, a verifier.

One file per world, `rlp_core/environments/NAME.py`; the registry finds it by its name and imports
it when it is asked for. A world of another package is listed without that, and asks for it when it
is to be used. Files whose names begin with an underscore are no worlds.
"""

from rlp_core.environments._registry import (
    available,
    built_in,
    class_of,
    get,
    names,
    with_experts,
)
from rlp_core.environments._shown import Shown, shown, summary
from rlp_core.environments._world import (
    Environment,
    ExpertSettings,
    Solution,
    Text,
    TextWorld,
    World,
)
from rlp_core.extras import Extra
from rlp_core.section import Section

__all__ = [
    "Environment",
    "ExpertSettings",
    "Extra",
    "Section",
    "Shown",
    "Solution",
    "Text",
    "TextWorld",
    "World",
    "available",
    "built_in",
    "class_of",
    "get",
    "names",
    "shown",
    "summary",
    "with_experts",
]

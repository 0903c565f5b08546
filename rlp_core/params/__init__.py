"""`params.yaml` as frozen, typed settings: a section per stage, and `runtime`.

`load` checks the whole file before any work starts. Whatever changes a result stands in a
stage's section; what changes only speed, memory or where things are logged stands in `runtime`,
which no stage depends on.
"""

from rlp_core.params.reading import from_tree, load
from rlp_core.params.root import Params, Runtime

__all__ = [
    "Params",
    "Runtime",
    "from_tree",
    "load",
]

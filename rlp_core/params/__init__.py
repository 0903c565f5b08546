"""`params.yaml` as frozen, typed settings: a section per stage, and `runtime`.

`load` checks the whole file before any work starts. Whatever changes a result stands in a
stage's section; what changes only speed, memory or where things are logged stands in `runtime`,
which no stage depends on.
"""

from rlp_core.params.benchmark import Benchmark
from rlp_core.params.data import Files, Hub, Mapping, Prepare, Source, Validate
from rlp_core.params.evaluation import BiasFiles, Compare, Evaluate, Gate, Promote
from rlp_core.params.procedural import Procedural
from rlp_core.params.reading import load
from rlp_core.params.root import Params, Runtime
from rlp_core.section import Section

__all__ = [
    "Benchmark",
    "BiasFiles",
    "Compare",
    "Evaluate",
    "Files",
    "Gate",
    "Hub",
    "Mapping",
    "Params",
    "Prepare",
    "Procedural",
    "Promote",
    "Runtime",
    "Section",
    "Source",
    "Validate",
    "load",
]

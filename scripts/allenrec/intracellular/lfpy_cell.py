"""`LFPy.Cell` without the rest of LFPy.

`import LFPy` takes a second of processor time, three quarters of it for `scipy.stats` and `scipy.signal`, which serve its
networks and its synapses. Each model is simulated by a process of its own, in about the same time.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from . import nrn as nrn  # LFPy imports NEURON, which has to be imported there first


def _import_cell() -> Any:
    """Import the module `LFPy.cell` with empty modules in place of its package and of `scipy.stats`; return its class.

    Only one method of the class, which places synapses by chance, uses `scipy.stats`. Afterwards both import as usual, and
    `LFPy.Cell` is the same class.
    """
    if "LFPy" in sys.modules or "scipy.stats" in sys.modules:
        return import_module("LFPy").Cell
    spec = find_spec("LFPy")
    if spec is None:
        raise ModuleNotFoundError("No module named 'LFPy'", name="LFPy")
    package, stats = ModuleType("LFPy"), ModuleType("scipy.stats")
    package.__path__ = list(spec.submodule_search_locations or [])
    vars(stats)["norm"] = "norm"  # the default of an argument of that method, which takes the name as well
    sys.modules.update({"LFPy": package, "scipy.stats": stats})
    try:
        return import_module("LFPy.cell").Cell
    finally:
        del sys.modules["LFPy"], sys.modules["scipy.stats"]


Cell: Any = _import_cell()

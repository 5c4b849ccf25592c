"""The package from outside: what `import allenrec` costs, and that its names lead to what they say."""

from support import run_python

import allenrec

IMPORT = """
import json, time
start = time.process_time()
import allenrec
seconds = time.process_time() - start
print(json.dumps({"seconds": seconds, "modules": sorted(sys.modules)}))
"""
#: Packages that take long to import, or that a person who only reads results need not have
HEAVY = {"neuron", "LFPy", "spikeinterface", "numba", "MEAutility", "matplotlib", "bokeh", "pandas", "scipy", "h5py", "numpy"}


def test_import_is_fast_and_loads_no_simulator():
    """Less than 0.3 s of computing; the best of three, because other work on the machine does not count."""
    found = [run_python(IMPORT) for _ in range(3)]
    assert min(run["seconds"] for run in found) < 0.3
    assert HEAVY & set(found[0]["modules"]) == set()


def test_every_name_of_the_package_is_there():
    """The stub names what exists, and `dir` lists it."""
    assert allenrec.__all__ and set(allenrec.__all__) <= set(dir(allenrec))
    for name in allenrec.__all__:
        assert getattr(allenrec, name) is not None

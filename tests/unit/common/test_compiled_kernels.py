"""Compiled kernels: a checkout takes what another has compiled, but nothing that is stale or that others could have written."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from support import ROOT, run_python

#: Compiles one kernel, the quickest; prints the digest, and how often numba found it compiled
ONE_KERNEL = """
import json
import numpy as np
from allenrec.common.compiled_kernels import compile_kernels
from allenrec.libraries.poses import in_cell_frame
digest = compile_kernels("libraries", lambda: in_cell_frame(np.zeros(3), np.eye(3), np.zeros(3)))
print(json.dumps([digest, sum(in_cell_frame.stats.cache_hits.values())]))
"""


@pytest.fixture
def checkout(tmp_path):
    """Make a copy of the package without anything that is compiled."""

    def make(name):
        shutil.copytree(ROOT / "scripts", tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        return tmp_path / name

    return make


def compiled_in(folder, cache):
    """Compile a kernel in a copy of the package; return the digest and whether it was taken from the cache."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    variables |= {"PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(cache)}
    result = subprocess.run([sys.executable, "-c", ONE_KERNEL], env=variables, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    digest, hits = json.loads(result.stdout.splitlines()[-1])
    return digest, bool(hits)


def test_another_checkout_takes_compiled_kernels(checkout, tmp_path):
    """As long as the content of all kernels is the same, and nobody else can write the copy."""
    cache = tmp_path / "cache"
    first, taken = compiled_in(checkout("first"), cache)
    assert not taken
    second = checkout("second")
    assert compiled_in(second, cache) == (first, True)
    # A kernel that the first one calls or is called by, in another module: numba would not see this change.
    module = second / "allenrec" / "libraries" / "eap.py"
    module.write_text(module.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    changed, taken = compiled_in(second, cache)
    assert changed != first and not taken
    for path in (cache / "allenrec" / "kernels" / f"libraries-{first}").rglob("*.nbc"):
        path.chmod(0o666)
    assert compiled_in(checkout("third"), cache) == (first, False)


def test_without_a_cache(checkout, tmp_path):
    """Kernels are compiled beside their modules, as numba does."""
    (tmp_path / "file").write_text("")
    folder = checkout("only")
    assert not compiled_in(folder, tmp_path / "file")[1]
    assert list(folder.rglob("*.nbc"))


def test_an_import_forgets_kernels_that_were_compiled_for_other_ones(checkout, tmp_path):
    """Numba alone would load a kernel that calls others in their old form, and could crash."""
    folder = checkout("changed")
    compiled_in(folder, tmp_path / "cache")
    kernels = folder / "allenrec" / "libraries" / "__pycache__"

    def after_import():
        subprocess.run([sys.executable, "-c", "import allenrec"], env=os.environ | {"PYTHONPATH": str(folder)}, check=True)
        return list(kernels.glob("*.nbi"))

    assert after_import() == after_import() != []
    module = folder / "allenrec" / "libraries" / "contacts.py"
    module.write_text(module.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert after_import() == []


#: What uses a kernel, and then has numba compile a function with an array, as that of a user may be
USE_KERNEL = """
import json, sys
import numba
import numpy as np
from allenrec.common.compiled_kernels import load_kernels_without_compiler
from allenrec.libraries.poses import in_cell_frame
if {without}:
    load_kernels_without_compiler()
frame = in_cell_frame(np.array([1.0, 2.0, 3.0]), np.eye(3), np.array([1.0, 1.0, 1.0]))
ready = "numba.np.arraymath" in sys.modules
halves = numba.njit(lambda values: values / 2)(np.array([1.0, 3.0]))
print(json.dumps([frame, ready, halves.tolist()]))
"""


def test_a_job_loads_kernels_without_the_compiler():
    """The first process may have to compile the kernel; then the compiler is ready as well."""
    assert run_python(USE_KERNEL.format(without=False)) == [[0.0, 1.0, 2.0], True, [0.5, 1.5]]
    assert run_python(USE_KERNEL.format(without=True)) == [[0.0, 1.0, 2.0], False, [0.5, 1.5]]

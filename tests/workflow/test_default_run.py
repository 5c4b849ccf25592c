"""The default run gives the results that it gave when its digests were written.

They were those of commit aa81825 until spikes were simulated with shorter time steps. CHANGELOG.md says what has changed since.

The run takes a minute of computing, which is most of what this module takes; no smaller one is the default.
"""

import json
from pathlib import Path

import pytest
from workflow.digests import close, environment, same_bytes, table

REFERENCE = json.loads(Path(__file__).with_name("default_run.json").read_text(encoding="utf-8"))

#: Where processor or versions differ: how far numbers may be from the reference, as a share of the largest of their array.
#: Measured: kernels compiled for a plain x86-64 processor, without AVX2 and FMA, and another BLAS kernel change 4 of the 716
#: arrays, all after the filter and the mixing of noise, by less than 1e-6. Another libm may add to it in NEURON's integration.
TOLERANCE = 1e-4

#: Repeats the settings, which gain keys
SETTINGS = ":info/"


@pytest.fixture(scope="module")
def found(default_run):
    """The table of the default run."""
    return table(default_run / "results")


def test_default_run_has_the_datasets_that_it_had(found):
    """It waits for the default run, which takes twenty seconds of computing."""
    assert REFERENCE["arrays"].keys() - found.keys() == set()
    assert [name for name in found.keys() - REFERENCE["arrays"].keys() if SETTINGS not in name] == []


def test_default_run_gives_the_bytes_that_it_gave(found):
    """The same bytes with the reference's processor and versions, the same numbers but for rounding elsewhere."""
    exact = environment() == REFERENCE["environment"]
    changed = [
        name
        for name, expected in REFERENCE["arrays"].items()
        if not (same_bytes(expected, found[name]) if exact else close(expected, found[name], TOLERANCE))
    ]
    assert changed == []


def test_no_job_compiles_kernels(default_run):
    """All kernels of the default run are compiled when the rule for it ends, so later jobs find them."""
    for package, fewest in (("libraries", 10), ("recordings", 9)):
        compiled = list(default_run.glob(f"scripts/allenrec/{package}/**/*.nbc"))
        end = (default_run / "results" / "kernels" / f"{package}.json").stat().st_mtime
        assert len(compiled) >= fewest and [path for path in compiled if path.stat().st_mtime > end] == []

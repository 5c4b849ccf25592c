"""The default run gives the results that it gave at commit aa81825, before the package was taken apart into stages."""

import json
import shutil
from pathlib import Path

import pytest
from support import ROOT
from workflow.digests import close, environment, table
from workflow.snake import copy_compiled, copy_workflow, snakemake

REFERENCE = json.loads(Path(__file__).with_name("default_run.json").read_text(encoding="utf-8"))

#: Where processor or versions differ: how far numbers may be from the reference, as a share of the largest of their array.
#: Other compilers round the currents and the forward model in their last bits, which is 1e-7 of a float32; NEURON's
#: integration makes 1e-5 of it at the steep flank of a spike. A change of method or of random numbers is far above.
TOLERANCE = 1e-3

#: Repeats the settings, which gain keys
SETTINGS = ":info/"


@pytest.fixture(scope="module")
def found(models_folder, mechanisms, tmp_path_factory):
    """The table of a run of the default configuration."""
    folder = copy_workflow(tmp_path_factory.mktemp("default"))
    copy_compiled([ROOT], folder)
    shutil.copytree(mechanisms, folder / "results" / "mechanisms" / mechanisms.name)
    shutil.copytree(models_folder / "wheel", folder / "allen_models" / "wheel")
    assert (folder / "config" / "config.yaml").read_bytes() == (ROOT / "config" / "config.yaml").read_bytes()
    result = snakemake(folder, "--cores", "2", "recordings")
    assert result.returncode == 0, result.stderr
    return table(folder / "results")


def test_default_run_has_the_datasets_that_it_had(found):
    assert REFERENCE["arrays"].keys() - found.keys() == set()
    assert [name for name in found.keys() - REFERENCE["arrays"].keys() if SETTINGS not in name] == []


def test_default_run_gives_the_bytes_that_it_gave(found):
    """The same bytes with the reference's processor and versions, the same numbers but for rounding elsewhere."""
    same = environment() == REFERENCE["environment"]
    changed = [
        name
        for name, expected in REFERENCE["arrays"].items()
        if not (found[name] == expected if same else close(expected, found[name], TOLERANCE))
    ]
    assert changed == []

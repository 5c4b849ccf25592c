"""A Slurm for the session, and the folder that all runs are held against."""

import pytest
from slurm.cluster import Slurm, cancel, why_not
from workflow.snake import snakemake


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    reason = why_not()
    if reason:
        pytest.fail(f"no Slurm can be run here: {reason}")
    with Slurm(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def idle(slurm):
    """The same, with nothing running before and after."""
    yield slurm
    cancel()


@pytest.fixture(scope="session")
def two_cells(workflow):
    """Make a folder with the small configuration and two cells, one of either kind."""

    def make(name):
        folder = workflow(name)
        table = folder / "config" / "cells.tsv"
        header, spiny, _, aspiny = table.read_text().splitlines()
        table.write_text("\n".join([header, spiny, aspiny, ""]))
        return folder

    return make


@pytest.fixture(scope="session")
def reference(two_cells):
    """The results of a run on this machine without Slurm."""
    folder = two_cells("reference")
    result = snakemake(folder, "--cores", "2")
    assert result.returncode == 0, result.stderr
    return folder

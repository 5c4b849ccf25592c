"""A clone in which nothing is run, and one run in another folder that several modules read; made once, for all workers."""

import shutil

import pytest
import yaml
from support import BBP_MODELS, MIXED_CELLS, ROOT, made_once
from workflow.snake import copy_kernels, copy_workflow, snakemake

CONFIG = {
    "cells": "config/mixed.tsv",
    "intracellular": {"sim_time": 0.2, "start_amplitude": 0.6, "target_spikes": [2, 50]},
    "libraries": {"mixed": {"probe": "Neuronexus-32", "n": 4, "rot": "physrot"}},
    "recordings": {
        "mixed": {
            "library": "mixed",
            "format": ["mearec", "nwb"],
            "spiketrains": {"duration": 2.0, "n_exc": 2, "n_inh": 1},
            "cell_types": {"excitatory": ["L5_STPC", "spiny"], "inhibitory": ["L5_BP"]},
            "templates": {"min_dist": 0.0},
        }
    },
}


@pytest.fixture(scope="session")
def clone(prepared, session):
    """A clone of the workflow with compiled kernels, in which nothing is run."""
    return made_once(session / "clone", lambda folder: copy_kernels(prepared, copy_workflow(folder)))


@pytest.fixture(scope="session")
def mixed(clone, models_folder, mechanisms, cell_models_folder, bbp_mechanisms, session):
    """A folder outside of the clone, with a configuration and all its results. Not to be changed.

    It has two cells of the Blue Brain Project and one of the Allen Institute, so that every rule that is not the evaluation's
    puts its files there. The mechanisms are compiled already.
    """

    def make(folder):
        (folder / "config").mkdir(parents=True)
        (folder / "config" / "config.yaml").write_text(yaml.safe_dump(CONFIG))
        shutil.copy(ROOT / "config" / "bbp_cells.tsv", folder / "config")
        (folder / "config" / "mixed.tsv").write_text("model_id\tmy_note\n" + "".join(f"{model}\tµ\n" for model in MIXED_CELLS))
        shutil.copytree(models_folder / "wheel", folder / "allen_models" / "wheel")
        shutil.copytree(cell_models_folder / ".wheel", folder / "cell_models" / ".wheel")
        for compiled in (mechanisms, *map(bbp_mechanisms, BBP_MODELS)):
            shutil.copytree(compiled, folder / "results" / "mechanisms" / compiled.name)
        result = snakemake(clone, "--cores", "2", "--directory", folder)
        assert result.returncode == 0, result.stderr

    return made_once(session / "mixed", make)

"""A library of templates from elsewhere in the workflow: no cell is fetched or simulated for it."""

import sys

import pandas as pd
import pytest
import yaml
from support import ROOT
from workflow.snake import jobs_of_dry_run, snakemake

sys.path.insert(0, str(ROOT / "tests" / "unit" / "libraries"))
from test_import_templates import real_templates

CONFIG = {
    "libraries": {
        "real": {"templates": "real.zarr", "cell_type_column": "brain_area", "format": ["mearec", "spikeinterface"]},
    },
    "recordings": {
        "demo": {
            "library": "real",
            "cell_types": {"excitatory": ["CA1"], "inhibitory": ["LP"]},
            "spiketrains": {"duration": 1.0, "n_exc": 2, "n_inh": 1},
            "templates": {"min_amp": 0.0, "max_amp": 10000.0, "min_dist": 0.0},
        }
    },
}


@pytest.fixture
def folder(workflow):
    folder = workflow("imported")
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    real_templates()[0].to_zarr(folder / "real.zarr")
    pd.DataFrame({"template_index": range(6), "brain_area": ["CA1", "LP"] * 3}).to_csv(folder / "templates.csv", index=False)
    return folder


def test_recording_and_figures_of_imported_templates(folder):
    """A recording, the table, the figures and SpikeInterface's form of the library need no model; they are made again only if
    the templates change. It takes ten seconds, because it runs the workflow."""
    pictures = "results/figures/libraries/real/amplitudes.png"
    result = snakemake(folder, "--cores", "1", "--", "demo", "results/libraries/real/templates.zarr", pictures)
    assert result.returncode == 0, result.stderr
    table = pd.read_csv(folder / "results" / "libraries" / "real" / "templates.csv")
    assert table["cell_type"].tolist() == ["CA1", "LP"] * 3
    log = (folder / "results" / "logs" / "import_library" / "real.log").read_text()
    assert "6 templates from real.zarr: 3 CA1, 3 LP; positions estimated" in log
    assert not list((folder / "results").glob("intracellular/*"))
    assert not jobs_of_dry_run(folder, "demo")
    changed = pd.DataFrame({"template_index": range(6), "brain_area": ["LP", "CA1"] * 3})
    changed.to_csv(folder / "templates.csv", index=False)
    assert jobs_of_dry_run(folder, "demo") == {"import_library", "generate_recording", "demo"}

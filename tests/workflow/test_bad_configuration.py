"""Mistakes as a person meets them: one line, exit code 1, and no job."""

import pytest
import yaml
from workflow.snake import copy_workflow, snakemake

MISTAKES = {
    "unknown key": ({"libraries": {"neuronexus": {"min_ampl": 30}}}, "config: libraries.neuronexus.min_ampl: unknown key"),
    "wrong type": ({"seed": "zero"}, "config: seed: 'zero' must be an integer"),
    "out of range": ({"intracellular": {"dt": -1}}, "config: intracellular.dt: -1 must be greater than 0"),
    "missing library": ({"recordings": {"demo": {"library": "none"}}}, "config: recordings.demo.library: 'none'"),
    "unknown probe": ({"libraries": {"neuronexus": {"probe": "x"}}}, "known are Neuronexus-32, Neuropixels-128"),
    "no cell table": ({"cells": "none.tsv"}, "none.tsv: no such cell table"),
    "duplicate cell": ({"cells": "twice.tsv"}, "twice.tsv, line 3: model_id 11 is in line 2 already"),
    "cell without id": ({"cells": "column.tsv"}, "column.tsv: no column 'model_id'"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    copy_workflow(folder)
    (folder / "twice.tsv").write_text("model_id\tspecimen_id\tcell_type\n11\t\t\n11\t\t\n")
    (folder / "column.tsv").write_text("model\tspecimen_id\tcell_type\n11\t\t\n")
    return folder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_ends_in_one_line_before_any_job(mistake, folder):
    config, message = MISTAKES[mistake]
    (folder / "mistake.yaml").write_text(yaml.safe_dump(config))
    result = snakemake(folder, "--cores", "1", "--configfile", "mistake.yaml")
    assert result.returncode == 1
    # What Snakemake itself says of profile and configuration comes first.
    lines = [line for line in (result.stdout + result.stderr).splitlines() if not line.startswith(("Using", "Config"))]
    assert len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0]
    assert not (folder / "results").exists()

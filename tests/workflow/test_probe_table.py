"""`snakemake probes` and probes in files, through the real `snakemake`; no model is needed."""

import pandas as pd
import probeinterface
import pytest
import yaml
from workflow.snake import copy_workflow, snakemake

CONFIG = {"libraries": {"mine": {"probe": "config/my probe.json"}, "tetrodes": {"probe": "tetrode"}}}


def write_probe(folder, n):
    probe = probeinterface.generate_linear_probe(num_elec=n)
    probeinterface.write_probeinterface(folder / "config" / "my probe.json", probe)


@pytest.fixture
def folder(tmp_path):
    folder = copy_workflow(tmp_path / "run")
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    write_probe(folder, 16)
    return folder


def test_table_and_picture_follow_the_files(folder):
    """Twice: the picture draws all probes of MEAutility, which takes seconds."""
    for n in (16, 24):
        write_probe(folder, n)
        result = snakemake(folder, "--cores", "1", "probes")
        assert result.returncode == 0, result.stderr
        table = pd.read_csv(folder / "results" / "probes.csv").set_index("probe")
        assert table.loc["config/my probe.json", "channels"] == n and table.loc["Neuropixels-384", "channels"] == 384
        assert dict(table["libraries"].dropna()) == {"config/my probe.json": "mine", "tetrode": "tetrodes"}
        assert "Neuropixels2-128" in result.stdout and "config/my probe.json" in result.stdout
        assert (folder / "results" / "figures" / "probes.png").read_bytes().startswith(b"\x89PNG")
        assert not (folder / "results" / "libraries").exists()
    again = snakemake(folder, "--cores", "1", "probes")
    assert "Neuropixels2-128" in again.stdout and "Listing and drawing" not in again.stderr
    path = folder / "results" / "probes.csv"
    path.write_text(path.read_text().replace("Neuropixels2-128", "Neuropixels3-128"))
    damaged = snakemake(folder, "--cores", "1", "probes")
    line = "error: results/probes.csv is not a valid table file (it is not what was written); delete it and run again"
    assert damaged.returncode == 1 and line in damaged.stderr and "Traceback" not in damaged.stderr


def test_probe_that_cannot_be_used_is_one_line(folder):
    (folder / "config" / "my probe.json").unlink()
    result = snakemake(folder, "probes")
    assert result.returncode == 1 and not (folder / "results").exists()
    assert result.stderr.splitlines()[-1] == "error: config: libraries.mine.probe: no such file 'config/my probe.json'"
    (folder / "config" / "my probe.json").write_text("{}")
    result = snakemake(folder, "--cores", "1", "probes")
    assert result.returncode == 1 and "error: config/my probe.json: not a file of probeinterface" in result.stderr

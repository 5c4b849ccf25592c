"""Cells of the Blue Brain Project in the whole workflow: beside one of the Allen Institute, and as MEArec's default library."""

import json
import shutil

import h5py
import pandas as pd
import pynwb
import pytest
from support import BBP_MODELS, MIXED_CELLS
from workflow.snake import copy_workflow, snakemake


def test_library_has_the_types_and_the_metadata_of_both(mixed):
    """It waits for the run that all tests here read, which takes half a minute."""
    cells = pd.read_csv(mixed / "results" / "cells.csv", dtype=str, keep_default_na=False).set_index("model_id")
    assert dict(cells["cell_type"]) == MIXED_CELLS
    rat, mouse = cells.loc[BBP_MODELS[1]], cells.loc["473863510"]
    assert (rat["m_type"], rat["e_type"], rat["synapse_class"], rat["species"]) == (
        *("L5_STPC", "cADpyr", "excitatory", "Rattus norvegicus"),
    )
    assert mouse["line"].startswith("Rorb") and mouse["m_type"] == mouse["licence"] == ""
    assert rat["licence"] == "CC BY-NC-SA 4.0" and "Markram et al. 2015" in rat["citation"]
    with h5py.File(mixed / "results" / "libraries" / "mixed" / "templates.h5") as library:
        assert set(library["celltypes"].asstr()[:]) == set(MIXED_CELLS.values())
        assert list(library["cells/licence"].asstr()[:]) == ["CC BY-NC-SA 4.0", "CC BY-NC-SA 4.0", ""]


def test_mechanisms_are_compiled_once_for_each_set(mixed):
    records = [json.loads((mixed / "results" / "mechanisms" / f"{model}.json").read_text()) for model in MIXED_CELLS]
    # An interneuron's, a pyramidal cell's, the Allen Institute's
    assert len({record["digest"] for record in records}) == 3
    assert len(list((mixed / "results" / "mechanisms").glob("*/build.json"))) == 3
    assert all(record["notes"] == [] for record in records)


def test_licence_and_papers_are_in_report_and_nwb(mixed):
    page = (mixed / "results" / "report.html").read_text()
    assert "CC BY-NC-SA 4.0" in page and "10.1016/j.cell.2015.09.029" in page and "10.1038/s41467-017-02718-3" in page
    with pynwb.NWBHDF5IO(mixed / "results" / "recordings" / "mixed" / "recording.nwb", "r") as file:
        content = file.read()
        assert "CC BY-NC-SA 4.0" in content.experiment_description and "Allen" in content.experiment_description
        assert any("10.1016/j.cell.2015.09.029" in paper for paper in content.related_publications)


def test_configuration_that_stands_alone_is_not_merged(mixed, clone):
    """Nothing of the default configuration is planned, in which the library and the recording are `mixed`."""
    planned = snakemake(clone, "-n", "--directory", mixed, "--configfile", "config/bbp.yaml").stdout
    assert "results/recordings/bbp/recording.h5" in planned and "libraries/mixed" not in planned
    assert "results/libraries/mixed/templates.h5" in snakemake(clone, "-n", "--directory", mixed, "--forceall").stdout


def test_changed_model_needs_consent_and_a_model_never_takes_others_down(mixed, clone, tmp_path):
    """The refusal says what to write; with it the dry run plans the model again."""
    folder = shutil.copytree(mixed, tmp_path / "changed", symlinks=True)
    model = BBP_MODELS[0]
    template = folder / "cell_models" / model / "template.hoc"
    template.write_text(template.read_text() + "\n")
    (folder / "cell_models" / model / "model_metadata.json").unlink()
    goal = f"results/intracellular/{model}.h5"
    arguments = ("--cores", "1", "--directory", folder, "--forcerun", "download_cell_model", "--", goal)
    result = snakemake(clone, *arguments)
    assert result.returncode == 1
    (line,) = {line for line in result.stderr.splitlines() if line.startswith("error: ")}
    assert f"models: {{trusted: {{{model}: " in line
    with h5py.File(folder / goal) as file:
        assert "holds code" in json.loads(file.attrs["failed"])["reason"]


@pytest.mark.slow
def test_all_13_cells_make_the_default_library_of_mearec(tmp_path, cell_models_folder):
    """As a user makes it, with fewer templates and a shorter step; the configuration stands alone. It takes minutes."""
    folder = copy_workflow(tmp_path / "bbp")
    shutil.copytree(cell_models_folder / ".wheel", folder / "cell_models" / ".wheel")
    short = ["--config", "libraries={bbp: {n: 6}}", "intracellular={sim_time: 0.3}"]
    result = snakemake(folder, "--cores", "2", "--configfile", "config/bbp.yaml", *short, timeout=3000)
    assert result.returncode == 0, result.stderr
    cells = pd.read_csv(folder / "results" / "cells.csv", keep_default_na=False)
    assert len(cells) == 13 and len(list((folder / "results" / "mechanisms").glob("*/build.json"))) == 2
    assert (folder / "results" / "left_out.csv").read_text().count("\n") == 1
    assert [path.name for path in (folder / "results" / "libraries").iterdir()] == ["bbp"]
    with h5py.File(folder / "results" / "libraries" / "bbp" / "templates.h5") as library:
        assert len(library["templates"]) == 13 * 6
    with h5py.File(folder / "results" / "recordings" / "bbp" / "recording.h5") as recording:
        assert len(recording["recordings"]) == 32 or recording["recordings"].shape[1] == 32

"""The Allen site as a source, through the whole workflow: a server on the loopback interface stands in for it."""

import json

import pandas as pd
import pytest
import yaml
from allen_server import AllenServer, archive_of
from made_data import mouse_cells, sweep
from workflow.snake import snakemake

from allenrec.cells.table import read_cells
from allenrec.common.outcomes import failure_of
from allenrec.libraries.library_file import read_library
from allenrec.recordings.formats.recording_file import read_recording

SPECIMENS = {"473863510": "314804042", "473863035": "318808427", "472912177": "330080937"}

#: What the models do at these steps, so that they pass; but 473863035 is said to have fired twice
RECORDED = {
    "473863510": [sweep(50.0, None), sweep(149.999998533268, 11), sweep(250.0, 48), sweep(250.0, 50)],
    "473863035": [sweep(200.0, 2), sweep(300.0, 2)],
}


@pytest.fixture
def server(models_folder):
    server = AllenServer()
    for model, specimen in SPECIMENS.items():
        extra = [("ephys_sweeps.json", json.dumps(RECORDED[model]))] if model in RECORDED else []
        server.archives[model] = archive_of(models_folder / f"neuronal_model_{model}", extra=extra)
        server.models.append({"id": int(model), "specimen_id": int(specimen), "neuronal_model_template_id": 329230710})
    yield server
    server.close()


@pytest.fixture
def configured(workflow, server):
    """Make a folder whose models come from the server; further settings are merged."""

    def make(name, models=None, **more):
        folder = workflow(name)
        allen = {"url": server.url, "backoff": 0.01, "timeout": 2}
        change = more | {"models": {"sources": ["local", "allen"], "allen": allen} | (models or {})}
        (folder / "change.yaml").write_text(yaml.safe_dump(change))
        return folder

    return make


ARGUMENTS = ("--configfile", "change.yaml", "--cores", "2")


def test_models_come_from_the_allen_site_once_and_a_missing_one_is_alone(server, configured):
    """Two models from a server, one of them at the second attempt; the third id is that of a cell, and named as what it is."""
    folder = configured("allen")
    server.faults["473863510"] = [503, None]
    table = folder / "config" / "cells.tsv"
    table.write_text("model_id\n473863510\n473863035\n330080937\n")
    result = snakemake(folder, "models", *ARGUMENTS)
    assert result.returncode == 0, result.stderr
    expected = (
        "model 330080937 failed in download_model: the Allen site has no model with this id; it is the id of a cell, "
        "whose models are 472912177"
    )
    assert expected in result.stderr and "Traceback" not in result.stderr
    assert "Models:  67%" in result.stderr and "| 2/3 [" in result.stderr
    downloads = [path for path in server.requests if "download" in path]
    assert len(downloads) == 4  # one model at the second attempt, one at the first, one not at all
    metadata = json.loads((folder / "allen_models" / "neuronal_model_473863510" / "model_metadata.json").read_text())
    assert metadata["allenrec"]["source"] == "allen" and metadata["allenrec"]["url"].startswith(server.url)
    table.write_text("model_id\tspecimen_id\tcell_type\n473863510\t\t\n473863035\t\taspiny\n")
    assert snakemake(folder, "models", *ARGUMENTS).returncode == 0
    assert len([path for path in server.requests if "download" in path]) == 4


def test_cells_by_specimen_are_compared_with_the_recorded_ones_and_flags_travel(server, configured):
    """From ids of cells to units: types from a column of the metadata; the model that is far off is marked everywhere.

    A run from the models to a recording: the flags of the models pass through all stages.
    """
    types = {"excitatory": ["Rorb-IRES2-Cre", "Nr5a1-Cre"], "inhibitory": ["Pvalb-IRES-Cre"]}
    folder = configured("specimens", cell_type_column="line", recordings={"demo": {"cell_types": types}})
    (folder / "config" / "cells.tsv").write_text("specimen_id\tnote\n" + "".join(f"{s}\tn{s}\n" for s in SPECIMENS.values()))
    result = snakemake(folder, *ARGUMENTS, "recordings", "intracellular")
    assert result.returncode == 0, result.stderr
    asked = len(server.requests)

    cells = pd.read_csv(folder / "results" / "cells.csv", dtype=str, keep_default_na=False).set_index("model_id")
    assert list(cells.index) == list(SPECIMENS) and list(cells["specimen_id"]) == list(SPECIMENS.values())
    flags = {"473863510": "", "473863035": "spike counts far off", "472912177": ""}
    assert cells["flags"].to_dict() == flags
    assert cells["cell_type"].to_dict() == {m: cells["line"][m] for m in SPECIMENS} and cells["layer"]["473863035"] == "2/3"
    assert cells["model_and_recorded_spikes"]["473863510"].endswith("(49)")

    path = folder / "results" / "libraries" / "neuronexus" / "templates.h5"
    table = pd.read_csv(path.with_suffix(".csv"), dtype=str, keep_default_na=False)
    assert table["flags"].to_list() == [flags[model] for model in table["model_id"]]
    assert set(zip(table["model_id"], table["note"], strict=True)) == {(m, f"n{s}") for m, s in SPECIMENS.items()}
    assert set(read_library(path).celltypes) == {"Rorb-IRES2-Cre", "Nr5a1-Cre", "Pvalb-IRES-Cre"}
    units = read_recording(folder / "results" / "recordings" / "demo" / "recording.h5").units
    assert list(units["flags"]) == [flags[model] for model in units["model_id"]]
    assert list(units["cell_type"]) == list(units["line"]) and set(units["layer"]) <= {"5", "2/3"}

    change = yaml.safe_load((folder / "change.yaml").read_text())
    change["models"]["exclude_flagged"] = True
    (folder / "change.yaml").write_text(yaml.safe_dump(change))
    result = snakemake(folder, *ARGUMENTS, "library")
    assert result.returncode == 0, result.stderr
    assert "simulate_spikes" not in result.stderr and "compute_eaps" not in result.stderr
    library = read_library(path)
    assert set(library.model_ids) == {"473863510", "472912177"} == set(library.cells["model_id"])
    assert len(server.requests) == asked  # the answers are kept


def test_question_is_asked_once_on_demand(server, configured):
    """The site lists the models of three cells only, of which two answer; the made cells that answer too are left out."""
    server.cells = mouse_cells()
    query = {"dendrite_type": "spiny", "layer": ["2/3", 5], "kind": "perisomatic"}
    folder = configured("question", cells={"query": query})
    result = snakemake(folder, *ARGUMENTS, "--dry-run")
    assert result.returncode == 1 and server.requests == []
    assert (
        "error: config/queried_cells.tsv does not exist yet; `snakemake query` asks the Allen site"
        in result.stderr + result.stdout
    )
    result = snakemake(folder, *ARGUMENTS, "query")
    assert result.returncode == 0 and "config/queried_cells.tsv: 2 cells. Review it" in result.stderr
    rows = read_cells(folder / "config" / "queried_cells.tsv")
    assert {row.model_id: row.specimen_id for row in rows} == {m: SPECIMENS[m] for m in ("473863510", "473863035")}
    asked = len(server.requests)
    for arguments in (["query"], ["models", "--dry-run"]):
        result = snakemake(folder, *ARGUMENTS, *arguments)
        assert result.returncode == 0 and len(server.requests) == asked
    assert "Fetching and checking model 473863510" in result.stdout + result.stderr


def test_unknown_mod_file_stops_its_model_before_it_is_compiled(models_folder, workflow):
    """The model of a person, with a mod file that is not the Allen Institute's: it is code, and nobody said to run it."""
    folder = workflow("unknown_mod")
    model = folder / "allen_models" / "neuronal_model_4711"
    (model / "modfiles").mkdir(parents=True)
    origin = models_folder / "neuronal_model_473863510"
    for path in (origin / "fit_parameters.json", origin / "reconstruction.swc", *origin.glob("modfiles/*.mod")):
        (model / path.relative_to(origin)).write_bytes(path.read_bytes())
    with open(model / "modfiles" / "Ih.mod", "a") as file:
        file.write('VERBATIM\nsystem("touch pwned");\nENDVERBATIM\n')
    (folder / "config" / "cells.tsv").write_text("model_id\tcell_type\n4711\tspiny\n473863510\t\n")
    result = snakemake(folder, "--cores", "2", "models")
    assert result.returncode == 0 and "Traceback" not in result.stderr
    assert "Ih.mod is not one of the Allen Institute's mod files with a VERBATIM block of C code (SHA-256 " in result.stderr
    assert "models.known_mechanisms" in result.stderr
    assert failure_of(folder / "results" / "mechanisms" / "473863510.json") is None
    assert failure_of(folder / "results" / "mechanisms" / "4711.json").stage == "compile_mechanisms"
    compiled = [path for path in (folder / "results" / "mechanisms").iterdir() if path.is_dir()]
    assert len(compiled) == 1  # of the other model

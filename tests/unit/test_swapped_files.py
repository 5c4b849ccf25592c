"""A file of another model, library, recording or setting in place of the right one, of equal shape: its reader names it."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from small_recording import write_recording
from unit.test_damage import write_intracellular

from allenrec.common.errors import DamagedFile
from allenrec.common.files import write_json, write_table
from allenrec.evaluation.tables import SorterRun, failed_table
from allenrec.figures.draw import draw
from allenrec.figures.drawings import figure_outputs
from allenrec.figures.evaluation import read_tables
from allenrec.intracellular.intracellular_file import read_currents
from allenrec.libraries.concatenate import concatenate_libraries
from allenrec.libraries.from_arrays import template_rows
from allenrec.libraries.library_file import LibraryInfo, open_library, poses_of, write_library
from allenrec.probes import load_probe
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.report.contents import cell_facts, library_facts, recording_facts
from allenrec.settings.models import Intracellular

CONFIG = {"probe": "tetrode", "min_amp": 30.0, "xlim": [10.0, 80.0]}


def write_cell(path, model="4711", library="first", seed=0, **config):
    """Write the templates of one model as the job `compute_eaps` does; all have the same shape."""
    probe = load_probe("tetrode", 1)
    templates = np.full((3, probe.n_contacts, 20), -50.0, dtype=np.float32)
    rows = template_rows(np.ones((3, 3)), ["spiny"] * 3, model_ids=[model] * 3)
    cells = pd.DataFrame({"model_id": [model], "cell_type": "spiny", "n_templates": 3, "acceptance_rate": 0.5})
    origin = {"library": library, "config": CONFIG | config, "seed": seed, "digests": {}, "versions": {}}
    info = LibraryInfo.on_probe(probe, cells, {"dt": 0.1, "cut_out": [1.0, 1.0], "n": 3, "probe": "tetrode"}, origin)
    write_library(path, templates, rows, info, n_samples=20)


#: What a file may be of instead, and what the message says of it
OTHERS = {
    "model": ({"model": "4712"}, "it is that of model 4712, not of model 4711"),
    "library": ({"library": "second"}, "it is that of library second, not of library first"),
    "settings": ({"min_amp": 31.0, "xlim": [9.0, 80.0]}, "it was made with another value of min_amp, xlim"),
    "seed": ({"seed": 1}, "it is that of seed 1, not of seed 0"),
}


def says(path, reason):
    """Return the pattern of the one line that names a file."""
    return rf"^{re.escape(str(path))} is not a valid \w+ file \({re.escape(reason)}\); delete it and run again$"


@pytest.mark.parametrize("other", OTHERS)
def test_templates_of_another_one_are_not_joined(other, tmp_path):
    changes, reason = OTHERS[other]
    paths = [tmp_path / f"{model}.h5" for model in ("13", "4711")]
    write_cell(paths[0], model="13")
    write_cell(paths[1])
    origin = {"library": "first", "config": CONFIG, "seed": 0}
    concatenate_libraries(paths, tmp_path / "both.h5", models=["13", "4711"], origin=origin)
    with open_library(tmp_path / "both.h5", "first") as library:
        assert len(library.locations) == 6
    write_cell(paths[1], **changes)
    with pytest.raises(DamagedFile, match=says(paths[1], reason)):
        concatenate_libraries(paths, tmp_path / "wrong.h5", models=["13", "4711"], origin=origin)
    assert not (tmp_path / "wrong.h5").exists()


def test_poses_and_figures_of_another_library_or_model_are_not_taken(tmp_path):
    write_cell(tmp_path / "4711.h5")
    assert len(poses_of(tmp_path / "4711.h5", "first", "4711")[0]) == 3
    for library, model in (("second", "4711"), ("first", "4712")):
        with pytest.raises(DamagedFile, match="it is that of"):
            poses_of(tmp_path / "4711.h5", library, model)
    outputs = [path.format(library="second", model="4711") for path in figure_outputs(str(tmp_path), "plot_mean_eap")]
    with pytest.raises(DamagedFile, match=says(tmp_path / "4711.h5", "it is that of library first, not of library second")):
        draw("plot_mean_eap", [tmp_path / "4711.h5"], outputs)
    outputs = [path.format(library="second") for path in figure_outputs(str(tmp_path), "plot_library")]
    with pytest.raises(DamagedFile, match="it is that of library first"):
        draw("plot_library", [tmp_path / "4711.h5"], outputs)


def test_currents_of_another_model_or_simulation_are_not_taken(tmp_path):
    path = tmp_path / "4711.h5"
    write_intracellular(path)
    settings = read_currents(path, "4711").info.settings
    read_currents(path, "4711", settings)
    with pytest.raises(DamagedFile, match=says(path, "it is that of model 4711, not of model 4712")):
        read_currents(path, "4712")
    other = Intracellular.model_validate(settings.model_dump() | {"sim_time": 2.0})
    with pytest.raises(DamagedFile, match=says(path, "it was simulated with other values of `intracellular`")):
        read_currents(path, "4711", other)
    shutil.copy(path, tmp_path / "4712.h5")
    with pytest.raises(DamagedFile, match="it is that of model 4711"):
        outputs = figure_outputs(str(tmp_path), "plot_cell")
        draw("plot_cell", [tmp_path / "4712.h5"], [output.format(model="4712") for output in outputs])


def test_recording_of_another_name_is_not_taken(tmp_path):
    path = tmp_path / "recording.h5"
    write_recording(path)
    read_recording(path, "small").close()
    with pytest.raises(DamagedFile, match=says(path, "it is that of recording small, not of recording other")):
        read_recording(path, "other")
    with pytest.raises(DamagedFile, match="it is that of recording small"):
        outputs = figure_outputs(str(tmp_path), "plot_recording")
        draw("plot_recording", [path], [output.format(recording="other") for output in outputs])


def test_tables_of_another_recording_are_not_taken(tmp_path):
    path = tmp_path / "simple.csv"
    write_table(path, failed_table(SorterRun("demo", "simple"), "no"), checked=True)
    assert len(read_tables(path, recording="demo")) == 1
    with pytest.raises(DamagedFile, match=says(path, "it is that of recording demo, not of recording other")):
        read_tables(path, recording="other")


def test_report_names_or_leaves_out_what_belongs_to_others(tmp_path):
    folder = tmp_path / "figures" / "recordings" / "demo"
    write_json(folder / "facts.json", {"recording": "other"}, checked=True)
    write_table(folder / "units.csv", pd.DataFrame(), checked=True)
    with pytest.raises(DamagedFile, match=says(folder / "facts.json", "it is that of recording other, not of recording demo")):
        recording_facts(tmp_path, "demo")
    write_intracellular(tmp_path / "intracellular" / "4712.h5")
    (why,) = cell_facts(tmp_path, "4712", []).missing
    assert why.startswith("no spikes (") and "(it is that of model 4711, not of model 4712); delete it" in why
    write_cell(tmp_path / "libraries" / "second" / "templates.h5")
    why = library_facts(tmp_path, "second").missing
    assert why.startswith("damaged (") and "(it is that of library first, not of library second); delete it" in why

"""A library of templates that come from elsewhere."""

import MEArec
import numpy as np
import pytest

from allenrec.common.errors import UserError
from allenrec.libraries.from_arrays import library_from_arrays, template_rows
from allenrec.libraries.library_file import read_library
from allenrec.libraries.table import template_table
from allenrec.probes import load_probe


def test_library_from_arrays(tmp_path):
    """Three templates of two neurons are read back by allenrec and by MEArec."""
    probe, path = load_probe("tetrode", 1), tmp_path / "arrays.h5"
    rng = np.random.default_rng(0)
    templates = rng.normal(size=(3, 4, 96)).astype(np.float32)
    templates[:, 1, 32] = -50
    times, locations, model_ids = {"dt": 2.0**-5, "cut_out": (1.0, 2.0)}, np.ones((3, 3)), ["b", "a", "b"]
    rows = template_rows(locations, ["L5 PC", "PV", "L5 PC"], model_ids=model_ids)
    library_from_arrays(path, templates, rows, probe, **times)
    library = read_library(path)
    assert np.array_equal(library.templates, templates) and library.peak_sample == 32
    assert library.cells[["model_id", "cell_type", "n_templates"]].to_numpy().tolist() == [["b", "L5 PC", 2], ["a", "PV", 1]]
    assert np.array_equal(MEArec.load_templates(path, return_h5_objects=False).templates, templates)
    assert template_table(path)["cell_type"].to_list() == ["L5 PC", "PV", "L5 PC"]
    with pytest.raises(UserError, match=r"templates have the shape \(3, 4, 95\), not \(3, 4, 96\)"):
        library_from_arrays(path, templates[:, :, 1:], rows, probe, **times)
    with pytest.raises(UserError, match=r"arrays.h5: templates: 288 of 1152 numbers are not finite"):
        library_from_arrays(path, np.where(np.arange(4)[:, None] == 2, np.nan, templates), rows, probe, **times)
    with pytest.raises(UserError, match=r"celltypes have the shape \(2,\), not \(3,\)"):
        library_from_arrays(path, templates, template_rows(locations, ["a"] * 2, model_ids=model_ids), probe, **times)

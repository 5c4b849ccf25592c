"""All figures share one look, which nothing outside changes, and are the same bytes each time."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from unit.figures.drawn import all_axes

from allenrec.figures import cells, channels, excerpt, libraries, recordings, style

CELL_FIGURES = (cells.morphology, cells.soma_trace, cells.spike_counts, cells.spike_overlay, cells.membrane_currents)


def every_figure(cell, library, recording):
    yield from (f(cell) for f in CELL_FIGURES)
    yield libraries.amplitudes(library, 30.0)
    yield from (f(library) for f in (libraries.poses, libraries.templates_on_probe, libraries.acceptance))
    yield from (f(recording) for f in (recordings.raster, recordings.unit_templates, recordings.amplitudes))
    yield recordings.traces(recording, *excerpt.busiest_window(recording))


def test_every_figure_is_titled_labelled_and_leaves_no_trace(cell, library, recording):
    before = dict(matplotlib.rcParams)
    for figure in every_figure(cell, library, recording):
        assert isinstance(figure, Figure) and figure.dpi == 200 and figure.get_suptitle()
        labels = [label for axes in all_axes(figure) for label in (axes.get_xlabel(), axes.get_ylabel()) if label]
        dimensionless = ("number of spikes", "templates", "unit", "model", "signal-to-noise ratio")
        assert labels and all("(" in label or label in dimensionless for label in labels), labels
        for axes in all_axes(figure):
            assert axes.has_data(), figure.get_suptitle()
    assert dict(matplotlib.rcParams) == before


def test_the_same_figure_gives_the_same_bytes(cell, recording, tmp_path):
    window = excerpt.busiest_window(recording)
    own_settings = {"font.size": 20, "lines.linewidth": 9, "xtick.labelsize": 20, "savefig.facecolor": "red"}
    for name, settings in (("a", {}), ("b", own_settings)):
        with matplotlib.rc_context(settings):
            style.save(cells.morphology(cell), tmp_path / name / "cell.png")
            style.save(recordings.traces(recording, *window), tmp_path / name / "traces.png")
    for file in ("cell.png", "traces.png"):
        content = (tmp_path / "a" / file).read_bytes()
        assert content == (tmp_path / "b" / file).read_bytes()
        assert content.startswith(b"\x89PNG") and b"Software" not in content
    assert len(list(tmp_path.rglob("*.*"))) == 4


def test_shanks_stand_side_by_side():
    """Two shanks of two columns, 250 µm apart, and a long one of which the columns are staggered."""
    one = np.array([[y, z] for z in range(0, 400, 25) for y in (0.0, 20.0)])
    contacts = np.concatenate([one, one + np.array([250.0, 0.0])])
    assert list(channels.shank_numbers(contacts)) == [0] * 32 + [1] * 32
    axis = style.probe_axis(contacts)
    np.testing.assert_allclose(axis(np.array([-5.0, 0.0, 20.0, 135.0, 250.0, 270.0, 300.0])), [-5, 0, 20, 40, 60, 80, 110])
    staggered = np.array([[16.0 * (k % 4), 20.0 * (k // 2)] for k in range(384)])
    assert not channels.shank_numbers(staggered).any()
    np.testing.assert_allclose(style.probe_axis(staggered).points(staggered), staggered)
    columns = np.array([[y, z] for z in range(0, 400, 25) for y in (0.0, 200.0, 400.0)])
    assert set(channels.shank_numbers(columns)) == {0, 1, 2}
    assert not channels.shank_numbers(np.array([[0.0, 0.0]])).any()

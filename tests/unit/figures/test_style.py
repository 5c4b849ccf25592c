"""All figures share one look, which nothing outside changes, and are the same bytes each time."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy.spatial.distance import pdist
from unit.figures.drawn import all_axes

from allenrec.figures import cells, libraries, recordings, style

CELL_FIGURES = (cells.morphology, cells.soma_trace, cells.spike_counts, cells.spike_overlay, cells.membrane_currents)


def every_figure(cell, library, recording):
    yield from (f(cell) for f in CELL_FIGURES)
    yield libraries.amplitudes(library, 30.0)
    yield from (f(library) for f in (libraries.poses, libraries.templates_on_probe, libraries.acceptance))
    yield from (f(recording) for f in (recordings.raster, recordings.unit_templates, recordings.amplitudes))
    yield recordings.traces(recording, *recordings.busiest_window(recording))


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
    window = recordings.busiest_window(recording)
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


def test_colours_are_distinct_and_do_not_depend_on_order():
    chosen = style.colours(["spiny", "aspiny", "sparsely spiny", *"abcdefghij"])
    assert len(set(chosen.values())) == 13
    assert chosen == style.colours([*"jihgfedcba", "sparsely spiny", "aspiny", "spiny", "spiny"])
    assert style.colours(["aspiny", "a"])["aspiny"] == chosen["aspiny"]


def test_coloured_text_is_legible_on_white():
    """#767676 is the lightest grey that has the contrast that WCAG 2 asks for."""
    assert style.legible("#767676") == "#767676" and style.legible("#777777") != "#777777"
    assert style.legible("#332288") == "#332288"
    blue = matplotlib.colors.rgb_to_hsv([matplotlib.colors.to_rgb(c) for c in ("#88CCEE", style.legible("#88CCEE"))])
    assert blue[1, 2] < blue[0, 2] and abs(blue[1, 0] - blue[0, 0]) < 0.02


def cielab(colour):
    """The colour in CIELAB, from sRGB under D65."""
    value = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]] @ linear / [0.9505, 1, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_cell_types_of_mearec_are_told_apart():
    """The sky of Okabe and Ito and a light shade of their blue are 9 apart, and look the same in a figure of dots."""
    chosen = {*style.colours([*style.FIXED, *style.M_TYPES]).values()}
    distances = pdist([cielab(colour) for colour in sorted(chosen)])
    assert len(chosen) == 16 and distances.min() > 17


def test_units_have_a_look_of_their_own_that_no_cell_type_has():
    looks = [style.unit_look(unit) for unit in range(32)]
    assert len(set(looks)) == 32 and len({colour for colour, _, _ in looks[:8]}) == 8
    assert len({(colour, marker) for colour, marker, _ in map(style.unit_look, range(64))}) == 64
    assert not {colour for colour, _, _ in looks} & {*style.PALETTE, *style.colours(map(str, range(60))).values()}


def test_shanks_stand_side_by_side():
    """Two shanks of two columns, 250 µm apart, and a long one of which the columns are staggered."""
    one = np.array([[y, z] for z in range(0, 400, 25) for y in (0.0, 20.0)])
    contacts = np.concatenate([one, one + np.array([250.0, 0.0])])
    assert list(style.shank_numbers(contacts)) == [0] * 32 + [1] * 32
    axis = style.probe_axis(contacts)
    np.testing.assert_allclose(axis(np.array([-5.0, 0.0, 20.0, 135.0, 250.0, 270.0, 300.0])), [-5, 0, 20, 40, 60, 80, 110])
    staggered = np.array([[16.0 * (k % 4), 20.0 * (k // 2)] for k in range(384)])
    assert not style.shank_numbers(staggered).any()
    np.testing.assert_allclose(style.probe_axis(staggered).points(staggered), staggered)
    columns = np.array([[y, z] for z in range(0, 400, 25) for y in (0.0, 200.0, 400.0)])
    assert set(style.shank_numbers(columns)) == {0, 1, 2}
    assert not style.shank_numbers(np.array([[0.0, 0.0]])).any()


def test_cell_type_has_the_same_colour_whatever_other_types_there_are():
    types = ["L23_PC", "Pvalb-IRES-Cre", "Rorb-IRES2-Cre", "bursting"]
    alone = {name: style.colours([name])[name] for name in types}
    together = style.colours(["aspiny", *types, "spiny"])
    assert {name: together[name] for name in types} == alone and len(set(together.values())) == 6
    assert not set(alone.values()) & set(style.FIXED.values())


def test_all_types_of_one_source_keep_their_colour_side_by_side():
    """The 13 of MEArec's cells, with those of the Allen Institute: each as in a figure of its own."""
    types = [*style.M_TYPES, "spiny", "aspiny", "sparsely spiny"]
    together = style.colours(types)
    assert together == {name: style.colours([name])[name] for name in sorted(types)} and len(set(together.values())) == 16


def test_spike_sorters_have_looks_of_their_own():
    looks = style.sorter_looks(["simple", "tridesclous2", "spykingcircus2", "simple", "kilosort4"])
    assert list(looks) == ["kilosort4", "simple", "spykingcircus2", "tridesclous2"] and len(set(looks.values())) == 4
    types = {*style.PALETTE, *style.colours(map(str, range(60))).values()}
    units = {style.unit_look(unit)[0] for unit in range(32)}
    assert not set(style.SORTER_PALETTE) & (types | units)

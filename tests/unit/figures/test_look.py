"""The look of figures: colours that are told apart, and stay the same. The viewer and the report take it without matplotlib."""

import matplotlib
import numpy as np
from scipy.spatial.distance import pdist
from support import run_python

from allenrec.figures import look


def test_colours_are_distinct_and_do_not_depend_on_order():
    chosen = look.colours(["spiny", "aspiny", "sparsely spiny", *"abcdefghij"])
    assert len(set(chosen.values())) == 13
    assert chosen == look.colours([*"jihgfedcba", "sparsely spiny", "aspiny", "spiny", "spiny"])
    assert look.colours(["aspiny", "a"])["aspiny"] == chosen["aspiny"]


def test_coloured_text_is_legible_on_white():
    """#767676 is the lightest grey that has the contrast that WCAG 2 asks for."""
    assert look.legible("#767676") == "#767676" and look.legible("#777777") != "#777777"
    assert look.legible("#332288") == "#332288"
    blue = matplotlib.colors.rgb_to_hsv([matplotlib.colors.to_rgb(c) for c in ("#88CCEE", look.legible("#88CCEE"))])
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
    chosen = {*look.colours([*look.FIXED, *look.M_TYPES]).values()}
    distances = pdist([cielab(colour) for colour in sorted(chosen)])
    assert len(chosen) == 16 and distances.min() > 17


def test_units_have_a_look_of_their_own_that_no_cell_type_has():
    looks = [look.unit_look(unit) for unit in range(32)]
    assert len(set(looks)) == 32 and len({colour for colour, _, _ in looks[:8]}) == 8
    assert len({(colour, marker) for colour, marker, _ in map(look.unit_look, range(64))}) == 64
    assert not {colour for colour, _, _ in looks} & {*look.PALETTE, *look.colours(map(str, range(60))).values()}


def test_cell_type_has_the_same_colour_whatever_other_types_there_are():
    types = ["L23_PC", "Pvalb-IRES-Cre", "Rorb-IRES2-Cre", "bursting"]
    alone = {name: look.colours([name])[name] for name in types}
    together = look.colours(["aspiny", *types, "spiny"])
    assert {name: together[name] for name in types} == alone and len(set(together.values())) == 6
    assert not set(alone.values()) & set(look.FIXED.values())


def test_all_types_of_one_source_keep_their_colour_side_by_side():
    """The 13 of MEArec's cells, with those of the Allen Institute: each as in a figure of its own."""
    types = [*look.M_TYPES, "spiny", "aspiny", "sparsely spiny"]
    together = look.colours(types)
    assert together == {name: look.colours([name])[name] for name in sorted(types)} and len(set(together.values())) == 16


def test_spike_sorters_have_looks_of_their_own():
    looks = look.sorter_looks(["simple", "tridesclous2", "spykingcircus2", "simple", "kilosort4"])
    assert list(looks) == ["kilosort4", "simple", "spykingcircus2", "tridesclous2"] and len(set(looks.values())) == 4
    types = {*look.PALETTE, *look.colours(map(str, range(60))).values()}
    units = {look.unit_look(unit)[0] for unit in range(32)}
    assert not set(look.SORTER_PALETTE) & (types | units)


def test_viewer_and_report_need_no_matplotlib():
    """Its import takes half of a second, of jobs that take one or two."""
    imports = "import json, sys, allenrec.figures.viewer, allenrec.report.page"
    assert run_python(f"{imports}\nprint(json.dumps('matplotlib' in sys.modules))") is False

"""The figure of all cells beside what is measured in vivo."""

import numpy as np
import pandas as pd
from unit.figures.drawn import by_gid

from allenrec.figures.realism import beside_in_vivo
from allenrec.libraries.realism.columns import COLUMNS, PEAK_TO_PEAK
from allenrec.libraries.realism.in_vivo import read_in_vivo


def test_cells_stand_beside_the_ranges_of_the_register():
    x, y = COLUMNS["trough_to_peak_as_in_vivo_ms"], COLUMNS["half_width_as_in_vivo_ms"]
    cells = pd.DataFrame(
        {
            "model_id": ["1", "2", "3"],
            "cell_type": ["spiny", "aspiny", "aspiny"],
            "realism_in_range": ["yes", "no", "unknown"],
            x: [0.8, 0.7, np.nan],
            y: [0.3, 0.3, np.nan],
        }
        | {column: [100 / distance, 50 / distance, np.nan] for distance, column in PEAK_TO_PEAK.items()}
    )
    widths, heights = beside_in_vivo(cells).axes
    marks = by_gid(widths, "cell")
    assert [(mark.get_xdata()[0], mark.get_ydata()[0], mark.get_fillstyle()) for mark in marks] == [
        (0.8, 0.3, "full"),
        (0.7, 0.3, "none"),
    ]
    assert [list(line.get_ydata()) for line in by_gid(heights, "cell")] == [
        [scale / distance for distance in PEAK_TO_PEAK] for scale in (100, 50)
    ]
    boxes = [patch.get_bbox() for patch in by_gid(widths, "range")]
    spans = [read_in_vivo().span(kind, "trough_to_peak_ms") for kind in ("regular spiking", "fast spiking")]
    assert np.allclose([(box.x0, box.x1) for box in boxes], spans)

"""Verdicts: every one of them has a cell that earns it and one that does not."""

from dataclasses import replace

import numpy as np
import pytest

from allenrec.libraries.realism.in_vivo import InVivo, Range
from allenrec.libraries.realism.measure import Measured
from allenrec.libraries.realism.verdict import judge, label_of
from allenrec.settings.recordings import Filter

SPANS = {
    ("regular spiking", "trough_to_peak_ms"): (0.5, 1.0),
    ("regular spiking", "half_width_ms"): (0.1, 0.4),
    ("fast spiking", "trough_to_peak_ms"): (0.1, 0.4),
    ("fast spiking", "half_width_ms"): (0.05, 0.2),
    ("Sst", "trough_to_peak_ms"): (0.2, 0.9),
}
REGISTER = InVivo(
    sources={},
    filter=Filter(),
    fast_up_to_ms=0.4,
    regular_above_ms=0.45,
    ranges=tuple(Range(kind, feature, 20, low, low, high, "", True, "") for (kind, feature), (low, high) in SPANS.items()),
    narrow_shares=(),
    unverified=(),
)
REGULAR = Measured(0.7, 0.3, 0.9, 0.4, 0.2, (100.0, 50.0, 20.0, 5.0, 1.0), 90.0, 500.0, np.nan)
FAST = replace(REGULAR, trough_to_peak_as_in_vivo_ms=0.3, half_width_as_in_vivo_ms=0.15)
SPINY, PVALB, SST, VIP = (
    {"dendrite_type": "spiny"},
    {"line": "Pvalb-IRES-Cre"},
    {"cell_type": "Sst"},
    {"line": "Vip-IRES-Cre"},
)


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        (SPINY | {"line": "Rorb-IRES2-Cre"}, "regular spiking"),
        ({"cell_type": "spiny"}, "regular spiking"),
        (PVALB | {"dendrite_type": "aspiny"}, "fast spiking"),
        ({"cell_type": "fast spiking basket"}, "fast spiking"),
        (SST, "Sst"),
        (VIP, "Vip"),
        ({"dendrite_type": "aspiny"}, ""),
        ({"dendrite_type": "sparsely spiny"}, ""),
        ({}, ""),
    ],
)
def test_label(cell, label):
    assert label_of(cell) == label


@pytest.mark.parametrize(
    ("cell", "measured", "words", "within"),
    [
        (SPINY, REGULAR, "within the range measured in vivo", True),
        (PVALB, FAST, "within the range measured in vivo", True),
        (SST, REGULAR, "within the range measured in vivo", True),
        (
            PVALB,
            REGULAR,
            "fast spiking by label, regular by waveform (trough to peak 0.7 ms, 0.1 to 0.4 ms in vivo; "
            "half width 0.3 ms, 0.05 to 0.2 ms in vivo)",
            False,
        ),
        (SPINY, FAST, "regular spiking by label, fast by waveform (trough to peak 0.3 ms, 0.5 to 1 ms in vivo)", False),
        (
            SPINY,
            replace(REGULAR, trough_to_peak_as_in_vivo_ms=0.43),
            "regular spiking by label, between fast and regular by waveform (trough to peak 0.43 ms, 0.5 to 1 ms in vivo)",
            False,
        ),
        (
            SPINY,
            replace(REGULAR, trough_to_peak_as_in_vivo_ms=1.234),
            "regular spiking, but trough to peak 1.23 ms, 0.5 to 1 ms in vivo",
            False,
        ),
        (SPINY, replace(REGULAR, half_width_as_in_vivo_ms=np.nan), "regular spiking, but half width not measurable", False),
        (
            SST,
            replace(REGULAR, trough_to_peak_as_in_vivo_ms=1.5),
            "Sst, but trough to peak 1.5 ms, 0.2 to 0.9 ms in vivo",
            False,
        ),
        (
            SPINY,
            replace(REGULAR, pre_peak_ratio=1.2),
            "regular spiking by label, largest deflection positive, before the trough",
            False,
        ),
        ({}, replace(REGULAR, pre_peak_ratio=1.2), "largest deflection positive, before the trough", False),
        (VIP, REGULAR, "Vip by label, regular by waveform; no range to judge by", None),
        ({}, FAST, "fast by waveform; no label to judge by", None),
        (SPINY, replace(REGULAR, trough_to_peak_as_in_vivo_ms=np.nan, pre_peak_ratio=np.nan), "no waveform to judge", None),
    ],
)
def test_verdict(cell, measured, words, within):
    verdict = judge(cell, measured, REGISTER)
    assert (verdict.words, verdict.within) == (words, within)

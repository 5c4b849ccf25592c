"""Windows around spikes, compared with slices of all samples."""

import numpy as np

from allenrec.intracellular.windows import SpikeWindows


def test_windows_are_slices_of_the_whole_run():
    """Peaks are collected every 50 samples, as late as that; two windows overlap, two leave the run."""
    currents = np.random.default_rng(0).normal(size=(500, 3))
    peaks = [4, 45, 49, 140, 148, 260, 495]
    windows = SpikeWindows(3, 5, 12, 50 + 12)
    for start in range(0, 500, 50):
        for sample in range(start, start + 50):
            windows.append(currents[sample])
        windows.collect(peak for peak in peaks if peak < start + 50)
    found = windows.around([*peaks, 300])
    assert list(found) == [45, 49, 140, 148, 260]
    for peak, window in found.items():
        np.testing.assert_array_equal(window, currents[peak - 5 : peak + 12].T.astype(np.float32))

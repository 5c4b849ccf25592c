"""Spikes and their features against AllenSDK's feature extraction, on traces of two published models.

The traces are those of Hodgkin & Huxley 1952 (J Physiol 117:500) and, with spikes as narrow as those of fast-spiking cells, of
Wang & Buzsáki 1996 (J Neurosci 16:6402), steps of five currents. Values in `EXPECTED` are what the functions of
`allensdk.ephys.ephys_features` in AllenSDK 2.16.2 return for these traces, without its low-pass filter:
`detect_putative_spikes`, `find_peak_indexes`, `filter_putative_spikes`, `find_upstroke_indexes`, `refine_threshold_indexes`,
`check_thresholds_and_peaks`, `find_trough_indexes` and `find_widths`, with their defaults. Its threshold depends on the mean
upstroke of a train; so thresholds are those of windows with one spike, from `BEFORE` samples before its peak to 500 after it.
"""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from allenrec.intracellular.spikes import find_spikes
from allenrec.settings.models import Intracellular

SETTINGS = Intracellular()
#: Time between samples, and length of a step, ms
DT, STEP = 0.005, 40.0
#: Samples before the peak in a window with one spike
BEFORE = {"hodgkin_huxley": 1200, "wang_buzsaki": 600}


def over_one_minus_exp(x, y):
    """Return x / (1 - exp(-x / y)), also at x = 0."""
    return y if x == 0 else -x / np.expm1(-x / y)


def hodgkin_huxley(current, v, h, n, m):
    a_m, b_m = 0.1 * over_one_minus_exp(v + 40, 10), 4 * np.exp(-(v + 65) / 18)
    a_h, b_h = 0.07 * np.exp(-(v + 65) / 20), 1 / (1 + np.exp(-(v + 35) / 10))
    a_n, b_n = 0.01 * over_one_minus_exp(v + 55, 10), 0.125 * np.exp(-(v + 65) / 80)
    slope = current - 120 * m**3 * h * (v - 50) - 36 * n**4 * (v + 77) - 0.3 * (v + 54.4)
    return slope, a_h - (a_h + b_h) * h, a_n - (a_n + b_n) * n, a_m - (a_m + b_m) * m


def wang_buzsaki(current, v, h, n):
    a_m, b_m = 0.1 * over_one_minus_exp(v + 35, 10), 4 * np.exp(-(v + 60) / 18)
    a_h, b_h = 0.07 * np.exp(-(v + 58) / 20), 1 / (1 + np.exp(-(v + 28) / 10))
    a_n, b_n = 0.01 * over_one_minus_exp(v + 34, 10), 0.125 * np.exp(-(v + 44) / 80)
    slope = current - 35 * (a_m / (a_m + b_m)) ** 3 * h * (v - 55) - 9 * n**4 * (v + 90) - 0.1 * (v + 65)
    return slope, 5 * (a_h - (a_h + b_h) * h), 5 * (a_n - (a_n + b_n) * n)


def trace_of(model, state, currents):
    """Return the potential (n,) mV of a model along steps of currents."""
    parts = []
    for current in currents:
        times = DT * np.arange(round(STEP / DT) + 1)
        solved = solve_ivp(
            lambda t, y, current=current: model(current, *y),
            (0, times[-1]), state, "LSODA", times, rtol=1e-9, atol=1e-9, max_step=0.1,
        )  # fmt: skip
        parts.append(solved.y[0, :-1])
        state = solved.y[:, -1]
    return np.concatenate(parts)


TRACES = {
    "hodgkin_huxley": (hodgkin_huxley, (-65.0, 0.6, 0.32, 0.05), (0.0, 2.5, 6.6, 12.0, 0.0)),
    "wang_buzsaki": (wang_buzsaki, (-64.0, 0.78, 0.09), (0.0, 0.3, 1.5, 4.0, 0.0)),
}
#: Samples, mV, mV/ms, mV and ms
EXPECTED = {
    "hodgkin_huxley": {
        "peak": [9226, 16676, 20254, 23834, 26581, 29324, 32068],
        "potential": [36.1998, 36.0172, 30.5499, 30.1325, 29.5564, 29.5309, 28.9327],
        "upstroke": [268.236, 264.845, 220.792, 217.684, 213.122, 212.906, 207.266],
        "threshold": [-51.3882, -51.8549, -50.776, -50.7192, -51.1714, -51.177, -51.285],
        "width": [1.57, 1.555, 1.52, 1.51, 1.505, 1.505, 1.525],
    },
    "wang_buzsaki": {
        "peak": [16570, 18973, 21406, 23840, 25040, 26256, 27473, 28690, 29907, 31124, 33426],
        "potential": [27.1246, 28.7599, 28.7753, 28.7767, 32.3518, 32.5862, 32.6121, 32.6166, 32.6169, 32.6148, 22.3985],
        "upstroke": [450.346, 482.345, 482.799, 482.583, 555.016, 561.357, 561.9, 561.438, 561.082, 561.844, 374.406],
        "threshold": [
            -44.598,
            -44.4999,
            -44.5153,
            -44.5611,
            -44.8652,
            -44.7346,
            -44.7507,
            -44.7823,
            -44.8152,
            -44.8481,
            -44.3868,
        ],
        "width": [0.59, 0.585, 0.58, 0.575, 0.565, 0.565, 0.565, 0.565, 0.56, 0.56, 0.62],
    },
}


@pytest.fixture(scope="module", params=TRACES)
def compared(request):
    """A trace, and what AllenSDK makes of it."""
    return trace_of(*TRACES[request.param]), EXPECTED[request.param]


def test_spikes_are_those_of_allensdk(compared):
    trace, expected = compared
    spikes = find_spikes(trace, DT, SETTINGS)
    assert np.abs(spikes.peaks - expected["peak"]).max() <= 1  # two equal samples at the top
    np.testing.assert_allclose(spikes.potential, expected["potential"], atol=1e-3)
    np.testing.assert_allclose(spikes.upstroke, expected["upstroke"], rtol=1e-4)


def test_widths_and_thresholds_are_within_a_sample_of_those_of_allensdk(compared):
    """AllenSDK takes samples where we interpolate between them, and its threshold is the sample before ours."""
    trace, expected = compared
    spikes = find_spikes(trace, DT, SETTINGS)
    difference = expected["width"] - spikes.half_width
    assert (difference > 0).all() and (difference < 2 * DT).all()
    later = (spikes.potential - spikes.height) - expected["threshold"]
    slope = SETTINGS.onset * spikes.upstroke
    assert (later > 0).all() and (later < 1.1 * slope * DT).all()

"""Spikes around a cell: held against fields that are known in closed form, SciPy's filter, and waveforms of known width."""

import numpy as np
import pytest
from scipy import signal

from allenrec.libraries.poses import Geometry
from allenrec.libraries.realism.columns import DISTANCES
from allenrec.libraries.realism.measure import NEAR, REACH, directions, measure
from allenrec.settings.recordings import Filter

DT = 1 / 32
TIME = np.arange(0, 7, DT)
UP = np.array([0.0, 1.0, 0.0])
AS_IN_VIVO = Filter(filter_cutoff=500.0, filter_order=1, filter_mode="lfilter")


def spike(width):
    """A current (n_t,) nA of one cycle: sinks first, then returns."""
    return -np.exp(-0.5 * ((TIME - 2) / width) ** 2) + 0.4 * np.exp(-0.5 * ((TIME - 2 - 3 * width) / (1.5 * width)) ** 2)


def monopole(current):
    """A short segment at the origin with a current, and its measures."""
    geometry = Geometry(np.array([[0.0, -0.05, 0.0]]), np.array([[0.0, 0.05, 0.0]]), np.array([0.1]))
    return measure(geometry, current[np.newaxis], DT, UP, AS_IN_VIVO)


def filtered(potential):
    """The default filter of recordings by SciPy, with room for its ringing."""
    sections = signal.butter(3, (300, 6000), "bandpass", fs=1000 / DT, output="sos")
    return signal.sosfiltfilt(sections, np.pad(potential, 2000), padtype=None)


def test_directions_are_even():
    found = directions(40)
    assert np.allclose(np.linalg.norm(found, axis=1), 1) and np.allclose(found.mean(axis=0), 0, atol=0.03)
    assert np.allclose(found.T @ found / 40, np.eye(3) / 3, atol=0.03)


def test_height_of_a_point_source_falls_with_the_distance_and_passes_the_default_filter():
    current = spike(0.15)
    measured = monopole(current)
    # I / (4 pi sigma r), doubled by the insulating plane; nA, S/m and µm give mV
    for distance, height in zip(DISTANCES, measured.peak_to_peak_uV, strict=True):
        expected = np.ptp(filtered(2 * 1000 * current / (4 * np.pi * 0.3 * distance)))
        assert height == pytest.approx(expected, rel=2e-3)


def as_in_vivo(potential):
    """A high-pass filter of first order at 500 Hz by SciPy, forward only."""
    sections = signal.butter(1, 500, "highpass", fs=1000 / DT, output="sos")
    return signal.sosfilt(sections, np.pad(potential, (0, 2000)))


@pytest.mark.parametrize("width", [0.08, 0.15, 0.3])
def test_widths_are_those_of_the_filtered_waveforms(width):
    current = spike(width)
    measured = monopole(current)
    found = (measured.trough_to_peak_ms, measured.half_width_ms)
    compared = (measured.trough_to_peak_as_in_vivo_ms, measured.half_width_as_in_vivo_ms)
    for shown, widths in ((filtered(current), found), (as_in_vivo(current), compared)):
        fine, step = signal.resample(shown, 50 * len(shown)), DT / 50
        trough = fine.argmin()
        assert widths[0] == pytest.approx(step * fine[trough:].argmax(), abs=2 * step)
        assert widths[1] == pytest.approx(step * np.ptp(np.flatnonzero(fine < fine[trough] / 2)), abs=3 * step)
    shown = filtered(current)
    assert measured.pre_peak_ratio == pytest.approx(shown[: shown.argmin()].max() / -shown.min(), abs=2e-3)


def test_upside_down_spike_is_positive_first():
    assert monopole(-spike(0.15)).pre_peak_ratio > 1 > monopole(spike(0.15)).pre_peak_ratio


def test_spread_of_a_point_source_follows_from_its_distance():
    """At 12 % of the largest trough, a contact is NEAR / 0.12 µm away; the line of contacts is longer than that."""
    half = NEAR * np.sqrt(1 / 0.12**2 - 1)
    assert half < REACH
    assert monopole(spike(0.15)).spread_um == pytest.approx(2 * half, rel=0.02)


def test_speed_is_that_of_a_wave_along_the_axis():
    """Sources every 5 µm, each later than the one below it, so that the wave runs upward at 500 µm/ms on both sides."""
    heights = np.arange(-900.0, 901.0, 5.0)
    start = np.column_stack([np.zeros_like(heights), heights - 0.05, np.zeros_like(heights)])
    end = np.column_stack([np.zeros_like(heights), heights + 0.05, np.zeros_like(heights)])
    geometry = Geometry(start, end, np.full(len(heights), 0.1))
    current = np.array([np.interp(TIME - z / 500, TIME, spike(0.15)) for z in heights])
    # The wave is largest at the soma, which is therefore the contact from which speeds are measured
    wave = current * np.exp(-np.abs(heights) / 1000)[:, np.newaxis]
    measured, turned = measure(geometry, wave, DT, UP, AS_IN_VIVO), measure(geometry, wave, DT, -UP, AS_IN_VIVO)
    assert measured.speed_above_um_per_ms == pytest.approx(500, rel=0.05)
    assert measured.speed_below_um_per_ms == pytest.approx(-500, rel=0.05)
    assert turned.speed_below_um_per_ms == pytest.approx(measured.speed_above_um_per_ms, rel=1e-3)

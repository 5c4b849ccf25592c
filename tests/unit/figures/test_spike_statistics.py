"""Figures of spikes in the traces and of noise agree with the data."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from unit.figures.drawn import all_axes, by_gid

from allenrec.figures import spike_statistics as spikes
from allenrec.figures.nothing import NothingToDrawError
from allenrec.figures.snippets import cut_spikes, measure_noise
from allenrec.figures.viewer import trace_viewer

#: Sampling frequency (Hz) of the noisy noisy_recording, and the amplitudes of its units (µV)
FS, AMPLITUDES = 10_000.0, (80.0, 120.0, 50.0)
#: The figures of spikes, with what they take; the first is drawn if spikes cannot be cut out
OF_SPIKES = (
    (spikes.intervals,),
    (spikes.waveforms, "snippets"),
    (spikes.amplitudes_over_time, "snippets"),
    (spikes.amplitude_histogram, "snippets", "noise"),
    (spikes.principal_component_map, "snippets"),
)


def test_mean_waveforms_are_the_templates(noisy_recording):
    snippets = cut_spikes(noisy_recording)
    for axes, unit in zip(all_axes(spikes.waveforms(noisy_recording, snippets)), (1, 0, 2), strict=True):
        assert axes.get_title(loc="left").startswith(f"{unit}: ")
        x, mean = by_gid(axes, "mean")[0].get_data()
        at, template = by_gid(axes, "template")[0].get_data()
        n = len(noisy_recording.spike_trains[unit])
        assert len(by_gid(axes, "spikes")[0].get_segments()) == min(n, 100)
        # The mean of n spikes in noise of 5 µV, at 31 samples: within 5 standard errors
        np.testing.assert_allclose(mean, np.interp(x, at, template), atol=5 * 5 / np.sqrt(n))
        assert x[mean.argmin()] == 0.0


def test_amplitudes_are_counted_by_unit_and_over_time(noisy_recording):
    snippets, noise = cut_spikes(noisy_recording), measure_noise(noisy_recording)
    (axes,) = all_axes(spikes.amplitude_histogram(noisy_recording, snippets, noise))
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert {"1: spiny (E)", "0: spiny (E)", "2: aspiny (I)"} < set(labels) and len(labels) == 4
    assert sum(bar.get_height() for container in axes.containers for bar in container) == 60 + 90 + 40
    (threshold,) = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert threshold.get_xdata()[0] == pytest.approx(25.0, rel=0.1)
    rows = all_axes(spikes.amplitudes_over_time(noisy_recording, snippets))
    for axes, unit in zip(rows, (1, 0, 2), strict=True):
        times, values = np.array(axes.collections[0].get_offsets()).T
        np.testing.assert_allclose(times, noisy_recording.spike_times[unit])
        # Noise takes the lowest of some samples, so it adds a little
        assert AMPLITUDES[unit] - 2 < np.median(values) < AMPLITUDES[unit] + 8


def test_rows_of_many_units_are_lower(noisy_recording, monkeypatch):
    heights = []
    for most in (9.0, 0.9):
        monkeypatch.setattr(spikes, "ROWS_HIGH", most)
        heights.append(spikes.amplitudes_over_time(noisy_recording, cut_spikes(noisy_recording)).get_figheight())
    assert heights == pytest.approx([3 * 0.62 + 1.1, 2.0])


def test_histogram_of_integers_is_no_comb(noisy_recording):
    """A uniform distribution in steps of 0.7 µV has equal bars, except at its ends."""
    step, origin = 0.7, 0.2
    amplitudes = np.repeat(origin + step * np.arange(150), 10).astype(np.float32)
    bins = spikes.amplitude_bins(amplitudes, step, origin)
    counts, _ = np.histogram(amplitudes, bins)
    np.testing.assert_allclose(np.diff(bins), 3 * 0.7)
    assert counts.sum() == 1500 and set(counts[1:-1]) == {30}
    assert spikes.amplitude_bins(np.float32([-3.0, 60.0]), 0.0)[[0, -1]] == pytest.approx([-3, 60])


def test_drift_of_the_whole_probe_is_one_line(noisy_recording):
    times = np.linspace(0, 10, 101)
    (axes,) = all_axes(spikes.drift(noisy_recording, (times, np.repeat(np.sin(times)[:, np.newaxis], 3, axis=1))))
    (line,) = by_gid(axes, "all units")
    np.testing.assert_allclose(line.get_ydata(), np.sin(times))
    assert line.get_label() == "all 3 units" and not by_gid(axes, "unit 0")


def test_units_that_stand_still_share_one_line_beside_one_that_moves(noisy_recording):
    times = np.linspace(0, 10, 101)
    displacements = np.outer(np.sin(times), [0.0, 1.0, 0.0])
    (axes,) = all_axes(spikes.drift(noisy_recording, (times, displacements)))
    (still,), (moving,) = by_gid(axes, "units 0, 2"), by_gid(axes, "unit 1")
    assert not still.get_ydata().any() and still.get_label() == "units 0, 2" and still.get_color() != moving.get_color()
    np.testing.assert_allclose(moving.get_ydata(), np.sin(times))


def test_many_units_are_stacked_by_type_and_some_have_panels(noisy_recording, monkeypatch):
    monkeypatch.setattr(spikes, "PANELS_SHOWN", 3)
    noisy_recording.units = pd.concat([noisy_recording.units] * 5, ignore_index=True)
    noisy_recording.spike_trains, noisy_recording.spike_times = (
        noisy_recording.spike_trains * 5,
        noisy_recording.spike_times * 5,
    )
    noisy_recording.filtered_templates = np.concatenate([noisy_recording.filtered_templates] * 5)
    snippets = cut_spikes(noisy_recording)
    (axes,) = all_axes(spikes.amplitude_histogram(noisy_recording, snippets, measure_noise(noisy_recording)))
    assert {text.get_text() for text in axes.get_legend().get_texts()} >= {"spiny", "aspiny"}
    figure = spikes.waveforms(noisy_recording, snippets)
    assert len(all_axes(figure)) == 3 and "3 units shown" in figure.get_suptitle()


def test_intervals_count_every_pair_of_spikes(noisy_recording):
    for axes, unit in zip(all_axes(spikes.intervals(noisy_recording)), (1, 0, 2), strict=True):
        gaps = 1000 * np.diff(noisy_recording.spike_times[unit])
        assert sum(bar.get_height() for bar in axes.patches) == len(gaps)
        assert axes.get_lines()[0].get_xdata()[0] == pytest.approx(gaps.min())


def test_principal_component_map_has_every_spike_and_a_name_a_unit(noisy_recording):
    for axes in all_axes(spikes.principal_component_map(noisy_recording, cut_spikes(noisy_recording))):
        assert len(axes.collections[0].get_offsets()) == 60 + 90 + 40
        assert [text.get_text() for text in axes.texts] == ["0", "1", "2"]


def test_noise_spectrum_has_the_level_of_the_noise(noisy_recording):
    noise = measure_noise(noisy_recording)
    (axes,) = all_axes(spikes.noise_spectrum(noisy_recording, noise))
    frequency, density = axes.get_lines()[0].get_data()
    # White noise of 5 µV: 25 µV² over 5000 Hz; the median of four channels, each the mean of some 100 pieces
    assert np.median(density) == pytest.approx(25 / 5000, rel=0.1) and frequency[-1] == FS / 2
    silent = SimpleNamespace(frequency=noise.frequency, density=0 * noise.density, deviation=0 * noise.deviation)
    with pytest.raises(NothingToDrawError, match="the recording has no noise"):
        spikes.noise_spectrum(noisy_recording, silent)
    silent.density[:] = np.nan
    with pytest.raises(NothingToDrawError, match="no pause between spikes"):
        spikes.noise_spectrum(noisy_recording, silent)


def test_drift_draws_the_displacement_of_every_unit(noisy_recording):
    times = np.linspace(0, 10, 101)
    displacements = np.outer(np.sin(times), [1.0, 2.0, 0.0])
    (axes,) = all_axes(spikes.drift(noisy_recording, (times, displacements)))
    for unit in range(3):
        np.testing.assert_allclose(by_gid(axes, f"unit {unit}")[0].get_ydata(), displacements[:, unit])


def test_noise_without_units_is_drawn_and_viewed(noisy_recording):
    noisy_recording.units, noisy_recording.spike_trains, noisy_recording.spike_times = noisy_recording.units[:0], [], []
    noisy_recording.filtered_templates = noisy_recording.filtered_templates[:0]
    snippets, noise = cut_spikes(noisy_recording), measure_noise(noisy_recording)
    for draw, *taken in OF_SPIKES:
        with pytest.raises(NothingToDrawError, match="has no units"):
            draw(noisy_recording, *({"snippets": snippets, "noise": noise}[name] for name in taken))
    assert "no units" in spikes.noise_spectrum(noisy_recording, noise).get_suptitle()
    assert trace_viewer(noisy_recording, 10_000).select_one({"name": "draw"}).args["nearest"] == []


@pytest.mark.parametrize("at", [[], [0, 99_999]], ids=["silent", "at the ends"])
def test_figures_of_spikes_are_not_drawn_without_spikes(noisy_recording, at):
    """Spikes at the very ends of a recording cannot be cut out."""
    train = np.array(at, dtype=np.int64)
    noisy_recording.spike_trains, noisy_recording.spike_times = [train] * 3, [train / FS] * 3
    snippets, noise = cut_spikes(noisy_recording), measure_noise(noisy_recording)
    for draw, *taken in OF_SPIKES[at != [] :]:
        with pytest.raises(NothingToDrawError, match="no unit has whole spikes" if at else "no unit has a spike"):
            draw(noisy_recording, *({"snippets": snippets, "noise": noise}[name] for name in taken))


def test_silent_units_have_no_empty_panels(noisy_recording):
    """The second unit is silent, and the third fires once, so it has no interval."""
    noisy_recording.spike_trains[1:] = [np.zeros(0, dtype=np.int64), np.array([50_000])]
    noisy_recording.spike_times = [train / FS for train in noisy_recording.spike_trains]
    snippets = cut_spikes(noisy_recording)
    for draw in (spikes.waveforms, spikes.amplitudes_over_time):
        figure = draw(noisy_recording, snippets)
        assert len(all_axes(figure)) == 2 and figure.get_suptitle().endswith(", 1 without whole spikes")
    figure = spikes.intervals(noisy_recording)
    assert len(all_axes(figure)) == 1 and figure.get_suptitle().endswith(", 2 without two spikes")

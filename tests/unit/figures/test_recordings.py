"""Figures of a recording show every spike, unit and trace at its place."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.collections import EventCollection
from unit.figures.drawn import CONTACTS, FS, N_T, all_axes, collections, squares

from allenrec.figures import look, recordings
from allenrec.figures.excerpt import busiest_window
from allenrec.figures.nothing import NothingToDrawError


def test_raster_shows_every_spike_in_the_row_of_its_unit(recording):
    axes, rates = all_axes(recordings.raster(recording))
    order = recordings.unit_order(recording)
    assert order == [1, 0, 2, 3]  # excitatory units first, and the largest amplitude first in each type
    rows = [c for c in axes.collections if isinstance(c, EventCollection)]
    for row, unit in enumerate(order):
        np.testing.assert_array_equal(rows[row].get_positions(), recording.spike_times[unit])
        assert rows[row].get_lineoffset() == row
    np.testing.assert_allclose([bar.get_width() for bar in rates.patches], recording.units["rate"].iloc[order])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "0", "2", "3"]


def test_rates_of_silent_units_have_an_axis_in_hertz(recording):
    recording.units["rate"] = 0.0
    assert all_axes(recordings.raster(recording))[1].get_xlim() == (0, 1.05)


def test_busiest_window_is_where_all_units_fire(recording):
    start, stop = busiest_window(recording, 0.1)
    assert start <= 1.2 and stop > 1.25 and stop - start == pytest.approx(0.1)
    assert busiest_window(recording, 10.0) == (0.0, 2.0)


def test_templates_lie_on_the_traces_at_the_spike_times(recording):
    figure = recordings.traces(recording, 1.15, 1.3)
    drawn = np.array(collections(figure, "traces")[0].get_segments())
    depth = np.lexsort((CONTACTS[:, 1], CONTACTS[:, 2]))
    assert drawn.shape == (len(CONTACTS), round(0.15 * FS), 2)
    for unit in range(4):
        (line,) = collections(figure, f"unit {unit}")[0].get_segments()  # one channel, one spike in the window
        channel = recording.unfiltered_templates[unit].min(axis=1).argmin()
        trace = drawn[np.flatnonzero(depth == channel)[0]]
        noise = np.interp(line[:, 0], trace[:, 0], trace[:, 1]) - line[:, 1]
        assert noise.std() < 7 and abs(noise.mean()) < 3
        trough = line[line[:, 1].argmin(), 0]
        assert np.abs(recording.spike_times[unit] - trough).min() < 1 / FS
    assert len(figure.axes[0].get_legend().get_texts()) == 4
    figure = recordings.traces(recording, 1.15, 1.3, templates=0.5 * recording.unfiltered_templates)  # as after a filter
    half = collections(figure, "unit 0")[0].get_segments()[0]
    assert np.ptp(half[:, 1]) == pytest.approx(0.5 * np.ptp(recording.unfiltered_templates[0]), rel=0.06)


def test_a_large_probe_shows_the_channels_with_templates(recording):
    n = 200
    contacts = np.column_stack([np.zeros(n), np.zeros(n), 20.0 * np.arange(n)])
    templates = np.zeros((4, n, N_T), dtype=np.float32)
    templates[:, [17, 60, 111, 180]] = recording.unfiltered_templates[:, :4]
    templates[np.arange(4), [17, 60, 111, 180]] = recording.unfiltered_templates.min(axis=1)
    large = SimpleNamespace(**vars(recording))
    large.channel_positions, large.unfiltered_templates, large.traces = (
        contacts,
        templates,
        np.zeros((64000, n), dtype=np.float32),
    )
    figure = recordings.traces(large, 1.15, 1.3)
    assert len(collections(figure, "traces")[0].get_segments()) == recordings.CHANNELS_SHOWN
    assert all(collections(figure, f"unit {unit}")[0].get_segments() for unit in range(4))
    assert f"{recordings.CHANNELS_SHOWN} of them shown" in figure.get_suptitle()


def test_unit_templates_have_a_colour_a_unit_and_their_position(recording):
    figure = recordings.unit_templates(recording)
    left, right = all_axes(figure)
    waveforms = [collections(figure, f"unit {unit}")[0] for unit in range(4)]
    assert len({tuple(c.get_colors()[0]) for c in waveforms}) == 4
    np.testing.assert_allclose([line.get_xydata()[0] for line in right.lines], recording.units[["y", "z"]])
    assert [line.get_marker() for line in right.lines] == ["o", "o", "^", "^"]
    assert left.get_ylim() == right.get_ylim()


def test_amplitudes_leave_out_the_ratio_where_there_is_no_noise(recording):
    axes, ratio = all_axes(recordings.amplitudes(recording))
    order = recordings.unit_order(recording)
    points = axes.collections[1].get_offsets()
    np.testing.assert_allclose(points, np.column_stack([recording.units["amplitude"].iloc[order], range(4)]))
    assert ratio.get_xlabel() == "signal-to-noise ratio"
    recording.units["snr_filtered"] = 2 * recording.units["snr"]
    before, after = (c.get_offsets()[:, 0] for c in all_axes(recordings.amplitudes(recording))[1].collections[1:])
    np.testing.assert_allclose(after, 2 * before)
    recording.units["snr"] = np.inf
    assert len(all_axes(recordings.amplitudes(recording))) == 1


def test_a_recording_without_units_has_its_traces_only(recording):
    recording.units, recording.unfiltered_templates = recording.units[:0], recording.unfiltered_templates[:0]
    recording.spike_trains, recording.spike_times = [], []
    window = busiest_window(recording)
    for draw in (recordings.raster, recordings.unit_templates, recordings.amplitudes):
        with pytest.raises(NothingToDrawError, match="has no units"):
            draw(recording)
    assert "no units" in recordings.traces(recording, *window).get_suptitle()
    recording.traces = 0 * recording.traces
    with pytest.raises(NothingToDrawError, match="neither noise nor spikes"):
        recordings.traces(recording, *window)


def test_silent_units_have_templates_and_amplitudes_but_no_raster(recording):
    recording.spike_trains, recording.spike_times = [np.zeros(0, dtype=int)] * 4, [np.zeros(0)] * 4
    recording.units["rate"] = 0.0
    with pytest.raises(NothingToDrawError, match="no unit has a spike"):
        recordings.raster(recording)
    assert len(all_axes(recordings.unit_templates(recording))) == len(all_axes(recordings.amplitudes(recording))) == 2
    assert collections(recordings.traces(recording, 0.0, 0.1), "traces")


def test_traces_stand_shank_by_shank_and_units_beyond_the_palette_have_other_lines(recording, monkeypatch):
    """The channels alternate between two shanks; the units have one colour between them."""
    monkeypatch.setattr(look, "UNIT_PALETTE", ("#332288",))
    n = len(recording.channel_positions)
    recording.probe = SimpleNamespace(shank_ids=np.array(["a", "b"] * n)[:n])
    figure = recordings.traces(recording, 1.15, 1.3)
    drawn = np.array(collections(figure, "traces")[0].get_segments())
    order = [k for shank in (0, 1) for k in np.lexsort((CONTACTS[:, 1], CONTACTS[:, 2])) if k % 2 == shank]
    window = recording.traces[round(1.15 * FS) : round(1.3 * FS), order].T
    np.testing.assert_allclose(drawn[:, :, 1] - drawn[:, :1, 1], window - window[:, :1], atol=1e-3)
    assert [text.get_text() for text in figure.axes[0].texts if "shank" in text.get_text()] == ["shank a", "shank b"]
    lines = [collections(figure, f"unit {unit}")[0] for unit in range(4)]
    assert (
        len({tuple(line.get_colors()[0]) for line in lines}) == 1 and len({str(line.get_linestyles()) for line in lines}) == 4
    )


def test_templates_on_a_long_probe_are_not_flat(recording):
    """The tallest waveform takes at least a twenty-fifth of the part of the probe that is shown."""
    n = 200
    contacts = np.column_stack([np.zeros(n), np.zeros(n), 20.0 * np.arange(n)])
    templates = np.zeros((4, n, N_T), dtype=np.float32)
    templates[np.arange(4), [17, 60, 111, 180]] = recording.unfiltered_templates.min(axis=1)
    recording.channel_positions, recording.unfiltered_templates, recording.probe = contacts, templates, squares(contacts)
    recording.units[["y", "z"]] = np.column_stack([np.zeros(4), contacts[[17, 60, 111, 180], 2]])
    heights = [
        np.ptp(collections(recordings.unit_templates(recording), f"unit {unit}")[0].get_segments()[0][:, 1])
        for unit in range(4)
    ]
    assert max(heights) == pytest.approx(0.04 * 20 * (180 - 17), rel=1e-3)

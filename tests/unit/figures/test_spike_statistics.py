"""Figures of spikes in the traces and of noise, of shapes and mean EAPs, and the viewer agree with the data."""

import base64
import gzip
import json
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from bokeh.models import ColumnDataSource, CustomJS

from allenrec.figures import libraries
from allenrec.figures import spike_statistics as spikes
from allenrec.figures.captions import FOLDER, caption
from allenrec.figures.snippets import cut_spikes, measure_noise
from allenrec.figures.style import save
from allenrec.figures.viewer import trace_viewer, write_viewer

FS, PEAK, N_T, N_CHANNELS = 10_000.0, 20, 60, 4
AMPLITUDES = (80.0, 120.0, 50.0)


@pytest.fixture
def recording():
    """Three units over 10 s on four channels, in noise of 5 µV."""
    rng = np.random.default_rng(0)
    shape = -np.exp(-0.5 * ((np.arange(N_T) - PEAK) / 3) ** 2)
    templates = np.zeros((3, N_CHANNELS, N_T), dtype=np.float32)
    templates[range(3), [1, 3, 0]] = np.outer(AMPLITUDES, shape)
    trains = [np.sort(rng.choice(900, n, replace=False) + 50) * 100 + 7 * unit for unit, n in enumerate((60, 90, 40))]
    traces = rng.normal(0, 5, (int(10 * FS), N_CHANNELS)).astype(np.float32)
    for unit, train in enumerate(trains):
        for sample in train:
            traces[sample - PEAK : sample - PEAK + N_T] += templates[unit].T
    units = pd.DataFrame({"cell_type": ["spiny", "spiny", "aspiny"], "bintype": ["E", "E", "I"], "amplitude": AMPLITUDES})
    return SimpleNamespace(
        traces=traces,
        sampling_frequency=FS,
        duration=10.0,
        channel_positions=np.column_stack([np.zeros(4), np.zeros(4), [0.0, 20.0, 40.0, 60.0]]),
        units=units.assign(rate=[6.0, 9.0, 4.0]),
        spike_trains=trains,
        spike_times=[train / FS for train in trains],
        filtered_templates=templates,
        template_peak=PEAK,
    )


def panels(figure):
    return [axes for axes in figure.findobj(matplotlib.axes.Axes) if axes.axison]


def by_gid(axes, gid):
    return [artist for artist in axes.findobj(lambda a: a.get_gid() == gid)]


def test_mean_waveforms_are_the_templates(recording):
    snippets = cut_spikes(recording)
    for axes, unit in zip(panels(spikes.waveforms(recording, snippets)), (1, 0, 2), strict=True):
        assert axes.get_title(loc="left").startswith(f"{unit}: ")
        x, mean = by_gid(axes, "mean")[0].get_data()
        at, template = by_gid(axes, "template")[0].get_data()
        n = len(recording.spike_trains[unit])
        assert len(by_gid(axes, "spikes")[0].get_segments()) == min(n, 100)
        # The mean of n spikes in noise of 5 µV, at 31 samples: within 5 standard errors
        np.testing.assert_allclose(mean, np.interp(x, at, template), atol=5 * 5 / np.sqrt(n))
        assert x[mean.argmin()] == 0.0


def test_amplitudes_are_counted_by_unit_and_over_time(recording):
    snippets, noise = cut_spikes(recording), measure_noise(recording)
    (axes,) = panels(spikes.amplitude_histogram(recording, snippets, noise))
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert {"1: spiny (E)", "0: spiny (E)", "2: aspiny (I)"} < set(labels) and len(labels) == 4
    assert sum(bar.get_height() for container in axes.containers for bar in container) == 60 + 90 + 40
    (threshold,) = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert threshold.get_xdata()[0] == pytest.approx(25.0, rel=0.1)
    rows = panels(spikes.amplitudes_over_time(recording, snippets))
    for axes, unit in zip(rows, (1, 0, 2), strict=True):
        times, values = np.array(axes.collections[0].get_offsets()).T
        np.testing.assert_allclose(times, recording.spike_times[unit])
        # Noise takes the lowest of some samples, so it adds a little
        assert AMPLITUDES[unit] - 2 < np.median(values) < AMPLITUDES[unit] + 8


def test_many_units_are_stacked_by_type_and_some_have_panels(recording, monkeypatch):
    monkeypatch.setattr(spikes, "PANELS_SHOWN", 3)
    recording.units = pd.concat([recording.units] * 5, ignore_index=True)
    recording.spike_trains, recording.spike_times = recording.spike_trains * 5, recording.spike_times * 5
    recording.filtered_templates = np.concatenate([recording.filtered_templates] * 5)
    snippets = cut_spikes(recording)
    (axes,) = panels(spikes.amplitude_histogram(recording, snippets, measure_noise(recording)))
    assert {text.get_text() for text in axes.get_legend().get_texts()} >= {"spiny", "aspiny"}
    figure = spikes.waveforms(recording, snippets)
    assert len(panels(figure)) == 3 and "3 of them shown" in figure.get_suptitle()


def test_intervals_count_every_pair_of_spikes(recording):
    for axes, unit in zip(panels(spikes.intervals(recording)), (1, 0, 2), strict=True):
        gaps = 1000 * np.diff(recording.spike_times[unit])
        assert sum(bar.get_height() for bar in axes.patches) == len(gaps)
        assert axes.get_lines()[0].get_xdata()[0] == pytest.approx(gaps.min())


def test_principal_component_map_has_every_spike_and_a_name_a_unit(recording):
    for axes in panels(spikes.principal_component_map(recording, cut_spikes(recording))):
        assert len(axes.collections[0].get_offsets()) == 60 + 90 + 40
        assert [text.get_text() for text in axes.texts] == ["0", "1", "2"]


def test_noise_spectrum_has_the_level_of_the_noise(recording):
    noise = measure_noise(recording)
    (axes,) = panels(spikes.noise_spectrum(recording, noise))
    frequency, density = axes.get_lines()[0].get_data()
    # White noise of 5 µV: 25 µV² over 5000 Hz; the median of four channels, each the mean of some 100 pieces
    assert np.median(density) == pytest.approx(25 / 5000, rel=0.1) and frequency[-1] == FS / 2
    silent = SimpleNamespace(frequency=noise.frequency, density=0 * noise.density, deviation=0 * noise.deviation)
    assert "no noise" in str(
        [text.get_text() for text in spikes.noise_spectrum(recording, silent).findobj(matplotlib.text.Text)]
    )


def test_drift_draws_the_displacement_of_every_unit(recording):
    times = np.linspace(0, 10, 101)
    displacements = np.outer(np.sin(times), [1.0, 2.0, 0.0])
    (axes,) = panels(spikes.drift(recording, times, displacements))
    for unit in range(3):
        np.testing.assert_allclose(by_gid(axes, f"unit {unit}")[0].get_ydata(), displacements[:, unit])


@pytest.fixture
def library():
    rng = np.random.default_rng(1)
    n = 12
    templates = rng.normal(0, 0.1, (n, N_CHANNELS, N_T)).astype(np.float32)
    depth = rng.uniform(30, 90, n)
    templates[np.arange(n), rng.integers(N_CHANNELS, size=n), PEAK] = -depth
    features = pd.DataFrame({"half_width_ms": rng.uniform(0.2, 0.5, n), "trough_to_peak_ms": rng.uniform(0.5, 2, n)})
    features.loc[0, "half_width_ms"] = np.nan
    return SimpleNamespace(
        templates=templates,
        at_centre=lambda rows: templates[list(rows)],
        features=features,
        celltypes=np.array(["spiny", "aspiny"] * 6, dtype=object),
        model_ids=np.array(["1", "2"] * 6, dtype=object),
        channel_positions=np.column_stack([np.zeros(4), np.zeros(4), [0.0, 20.0, 40.0, 60.0]]),
        cells=pd.DataFrame({"model_id": ["1"], "cell_type": ["spiny"]}),
        dt=0.1,
        peak_sample=PEAK,
    )


def test_waveform_shapes_leave_out_what_has_none(library):
    scatter = panels(libraries.waveform_shapes(library))[0]
    points = np.concatenate([np.array(drawn.get_offsets()) for drawn in scatter.collections])
    expected = library.features.dropna()
    assert sorted(points[:, 1]) == sorted(expected["half_width_ms"]) and len(points) == 11
    assert len([line for line in scatter.get_lines() if line.get_marker() == "X"]) == 2


def test_mean_eap_is_the_mean_of_all_templates_at_each_contact(library):
    left, right = panels(libraries.mean_eap(library))
    lines = np.array(by_gid(left, "mean")[0].get_segments())
    mean = library.templates.mean(axis=0)
    drawn = lines[:, :, 1] - library.channel_positions[:, 2:]
    np.testing.assert_allclose(drawn / np.abs(drawn).max(), mean / np.abs(mean).max(), atol=1e-6)
    assert min(line.get_ydata().min() for line in right.get_lines()) == pytest.approx(-1)
    library.templates = library.templates[:0]
    assert "no templates" in libraries.mean_eap(library).texts[-1].get_text()


def test_viewer_holds_the_traces_and_all_spikes(recording, tmp_path):
    viewer = trace_viewer(recording, n_values=10_000)
    draw = viewer.select_one({"type": CustomJS, "name": "draw"})
    values = np.frombuffer(gzip.decompress(base64.b64decode(draw.args["packed"])), "<i2").reshape(N_CHANNELS, -1)
    assert values.shape[1] == 2 * draw.args["n_bins"] and 4 * values.shape[1] <= 10_000
    np.testing.assert_allclose(values.min(axis=1) * draw.args["step"], recording.traces.min(axis=0), atol=draw.args["step"])
    found = draw.args["spikes"].data
    assert isinstance(draw.args["spikes"], ColumnDataSource)
    np.testing.assert_allclose(found["time"], np.sort(np.concatenate(recording.spike_times)))
    for unit in range(3):
        np.testing.assert_allclose(found["time"][found["unit"] == unit], recording.spike_times[unit])
    assert [near[0] for near in draw.args["nearest"]] == [1, 3, 0]
    write_viewer(viewer, tmp_path / "viewer.html", tmp_path / "viewer.json")
    assert json.loads((tmp_path / "viewer.json").read_text())["root_id"] == viewer.id
    assert "<script src" not in (tmp_path / "viewer.html").read_text(encoding="utf-8")


def test_noise_without_units_is_drawn_and_viewed(recording):
    recording.units, recording.spike_trains, recording.spike_times = recording.units[:0], [], []
    recording.filtered_templates = recording.filtered_templates[:0]
    snippets, noise = cut_spikes(recording), measure_noise(recording)
    drawn = [spikes.waveforms(recording, snippets), spikes.amplitude_histogram(recording, snippets, noise)]
    drawn += [spikes.amplitudes_over_time(recording, snippets), spikes.intervals(recording)]
    drawn += [spikes.principal_component_map(recording, snippets), spikes.noise_spectrum(recording, noise)]
    assert all("no units" in figure.get_suptitle() for figure in drawn)
    assert trace_viewer(recording, 10_000).select_one({"name": "draw"}).args["nearest"] == []


def test_a_caption_lies_beside_its_figure(recording, tmp_path):
    save(spikes.intervals(recording), tmp_path / "intervals.png", caption("recordings", "intervals"))
    assert (tmp_path / "intervals.txt").read_text().startswith("Intervals between successive spikes")
    for path in FOLDER.rglob("*.rst"):
        text = path.read_text(encoding="utf-8").strip()
        assert "\n" not in text and text.endswith(".") and not set(text) & set("*`{|")  # a sentence or two, as plain text

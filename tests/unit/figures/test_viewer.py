"""The viewer holds the traces and all spikes."""

import base64
import gzip
import json
from types import SimpleNamespace

import numpy as np
from bokeh.models import ColumnDataSource, CustomJS

from allenrec.figures.viewer import trace_viewer, write_viewer

N_CHANNELS = 4


def test_viewer_holds_the_traces_and_all_spikes(noisy_recording, tmp_path):
    viewer = trace_viewer(noisy_recording, n_values=10_000)
    draw = viewer.select_one({"type": CustomJS, "name": "draw"})
    values = np.frombuffer(gzip.decompress(base64.b64decode(draw.args["packed"])), "<i2").reshape(N_CHANNELS, -1)
    assert values.shape[1] == 2 * draw.args["n_bins"] and 4 * values.shape[1] <= 10_000
    np.testing.assert_allclose(
        values.min(axis=1) * draw.args["step"], noisy_recording.traces.min(axis=0), atol=draw.args["step"]
    )
    found = draw.args["spikes"].data
    assert isinstance(draw.args["spikes"], ColumnDataSource)
    np.testing.assert_allclose(found["time"], np.sort(np.concatenate(noisy_recording.spike_times)))
    for unit in range(3):
        np.testing.assert_allclose(found["time"][found["unit"] == unit], noisy_recording.spike_times[unit])
    assert [near[0] for near in draw.args["nearest"]] == [1, 3, 0]
    assert draw.args["sampled_rows"] == list(range(N_CHANNELS))
    looks = list(zip(draw.args["colours"], draw.args["unit_markers"], strict=True))
    assert len(set(looks)) == 3 and set(draw.args["unit_markers"]) == {"circle"}
    write_viewer(viewer, tmp_path / "viewer.html", tmp_path / "viewer.json")
    assert json.loads((tmp_path / "viewer.json").read_text())["root_id"] == viewer.id
    assert "<script src" not in (tmp_path / "viewer.html").read_text(encoding="utf-8")


def test_every_channel_shank_and_unit_of_a_large_probe_can_be_shown(noisy_recording):
    """Shown at first are the rows with most units; others are chosen by their shank, by a unit or one by one."""
    n = 40
    positions = np.column_stack([np.zeros(n), np.repeat([0.0, 500.0], n // 2), np.tile(20.0 * np.arange(n // 2), 2)])
    templates = np.zeros((3, n, noisy_recording.filtered_templates.shape[2]), dtype=np.float32)
    templates[[0, 1, 2], [25, 39, 12], 3] = -100.0
    noisy_recording.channel_positions, noisy_recording.filtered_templates = positions, templates
    noisy_recording.probe = SimpleNamespace(shank_ids=np.repeat(["0", "1"], n // 2))
    noisy_recording.traces = np.repeat(noisy_recording.traces, n // N_CHANNELS, axis=1)
    viewer = trace_viewer(noisy_recording, n_values=100_000)
    channels, show = viewer.select_one({"name": "channels"}), viewer.select_one({"name": "unit"})
    titles = dict(show.options)
    shown = show.js_property_callbacks["change:value"][0].args["rows"]
    assert list(titles.values())[:4] == ["32 of 40 channels", "all 40 channels", "shank 0", "shank 1"]
    assert channels.value == shown["some"] == [str(row) for row in range(8, 40)]
    assert shown["shank 1"] == [str(row) for row in range(20, 40)] and len(shown["all"]) == len(channels.options) == 40
    assert [shown[str(unit)][0] for unit in range(3)] == ["25", "39", "12"]
    assert dict(channels.options)["39"] == "39 · shank 1 · 380 µm"

"""The viewer holds the traces and all spikes."""

import base64
import gzip
import json

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
    write_viewer(viewer, tmp_path / "viewer.html", tmp_path / "viewer.json")
    assert json.loads((tmp_path / "viewer.json").read_text())["root_id"] == viewer.id
    assert "<script src" not in (tmp_path / "viewer.html").read_text(encoding="utf-8")

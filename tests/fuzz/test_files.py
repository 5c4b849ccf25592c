"""For any edit of a file that a configuration names, the answer is one line or values that can be computed with."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("hypothesis")

from fuzz.wild import edited, is_one_short_line
from hypothesis import given
from hypothesis import strategies as st

from allenrec.common.errors import UserError
from allenrec.libraries.poses import read_poses
from allenrec.probes import load_probe
from allenrec.recordings.spikes.imported import read_trains
from allenrec.recordings.traces.drift import read_motion

POSES = "model_id,x_um,y_um,z_um,rotation_x_rad,rotation_y_rad,rotation_z_rad,spike_index\n"
PROBE = """{"specification": "probeinterface", "version": "0.2.21", "probes": [{"ndim": 2, "si_units": "um",
 "annotations": {"name": "a"}, "contact_positions": [[0, 0], [0, 20]], "contact_shapes": ["circle", "circle"],
 "contact_plane_axes": [[[1, 0], [0, 1]], [[1, 0], [0, 1]]], "contact_shape_params": [{"radius": 5}, {"radius": 5}]}]}"""


def numbers_of_poses(path):
    poses = read_poses(path, "473863510")
    assert (poses.spikes >= -1e5).all()
    return [poses.positions / 1e5, poses.rotations / 1e5]


#: A sound file of each kind, and what returns its numbers
FILES = {
    "trains.csv": ("unit,time_s\n0,0.25\n0,0.75\nb,\n", lambda path: list(read_trains(path).values())),
    "drift.csv": ("time_s,depth_um,displacement_um\n0,0,0\n1,0,2\n", lambda path: read_motion(path)[0]),
    "poses.csv": (POSES + "473863510,12,0,-20,0.1,0.2,0,0\n473863510,12,0,20,0.1,0.2,0,0\n", numbers_of_poses),
    "probe.yaml": ("{dim: [4, 2], pitch: 20, shape: square, size: 5}\n", lambda path: [load_probe(str(path), 2).points]),
    "probe.json": (PROBE, lambda path: [load_probe(str(path), 2).points]),
}


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_any_edit_of_a_file_is_one_line_or_read(name, data):
    text, numbers = FILES[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data.draw(edited(text)).encode("utf-8", "surrogatepass"))
        try:
            found = numbers(path)
        except UserError as error:
            assert is_one_short_line(error)
            return
    # Times and displacements are compared with those of the recording later.
    assert all(values.dtype == float for values in found)
    assert name in ("trains.csv", "drift.csv") or all(np.isfinite(values).all() for values in found)

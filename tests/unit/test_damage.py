"""Files that were damaged: whoever reads one gets what was written, or one line that names the file."""

import os
import re
import shutil
from functools import partial

import h5py
import numpy as np
import pandas as pd
import pytest
from small_recording import write_recording, write_templates
from support import run_python

from allenrec.common.checksums import BLOCK
from allenrec.common.errors import DamagedFile
from allenrec.common.files import read_json, write_json, write_table
from allenrec.common.hdf5 import CheckedHdf5, hdf5_written_beside
from allenrec.common.outcomes import Failure, read_failure, write_failure
from allenrec.evaluation.tables import SorterRun, failed_table, read_table
from allenrec.intracellular.intracellular_file import Currents, CurrentsInfo, read_currents, write_currents
from allenrec.libraries.library_file import open_library, read_library, read_pieces
from allenrec.models.metadata import CellFacts
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.settings.models import Intracellular


def write_intracellular(path):
    rng, n_segments, n_spikes, n_samples = np.random.default_rng(0), 30, 4, 80
    info = CurrentsInfo(
        model_id="4711",
        specimen_id="7",
        cell_type="spiny",
        facts=CellFacts(specimen_id="7", layer="2/3"),
        model_kind="perisomatic",
        axon="stub",
        celsius=34.0,
        v_init=-80.0,
        settings=Intracellular(delay=2.0, dt=0.05, cut_out=(1.0, 3.0)),
        versions={"neuron": "9.0.2"},
        digests={"mechanisms": "0" * 64},
    )
    arrays = {
        "start": rng.normal(size=(n_segments, 3)),
        "end": rng.normal(size=(n_segments, 3)),
        "diameter": rng.uniform(1, 2, n_segments),
        "section": np.array(["soma"] + ["dend"] * (n_segments - 1), dtype=object),
        "imem": rng.normal(size=(n_spikes, n_segments, n_samples)).astype(np.float32),
        "spike_vmem": rng.normal(size=(n_spikes, n_samples)).astype(np.float32),
        "spike_times": np.arange(1.0, n_spikes + 1),
        "vmem": rng.normal(size=500).astype(np.float32),
        "time": np.arange(500, dtype=np.float32),
        "search_amplitude": np.array([0.1, 0.2]),
        "search_n_spikes": np.array([0, 4]),
        "recorded_amplitude": np.array([0.15]),
        "recorded_cell_spikes": np.array([4.5]),
        "recorded_model_spikes": np.array([5]),
        "rheobase": np.array([0.1, 0.12, 0.15]),
    }
    write_currents(path, Currents(info=info, amplitude=0.2, **arrays))


def write_integers(path):
    write_recording(path, dtype="int16", adc_bit_depth=10, extract_waveforms=True, spike_traces="all")


def write_failed(path):
    write_failure(path, Failure("4711", "simulate_spikes", " ".join(map(str, range(1000)))))


def write_record(path):
    write_json(
        path, {"digest": "0" * 64, "notes": [f"modfiles/{number}.mod is not known" for number in range(50)]}, checked=True
    )


def write_units(path):
    table = failed_table(SorterRun("demo", "simple"), " ".join(map(str, range(1000))))
    write_table(path, table, checked=True)


def content_of_templates(path):
    blocks = [values for _, _, values in read_pieces(path)]
    with open_library(path) as library:
        return [vars(read_library(path)), library.templates[5], blocks]


def content_of_recording(path):
    with read_recording(path) as recording:
        content = {name: value for name, value in vars(recording).items() if name not in ("file", "samples")}
        content |= {name: getattr(recording, name) for name in ("overlap_labels", "bursts", "amplitudes", "plane", "drift")}
        lazy = [recording.samples, *(recording.waveforms or []), *(recording.unit_traces or [])]
        lazy += [] if recording.spike_traces is None else [recording.spike_traces]
        return [content, recording.filter_settings, [dataset[()] for dataset in lazy]]


#: The kinds of files, each with its name and the functions that write one and read all of it
KINDS = {
    "intracellular": ("a.h5", write_intracellular, read_currents),
    "template": ("a.h5", write_templates, content_of_templates),
    "recording": ("a.h5", write_recording, content_of_recording),
    "recording as integers": ("a.h5", write_integers, content_of_recording),
    "failure": ("4711.h5", write_failed, read_failure),
    "failure as JSON": ("4711.json", write_failed, read_failure),
    "record": ("a.json", write_record, partial(read_json, kind="record")),
    "table": ("a.csv", write_units, read_table),
}


def comparable(content):
    """Return all that was read as lists and bytes, which can be compared."""
    if isinstance(content, np.ndarray) and content.dtype != object:
        return [content.dtype.str, content.shape, content.tobytes()]
    if isinstance(content, pd.DataFrame):
        return comparable(content.to_dict("list"))
    if isinstance(content, dict):
        return [[name, comparable(value)] for name, value in content.items()]
    if isinstance(content, list | tuple | np.ndarray):
        return [comparable(value) for value in content]
    return comparable(vars(content)) if hasattr(content, "__dict__") else repr(content)


def flip(data, rng):
    data[rng.integers(len(data))] ^= 1 << rng.integers(8)


def zero(data, rng):
    start = 4096 * rng.integers(-(-len(data) // 4096))
    data[start : start + 4096] = bytes(len(data[start : start + 4096]))


def truncate(data, rng):
    del data[rng.integers(len(data)) :]


def exchange(data, rng):
    """Let two sectors change places."""
    first, second = 512 * rng.choice(len(data) // 512, 2, replace=False)
    data[first : first + 512], data[second : second + 512] = data[second : second + 512], data[first : first + 512]


def overwrite(data, rng):
    start = rng.integers(len(data))
    data[start : start + 4096] = rng.bytes(len(data[start : start + 4096]))


def other_file(data, rng):
    data[:] = [b"", b"model_id,cell_type\n4711,spiny\n", rng.bytes(9000), b"\x89HDF\r\n\x1a\n" + bytes(5000)][rng.integers(4)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A sound file of each kind: what it holds, its bytes, and what is read."""
    found = {}
    for kind, (name, write, read) in KINDS.items():
        path = tmp_path_factory.mktemp("sound") / name
        write(path)
        found[kind] = path, path.read_bytes(), comparable(read(path))
    return found


@pytest.mark.parametrize("damage", [flip, zero, truncate, exchange, overwrite, other_file])
@pytest.mark.parametrize("kind", list(KINDS))
def test_damaged_file_is_one_line_or_reads_as_it_was_written(kind, damage, sound, tmp_path):
    name, _, read = KINDS[kind]
    (origin, whole, expected), rng = sound[kind], np.random.default_rng(len(damage.__name__))
    shutil.copytree(origin.parent, tmp_path, dirs_exist_ok=True)  # with what lies beside it
    path, refused = tmp_path / name, 0
    for _ in range(15):
        data = bytearray(whole)
        damage(data, rng)
        path.write_bytes(data)
        try:
            assert comparable(read(path)) == expected
        except DamagedFile as error:
            refused += 1
            assert re.fullmatch(
                rf"{re.escape(str(path))} is not a valid \w+ file \([^\n]+\); delete it and run again", str(error)
            )
    assert refused >= 12, "nearly all bytes of a file mean something"


@pytest.mark.parametrize("thing", ["folder", "pipe", "device", "dangling link", "link to itself"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_what_is_no_file_is_one_line(kind, thing, tmp_path):
    """A pipe would be read for ever. A link that leads nowhere is a file that is not there."""
    name, _, read = KINDS[kind]
    path = tmp_path / name
    if thing == "folder":
        path.mkdir()
    elif thing == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"device": "/dev/null", "dangling link": "nowhere", "link to itself": name}[thing])
    try:
        assert read(path) is None and kind.startswith("failure") and "link" in thing
    except (DamagedFile, OSError) as error:
        assert str(path) in str(error) and "\n" not in str(error)
        assert isinstance(error, DamagedFile) or "link" in thing


def test_file_of_another_kind_or_without_checksums_is_refused(sound, tmp_path):
    for kind in ("intracellular", "template", "recording", "failure"):
        name, _, read = KINDS[kind]
        path = tmp_path / name
        for other in {"intracellular", "template", "recording"} - {kind.split()[0]}:
            path.write_bytes(sound[other][1])
            if kind == "failure":
                assert read(path) is None
            else:
                with pytest.raises(DamagedFile, match="delete it and run again"):
                    read(path)
        with h5py.File(path, "w") as file:
            file["imem"] = np.zeros(3)
        with pytest.raises(DamagedFile, match="does not end with its checksums"):
            read(path)


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (1000, 509), (9000, 37)])
@pytest.mark.parametrize("order", ["forward", "backward", "twice"])
def test_blocks_may_be_written_in_any_order(shape, order, tmp_path):
    """The checksums that are taken on the way are those of the finished file: each block is read back and checked."""
    values = np.random.default_rng(0).normal(size=shape)
    starts = list(range(0, len(values), 61))
    with hdf5_written_beside(tmp_path / "a.h5") as file:
        dataset = file.create_dataset("x", shape, float)
        for start in {"forward": starts, "backward": starts[::-1], "twice": starts + starts[1::3]}[order]:
            dataset[start : start + 61] = values[start : start + 61]
            file.flush()
    with CheckedHdf5(tmp_path / "a.h5", "test") as file:
        assert np.array_equal(file["x"][()], values)
    assert values.nbytes < 1000 or (tmp_path / "a.h5").stat().st_size > 4 * BLOCK


def test_long_recording_is_checked_where_it_is_read(tmp_path):
    """Damage that lies far from what is read costs nothing and harms nobody."""
    values = np.random.default_rng(0).normal(size=(50_000, 8))
    with hdf5_written_beside(tmp_path / "a.h5") as file:
        file["x"] = values
    data = bytearray((tmp_path / "a.h5").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "a.h5").write_bytes(data)
    with CheckedHdf5(tmp_path / "a.h5", "test") as file:
        assert np.array_equal(file["x"][:1000], values[:1000]) and np.array_equal(file["x"][-1000:], values[-1000:])
        with pytest.raises(DamagedFile, match=r"a\.h5 is not a valid test file \(bytes \d+ to \d+ are not what was written\)"):
            file["x"][()]


LEFT_OPEN = """
from allenrec.recordings.formats.recording_file import read_recording
traces = read_recording(sys.argv[1]).traces
traces[:10]
print(len(traces))
"""


def test_recording_that_is_never_closed_does_no_harm(tmp_path):
    """HDF5 reads from an object of Python, which must not be gone before HDF5 ends."""
    write_recording(tmp_path / "a.h5")
    assert run_python(LEFT_OPEN, tmp_path / "a.h5") == 32_000

"""Recordings and sortings that are more than data run nothing when they are opened; those of ordinary users are opened."""

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import spikeinterface
from spikeinterface.core import NumpyRecording, NumpySorting
from support import run_python

from allenrec.common.errors import UserError
from allenrec.common.real_recordings import open_recording, open_sorting

FS = 30000.0
PARAMETERS = "dat_path = r'C:\\data\\x.dat'\nn_channels_dat = 4\nsample_rate = 3e4\ndtype = 'int16'\noffset = 0\n"
RUNS = "import os\nos.mkdir('was_run')\n"


class Code:
    """What makes a folder when its pickle is read."""

    def __reduce__(self):
        return os.mkdir, ("was_run",)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with a recording, a sorting and a folder of phy."""
    monkeypatch.chdir(tmp_path)
    recording = NumpyRecording([np.zeros((100, 4), np.int16)], FS)
    recording.set_channel_gains(1.0)
    recording.set_channel_offsets(0.0)
    recording.save(folder="recording", verbose=False)
    NumpySorting.from_unit_dict([{0: np.arange(5)}], FS).save(folder="sorting")
    phy = tmp_path / "phy"
    phy.mkdir()
    (phy / "params.py").write_text(PARAMETERS)
    for name in ("times", "clusters"):
        np.save(phy / f"spike_{name}.npy", np.arange(2))
    (phy / "cluster_info.tsv").write_text("cluster_id\tgroup\tKSLabel\n0\tgood\tmua\n1\tnoise\tgood\n")
    return tmp_path


def pickled(path):
    path.write_bytes(pickle.dumps(Code()))
    return path


def phy_with(folder, name, parameters=PARAMETERS, **files):
    """Return a copy of the folder of phy."""
    copy = shutil.copytree(folder / "phy", folder / name)
    (copy / "params.py").write_text(parameters)
    for file, text in files.items():
        (copy / file.replace("_", ".")).write_text(text)
    return copy


def with_column(folder, values):
    """Return the folder of a sorting that has a column of objects."""
    copy = shutil.copytree(folder / "sorting", folder / "column")
    np.save(copy / "properties" / "quality.npy", np.array(values, dtype=object))
    return copy


def with_header(folder, header):
    """Return the folder of a sorting with a column that has a header of so many bytes, which numpy reads as Python."""
    copy = with_column(folder, ["good"])
    (copy / "properties" / "quality.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    return copy


def described(folder):
    """Return the description of a sorting of phy, whose folder is another one meanwhile."""
    open_sorting(folder / "phy").dump("phy.json")
    (folder / "phy" / "params.py").write_text(RUNS)
    return folder / "phy.json"


def by_class(folder, name):
    """Return a description by a class of SpikeInterface, which is in this module but not defined there."""
    (folder / "text").mkdir()
    (folder / "text" / "params.prm").write_text(RUNS)
    (folder / "text" / "spikes.kwik").touch()
    named = {"class": f"spikeinterface.extractors.extractor_classes.{name}", "module": "spikeinterface", "version": "0.103.0"}
    about = named | {"kwargs": {"file_or_folder_path": str(folder / "text")}, "annotations": {}, "properties": {}}
    (folder / "text.json").write_text(json.dumps(about | {"relative_paths": False}))
    return folder / "text.json"


def with_pipe(folder):
    """Return the folder of a sorting with a pipe among its columns."""
    copy = with_column(folder, ["good"])
    os.mkfifo(copy / "properties" / "a.npy")
    return copy


class Global:
    """A pickle of a name that is looked up among the attributes of numpy's module of arrays."""

    def __reduce__(self):
        return np.lib.format.open_memmap, ("was_run", "w+", float, (1,))


REFUSED = {
    "a pickle without a suffix": lambda folder: open_recording(pickled(folder / ".pkl")),
    "a pickle": lambda folder: open_sorting(pickled(folder / "sorting.json.pickle")),
    "a description without a suffix": lambda folder: open_recording(
        shutil.move(described(folder), folder / ".json") and folder / ".json"
    ),
    "phy in a folder that is called zarr": lambda folder: open_sorting(phy_with(folder, "phy.zarr", RUNS)),
    "the same for an extractor": lambda folder: open_recording(phy_with(folder, "phy.zarr", RUNS), "read_phy"),
    "a reader that runs the probe": lambda folder: open_recording(
        phy_with(folder, "kilosort", probe_prb=RUNS), "read_kilosort_as_analyzer"
    ),
    "a reader that runs text": lambda folder: open_recording(folder / "recording", "read_shybrid_recording"),
    "a class that runs text, by another module": lambda folder: open_sorting(by_class(folder, "KlustaSortingExtractor")),
    "a pipe among the columns": lambda folder: open_sorting(with_pipe(folder)),
    "a column of code": lambda folder: open_sorting(with_column(folder, [Code()])),
    "a column of code after text": lambda folder: open_sorting(with_column(folder, ["good", Code()])),
    "a column of other functions of numpy": lambda folder: open_sorting(with_column(folder, [Global()])),
    "a column of classes": lambda folder: open_sorting(with_column(folder, [Path])),
    "a column whose header is no Python": lambda folder: open_sorting(with_header(folder, b"{'descr': ( ")),
    "a description of phy": lambda folder: open_sorting(described(folder)),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_nothing_is_run(kind, folder):
    with pytest.raises(UserError) as caught:
        REFUSED[kind](folder)
    assert len(str(caught.value).splitlines()) == 1
    assert not Path("was_run").exists()


IN_ZARR = """
import json, pickle
from allenrec.common.errors import UserError
from allenrec.common.real_recordings import open_recording
from allenrec.libraries.template_files import read_templates
said = []
for read in open_recording, read_templates:
    try:
        read("coded.zarr")
    except UserError as error:
        said.append(str(error))
print(json.dumps(said))
"""


def test_pickles_in_zarr_are_refused_whatever_numcodecs_does(folder):
    """Some versions of numcodecs read them, and this one with a variable of the environment."""
    spikeinterface.load(folder / "recording").save(folder="coded.zarr", format="zarr", verbose=False)
    ids = folder / "coded.zarr" / "channel_ids"
    as_objects = {"dtype": "|O", "filters": [{"id": "pickle", "protocol": 5}], "compressor": None, "fill_value": None}
    (ids / ".zarray").write_text(json.dumps(json.loads((ids / ".zarray").read_text()) | as_objects))
    pickled(ids / "0")
    (folder / "coded.zarr" / ".zmetadata").unlink(missing_ok=True)
    said = run_python(IN_ZARR, env=os.environ | {"NUMCODECS_ALLOW_UNSAFE_PICKLE_DECODE": "1"})
    assert len(said) == 2 and "holds pickles" in said[0] and not Path("was_run").exists()


CUT = """
import ctypes, json, mmap
import numpy as np
from numcodecs import get_codec
from allenrec.common.foreign_code import decode_zarr_with_care

def before_closed_memory(data):
    pages = mmap.mmap(-1, len(data) // mmap.PAGESIZE * mmap.PAGESIZE + 2 * mmap.PAGESIZE)
    end = len(pages) - mmap.PAGESIZE
    pages[end - len(data) : end] = data
    closed = ctypes.addressof(ctypes.c_char.from_buffer(pages)) + end
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(closed), mmap.PAGESIZE, 0) == 0
    return np.frombuffer(pages, np.uint8)[end - len(data) : end]

decode_zarr_with_care()
traces = np.random.default_rng(1).normal(0, 20, (30000, 32)).astype(np.int16)
said = []
for name in "zstd", "lz4":
    codec = get_codec({"id": "blosc", "cname": name, "clevel": 5, "shuffle": 2, "blocksize": 0})
    chunk = codec.encode(traces)
    assert np.array_equal(np.frombuffer(codec.decode(chunk), np.int16).reshape(traces.shape), traces)
    for length in 0, 1, 15, 16, 17, 50, 500, 2000, len(chunk) - 1:
        try:
            codec.decode(before_closed_memory(chunk[:length]))
        except ValueError as error:
            said.append(str(error))
print(json.dumps([len(chunk), said]))
"""


def test_cut_chunks_of_zarr_are_refused_and_kill_nothing():
    """Blosc reads what lies behind them. Where that is closed memory, it kills the process: here with 17, 50 and 500 bytes."""
    length, said = run_python(CUT)
    assert len(said) == 18 and f"a chunk of zarr has 50 bytes instead of {length}" in said


def test_text_that_phy_has_written_is_opened(folder):
    """SpikeInterface saves the columns of its tables as objects."""
    from_phy = open_sorting(folder / "phy")
    assert from_phy.get_property("quality").dtype == object
    from_phy.save(folder="saved")
    from_phy.dump("described.json")
    for path in ("saved", "described.json"):
        found = open_sorting(path)
        assert list(found.get_property("KSLabel")) == ["mua", "good"]
        np.testing.assert_array_equal(found.get_unit_spike_train(1), [1])


def test_columns_of_numbers_text_and_gaps_are_opened(folder):
    for values in ([None], [np.nan], ["é\n"], [np.float64(2.5)], [np.str_("a")], [True], [10**30]):
        (found,) = open_sorting(with_column(folder, values)).get_property("quality")
        assert found == values[0] or (found is values[0] or found != found)
        shutil.rmtree(folder / "column")


def test_other_files_of_a_folder_are_left_alone(folder):
    recording = folder / "recording"
    pickled(recording / "notes.pkl")
    pickled(recording / "ops.npy")
    (recording / "kilosort4").mkdir()
    (recording / "kilosort4" / "params.py").write_text(RUNS)
    assert open_recording(recording).get_num_samples() == 100
    renamed = recording.rename(folder / "day1.pkl")  # a folder is no pickle
    assert open_recording(renamed).get_num_channels() == 4
    assert not Path("was_run").exists()


def test_all_readers_that_run_files_are_those_that_are_refused():
    """They call `exec`, `eval` or read pickles, in the modules of readers of the SpikeInterface that is installed."""
    package = Path(spikeinterface.__file__).parent / "extractors"
    words = ("read_python(", "read_prb(", "eval(", "exec(", "allow_pickle=True", "pickle.load(", "yaml.load(")
    running = {path.stem for path in package.rglob("*.py") if any(word in path.read_text(encoding="utf-8") for word in words)}
    known = {"klustaextractors", "phykilosortextractors", "shybridextractors", "sinapsrecordingextractors"}
    assert {name for name in running if not name.startswith(("test_", "old_"))} - known == set()

"""HDF5 files: datasets whose shapes must fit together, and files on a disk that fills up."""

import errno
import os

import h5py
import numpy as np
import pytest
from support import run_python

from allenrec.common.hdf5 import COMPRESSION, check_shapes, hdf5_written_beside, read_dict, write_chunk, write_dict

SHAPES = {"start": "segments 3", "diameter": "segments", "currents": "spikes segments samples"}


def write(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, None),
        ({"diameter": np.zeros(4)}, r"diameter has the shape \(4,\)"),
        ({"start": np.zeros((5, 2))}, r"start has the shape \(5, 2\)"),
        ({"currents": np.zeros((5, 7))}, r"currents has the shape \(5, 7\)"),
        ({"currents": np.zeros((2, 6, 7))}, r"currents has the shape \(2, 6, 7\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(changed, expected, tmp_path):
    good = {"start": np.zeros((5, 3)), "diameter": np.zeros(5), "currents": np.zeros((2, 5, 7))}
    write(tmp_path / "a.h5", **(good | changed))
    with h5py.File(tmp_path / "a.h5") as file:
        if expected is None:
            check_shapes(file, SHAPES)
        else:
            with pytest.raises(OSError, match=expected):
                check_shapes(file, SHAPES)


def test_missing_dataset_and_group_in_its_place(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        with pytest.raises(KeyError):
            check_shapes(file, {"start": "segments 3"})
        file.create_group("start")
        with pytest.raises(OSError, match="start is a group"):
            check_shapes(file, {"start": "segments 3"})


def test_file_is_that_of_h5py(tmp_path):
    values = np.random.default_rng(0).normal(size=(300, 400)).astype(np.float32)
    with hdf5_written_beside(tmp_path / "a.h5") as file:
        file.create_dataset("x", data=values, chunks=(10, 400), compression="gzip")
        file.attrs["note"] = "n" * 1000
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file["x"][()], values) and file.attrs["note"] == "n" * 1000
    assert os.listdir(tmp_path) == ["a.h5"]


LIMITED = """
import resource, signal, os, json
import numpy as np
from allenrec.common.hdf5 import hdf5_written_beside
path, size = sys.argv[1], int(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
try:
    with hdf5_written_beside(path) as file:
        for k in range(20):
            file.create_dataset(f"g/x{k}", data=np.random.default_rng(k).random(size), compression="gzip")
    found = None
except OSError as error:
    found = [error.errno, error.filename]
print(json.dumps(found))
"""


@pytest.mark.parametrize("storage", COMPRESSION)
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_chunks_are_those_of_hdf5(storage, dtype, tmp_path):
    """HDF5 itself reads whole chunks beside one that it has written, and takes as little disk as with its own gzip."""
    values = (1000 * np.random.default_rng(0).normal(size=(5, 3, 400, 32))).astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in ("ours", "theirs"):
            file.create_dataset(name, values.shape, dtype, chunks=(1, 1, 400, 32), **COMPRESSION[storage])
        for index in np.ndindex(5, 3):
            if index == (2, 1):
                file["ours"][index] = values[index]
            else:
                # Not contiguous, and without the axes of length one
                write_chunk(file["ours"], (*index, 0, 0), np.asfortranarray(values[index]))
        file["theirs"][...] = values
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["ours"][()], values)
        assert file["ours"].id.get_storage_size() < 1.1 * file["theirs"].id.get_storage_size()


def test_long_work_may_stop_when_the_disk_is_full(tmp_path):
    asking = LIMITED.replace(
        'compression="gzip")', 'compression="gzip")\n            file.flush()\n            file.raise_error()'
    )
    asking = asking.replace("error.filename]", "k]")
    number, stopped_at = run_python(asking, tmp_path / "a.h5", 2000)
    assert number == errno.EFBIG and stopped_at < 3  # 16 kB each


@pytest.mark.parametrize("size", [500, 5000])
def test_file_that_cannot_be_written_is_one_error_and_no_crash(size, tmp_path):
    """A limit of 20 kB per file acts like a full disk and needs no root."""
    assert run_python(LIMITED, tmp_path / "a.h5", size) == [errno.EFBIG, str(tmp_path / "a.h5")]
    assert list(tmp_path.iterdir()) == []


def test_dict_is_read_back_also_with_other_letters(tmp_path):
    content = {"types": ["étoilée", "µ", "PC"], "none": None, "empty": [], "nested": {"name": "Å", "n": 3, "x": [0.5, 2.0]}}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write_dict(file, content)
        found = read_dict(file)
    assert found["types"].tolist() == content["types"] and found["none"] is None and found["empty"] == []
    assert found["nested"]["name"] == "Å" and found["nested"]["n"] == 3 and found["nested"]["x"].tolist() == [0.5, 2.0]

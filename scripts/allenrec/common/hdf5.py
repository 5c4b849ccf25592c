"""Dictionaries and tables in HDF5: dictionaries as MEArec keeps them (its `save_dict_to_hdf5`), tables a dataset a column."""

import io
import os
from contextlib import contextmanager

import h5py
import numpy as np
import pandas as pd

from .files import written_beside

TEXT = h5py.string_dtype()
#: Bytes of a file that is being written which stay in memory
KEPT = 2**26
#: Compressions of datasets by name
COMPRESSION = {
    "none": {},
    "lzf": {"compression": "lzf", "shuffle": True},
    "gzip": {"compression": "gzip", "compression_opts": 4, "shuffle": True},
}


@contextmanager
def hdf5_written_beside(path):
    """Yield an open `NewFile` that appears under its name when the block ends well; see `allenrec.common.files.written_beside`.

    Raises
    ------
    OSError
        That of the system, where the file could not be written.
    """
    with written_beside(path) as temporary, open(temporary, "w+b", buffering=0) as raw:
        target = _Forgiving(raw)
        try:
            with NewFile(target) as file:
                yield file
        finally:
            target.raise_fault()


class NewFile(h5py.File):
    """An HDF5 file that is being written; call `raise_fault` now and then, lest hours of work go to a full disk."""

    def __init__(self, target):
        super().__init__(target, "w")
        self.raise_fault = target.raise_fault


class _Forgiving(io.RawIOBase):
    """A file that keeps the first fault of the system for later: HDF5 crashes when it cannot write, to a full disk for example,
    what it has to write as it closes a file.

    What is on the disk is soon dropped from memory, where the system can do so. It would keep all of an hour's 180 GB as long
    as any memory is free, and filling memory anew takes longer than the disk, on virtual machines several times as long.
    """

    def __init__(self, raw):
        self.raw, self.fault, self.kept = raw, None, 0

    def write(self, data):
        try:
            view = memoryview(data).cast("B")
            while len(view):
                view = view[self.raw.write(view) :]
        except OSError as error:
            self.fault = self.fault or error
        self.kept += len(data)
        if self.kept >= KEPT and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.raw.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            self.kept = 0
        return len(data)

    def raise_fault(self):
        if self.fault is not None:
            raise self.fault

    def readinto(self, buffer):
        return self.raw.readinto(buffer)

    def seek(self, offset, whence=io.SEEK_SET):
        return self.raw.seek(offset, whence)

    def tell(self):
        return self.raw.tell()

    def truncate(self, size=None):
        try:
            return self.raw.truncate(size)
        except OSError as error:
            self.fault = self.fault or error
            return size


def write_frame(parent, name, frame):
    """Write a DataFrame as a group with a dataset a column, in the order of the columns."""
    group = parent.create_group(name, track_order=True)
    for column in frame:
        values = frame[column]
        if pd.api.types.is_numeric_dtype(values):
            group[column] = values.to_numpy()
        else:
            group.create_dataset(column, data=values.astype(str).to_numpy(dtype=object), dtype=TEXT)


def read_frame(group):
    """Read back what `write_frame` wrote."""
    return pd.DataFrame({name: read_values(item) for name, item in group.items()})


def read_values(dataset):
    """Return a dataset as an array; text as an array of str."""
    return dataset.asstr()[()] if h5py.check_string_dtype(dataset.dtype) else dataset[()]


def write_dict(group, content):
    """Write a dict into a group: None as "null", an empty list as "[]", lists of text as fixed-length bytes, dicts as
    groups, scalars as scalars. Keys come in sorted order, so that equal dicts give equal files."""
    for key in sorted(content):
        value = content[key]
        if isinstance(value, dict):
            write_dict(group.require_group(key), value)
        elif value is None:
            group[key] = "null"
        elif isinstance(value, list | tuple | np.ndarray):
            group[key] = _array(value)
        else:
            group[key] = value


def _array(values):
    if len(values) == 0:
        return "[]"
    return np.array(values, dtype="S") if isinstance(values[0], str) else np.array(values)


def read_dict(group):
    """Read back what `write_dict` wrote; lists come as arrays."""
    return {key: read_dict(item) if isinstance(item, h5py.Group) else _value(item) for key, item in group.items()}


def _value(dataset):
    value = dataset[()]
    if isinstance(value, bytes):
        value = value.decode()
        return {"null": None, "[]": []}.get(value, value)
    if isinstance(value, np.ndarray):
        return value.astype(str) if value.dtype.kind == "S" else value
    return value.item()


def check_shapes(group, expected):
    """Check that datasets are there and that their shapes fit together.

    Parameters
    ----------
    group : h5py.Group
    expected : dict
        Dataset name to the names of its axes, as in "spikes segments samples". An axis has the same length wherever it
        stands; an axis named by a number has that length.

    Raises
    ------
    KeyError
        If a dataset is missing.
    OSError
        If one has another shape.
    """
    lengths = {}
    for name, axes in expected.items():
        shape = getattr(group[name], "shape", None)
        if shape is None:
            raise OSError(f"{name} is a group")
        axes = axes.split()
        if len(shape) == len(axes):
            for axis, length in zip(axes, shape, strict=True):
                lengths.setdefault(axis, int(axis) if axis.isdigit() else length)
        if len(shape) != len(axes) or any(lengths[axis] != length for axis, length in zip(axes, shape, strict=True)):
            raise OSError(f"{name} has the shape {shape}, which does not fit the rest")

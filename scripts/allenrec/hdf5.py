"""Dictionaries and tables in HDF5: dictionaries as MEArec keeps them (its `save_dict_to_hdf5`), tables a dataset a column."""

import h5py
import numpy as np
import pandas as pd

TEXT = h5py.string_dtype()
#: Compressions of datasets by name
COMPRESSION = {
    "none": {},
    "lzf": {"compression": "lzf", "shuffle": True},
    "gzip": {"compression": "gzip", "compression_opts": 4, "shuffle": True},
}


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

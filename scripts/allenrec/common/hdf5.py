"""HDF5 files: writing them safely, and dictionaries and tables in them.

Dictionaries have the layout of MEArec's `save_dict_to_hdf5`. Tables have one dataset per column.
"""

from __future__ import annotations

import atexit
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from .checksums import CheckedFile, WrittenChecksums
from .errors import DamagedFile
from .files import AnyPath, written_beside
from .page_cache import WrittenCache

if TYPE_CHECKING:  # most jobs read no table
    import pandas as pd

TEXT = h5py.string_dtype()
#: A table to write: values by the names of columns
Columns: TypeAlias = "pd.DataFrame | Mapping[str, Sequence[Any] | NDArray[Any]]"
#: Arguments of `create_dataset` for each compression
COMPRESSION: dict[str, dict[str, Any]] = {
    "none": {},
    "lzf": {"compression": "lzf", "shuffle": True},
    "gzip": {"compression": "gzip", "compression_opts": 4, "shuffle": True},
}
#: The level of ISA-L's gzip. Compressed noise is a twentieth larger than at level 4 of zlib, which takes ten times as long
ISAL_LEVEL = 2


@contextmanager
def hdf5_written_beside(path: AnyPath) -> Iterator[NewFile]:
    """Yield an open `NewFile` that appears under its name, with its checksums, when the block ends well.

    See `allenrec.common.files.written_beside` and `allenrec.common.checksums`.

    Raises
    ------
    OSError
        The error of the system, if the file could not be written.
    """
    with written_beside(path) as temporary, open(temporary, "w+b", buffering=0) as raw:
        target = _ErrorKeepingFile(raw)
        try:
            with NewFile(target) as file:
                yield file
        finally:
            target.raise_error()
        target.checksums.append_to(raw)


class CheckedHdf5(h5py.File):
    """An HDF5 file that `hdf5_written_beside` wrote, open for reading: what is read is what was written, or else an error.

    Parameters
    ----------
    path : path
    kind : str
        What the file should be, as in "recording", for messages.

    Raises
    ------
    DamagedFile
        If the file is missing or damaged; later, also while something is read within `checked`.
    """

    def __init__(self, path: AnyPath, kind: str) -> None:
        self.source = CheckedFile(path, kind)
        with self.checked():
            super().__init__(self.source, "r")

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Turn every error of a block that reads the file into one line that names it.

        HDF5 does not pass on all errors that it meets: it may find no dataset where a table of contents cannot be read.
        """
        try:
            yield
        except DamagedFile:
            raise
        except Exception as error:
            raise self.source.error or self.source.damaged(error) from None
        if self.source.error is not None:
            raise self.source.error

    def close(self) -> None:
        super().close()
        self.source.close()


@atexit.register
def _close_files() -> None:
    """Close the files that are still open. HDF5 would do it when Python's objects, from which it reads, are gone already."""
    for thing in h5py.h5f.get_obj_ids(types=h5py.h5f.OBJ_ALL & ~h5py.h5f.OBJ_DATATYPE):
        if thing.valid and h5py.File(h5py.h5i.get_file_id(thing)).driver == "fileobj":
            h5py.File(h5py.h5i.get_file_id(thing)).close()


class NewFile(h5py.File):
    """An HDF5 file being written. Call `raise_error` now and then, so that long work stops early when the disk is full."""

    def __init__(self, target: _ErrorKeepingFile) -> None:
        super().__init__(target, "w")
        self.raise_error = target.raise_error


class _ErrorKeepingFile(io.RawIOBase):
    """A file that keeps the first error of the system for later.

    HDF5 crashes if it cannot write its last data when it closes a file, for example because the disk is full.
    """

    def __init__(self, raw: BinaryIO) -> None:
        self.raw = raw
        self.error: OSError | None = None
        self.cache = WrittenCache(raw.fileno())
        self.checksums = WrittenChecksums()

    def write(self, data: Any) -> int:
        try:
            view = memoryview(data).cast("B")
            self.checksums.add(self.raw.tell(), view)
            while len(view):
                view = view[self.raw.write(view) :]
        except OSError as error:
            self.error = self.error or error
        self.cache.add(len(data))
        return len(data)

    def raise_error(self) -> None:
        if self.error is not None:
            raise self.error

    def readinto(self, buffer: Any) -> int:
        return self.raw.readinto(buffer)  # type: ignore[attr-defined]  # an unbuffered file has it

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.raw.seek(offset, whence)

    def tell(self) -> int:
        return self.raw.tell()

    def truncate(self, size: int | None = None) -> int:
        try:
            return self.raw.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0


def read_rows(source: Any, start: int, rows: NDArray[Any]) -> None:
    """Read rows of a dataset, or of anything that is sliced like an array, into `rows`.

    Whole chunks of a dataset that is not compressed are read to their place, without the copies in HDF5's own memory.

    Parameters
    ----------
    source : h5py.Dataset or another array
        A dataset is in chunks of whole rows.
    start : int
        The first of the rows.
    rows : numpy.ndarray
        (n, n_columns), contiguous and of the type of the source.
    """
    if not isinstance(source, h5py.Dataset):
        rows[:] = source[start : start + len(rows)]
        return
    length, plain, done = source.chunks[0], source.id.get_create_plist().get_nfilters() == 0, 0
    while done < len(rows):
        first = start + done
        part = rows[done : done + length - first % length]
        if plain and len(part) == length:
            source.id.read_direct_chunk((first, 0), out=_as_bytes(part))
        else:
            source.read_direct(part, np.s_[first : first + len(part)])
        done += len(part)


def copy_rows(source: Any, first: int, target: h5py.Dataset) -> None:
    """Fill a dataset with rows of another one, or of anything that is sliced like an array, by chunks, and show progress.

    A chunk of a dataset that stores its chunks as the target does is copied as it is, without being unpacked and packed again.

    Parameters
    ----------
    source : h5py.Dataset or another array
    first : int
        The first of the rows.
    target : h5py.Dataset
        In chunks of whole rows, in a file with a name.
    """
    from tqdm import tqdm  # most jobs copy no rows

    memory, length = np.empty(target.chunks, target.dtype), target.chunks[0]
    alike = isinstance(source, h5py.Dataset) and _storage(source) == _storage(target) and first % length == 0
    place = _as_bytes(memory) if target.compression is None else None
    with cache_of(target) as cache:
        for start in tqdm(range(0, len(target), length), unit="chunk"):
            if alike:
                mask, chunk = source.id.read_direct_chunk((first + start, 0), out=place)
                target.id.write_direct_chunk((start, 0), chunk, mask)
            else:
                rows = memory[: len(target) - start]
                read_rows(source, first + start, rows)
                target[start : start + len(rows)] = rows
            cache.add(memory.nbytes)


@contextmanager
def cache_of(dataset: h5py.Dataset) -> Iterator[WrittenCache]:
    """Yield the `WrittenCache` of the file of a dataset, which has a name."""
    with open(dataset.file.filename, "rb") as file:
        yield WrittenCache(file.fileno())


def _as_bytes(rows: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the memory of a contiguous array as bytes."""
    return rows.reshape(-1).view(np.uint8)


def _storage(dataset: h5py.Dataset) -> tuple[Any, ...]:
    """Return how the chunks of a dataset are stored."""
    return dataset.chunks, dataset.dtype, dataset.compression, dataset.compression_opts, dataset.shuffle, dataset.fletcher32


def write_chunk(dataset: h5py.Dataset, offset: tuple[int, ...], values: NDArray[Any]) -> None:
    """Write a whole chunk; uncompressed or with gzip, without HDF5's own copy of it. gzip takes a tenth of HDF5's time.

    What is stored is what HDF5's filters read: first all bytes of the lowest significance, and so on (`shuffle`), in the format
    of zlib, here by Intel's ISA-L.

    Parameters
    ----------
    dataset : h5py.Dataset
        With one of the kinds of storage in `COMPRESSION`, or with another level of gzip.
    offset : tuple of int
        Where the chunk begins.
    values : numpy.ndarray
        In the type of the dataset; as many as a chunk has, whatever axes of length one there are.
    """
    contiguous = np.ascontiguousarray(values)
    if dataset.compression is None:
        dataset.id.write_direct_chunk(offset, contiguous)
    elif dataset.compression == "gzip" and dataset.shuffle:
        from isal import isal_zlib  # readers need no compressor

        shuffled = np.ascontiguousarray(contiguous.reshape(-1, 1).view(np.uint8).T)
        dataset.id.write_direct_chunk(offset, isal_zlib.compress(shuffled, ISAL_LEVEL))
    else:
        place = tuple(slice(first, first + length) for first, length in zip(offset, dataset.chunks, strict=True))
        dataset[place] = contiguous.reshape(dataset.chunks)


def write_frame(parent: h5py.Group, name: str, frame: Columns) -> None:
    """Write a table as a group with one dataset per column, in their order. What is no number or truth value becomes text."""
    group = parent.create_group(name, track_order=True)
    for column, values in frame.items():
        array = np.asarray(values)
        if array.dtype.kind in "biuf":
            group[column] = array
        else:
            group.create_dataset(column, data=np.array([str(value) for value in array], dtype=object), dtype=TEXT)


def read_frame(group: h5py.Group) -> pd.DataFrame:
    """Read back what `write_frame` wrote."""
    import pandas as pd

    return pd.DataFrame({name: read_values(item) for name, item in group.items()})


def read_values(dataset: h5py.Dataset) -> NDArray[Any]:
    """Return a dataset as an array; text as an array of str."""
    return dataset.asstr()[()] if h5py.check_string_dtype(dataset.dtype) else dataset[()]


def write_dict(group: h5py.Group, content: Mapping[str, Any]) -> None:
    """Write a dict into a group.

    None is written as "null", an empty list as "[]", a list of text as UTF-8 of fixed length, a dict as a group, and a number,
    truth value or text as a scalar dataset. Keys are written in sorted order, so that equal dicts give equal files.
    """
    for key in sorted(content):
        value = content[key]
        if isinstance(value, dict):
            write_dict(group.require_group(key), value)
        elif value is None:
            group[key] = "null"
        elif isinstance(value, list | tuple | np.ndarray):
            group[key] = _as_array(value)
        else:
            group[key] = value


def _as_array(values: Sequence[Any] | NDArray[Any]) -> NDArray[Any] | str:
    if len(values) == 0:
        return "[]"
    return np.array([text.encode() for text in values], dtype="S") if isinstance(values[0], str) else np.array(values)


def read_dict(group: h5py.Group) -> dict[str, Any]:
    """Read back what `write_dict` wrote: lists as arrays, and the texts "null" and "[]" as None and an empty list."""
    return {key: read_dict(item) if isinstance(item, h5py.Group) else _read_value(item) for key, item in group.items()}


def _read_value(dataset: h5py.Dataset) -> Any:
    value = dataset[()]
    if isinstance(value, bytes):
        text = value.decode()
        return {"null": None, "[]": []}.get(text, text)
    if isinstance(value, np.ndarray):
        return np.char.decode(value, "utf-8") if value.dtype.kind == "S" else value
    return value.item()


def check_shapes(group: h5py.Group, expected: Mapping[str, str]) -> None:
    """Check that datasets exist and that their shapes fit together.

    Parameters
    ----------
    group : h5py.Group
    expected : dict
        Dataset name to the names of its axes, as in "spikes segments samples". An axis has the same length in all datasets. An
        axis named by a number has that length.

    Raises
    ------
    KeyError
        If a dataset is missing.
    OSError
        If one is a group, or its shape does not fit.
    """
    lengths: dict[str, int] = {}
    for name, names_of_axes in expected.items():
        shape = getattr(group[name], "shape", None)
        if shape is None:
            raise OSError(f"{name} is a group")
        axes = names_of_axes.split()
        if len(shape) == len(axes):
            for axis, length in zip(axes, shape, strict=True):
                lengths.setdefault(axis, int(axis) if axis.isdigit() else length)
        if len(shape) != len(axes) or any(lengths[axis] != length for axis, length in zip(axes, shape, strict=True)):
            raise OSError(f"{name} has the shape {shape}, which does not fit the rest")

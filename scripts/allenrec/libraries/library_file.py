"""The file of a template library, of one cell or of all. Its layout is MEArec's, with extras.

No other module knows the paths in the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import probeinterface
from numpy.typing import ArrayLike, NDArray

from allenrec.common.errors import not_valid, require_own
from allenrec.common.finite import is_finite, require_finite
from allenrec.common.hdf5 import (
    COMPRESSION,
    TEXT,
    CheckedHdf5,
    Columns,
    check_shapes,
    hdf5_written_beside,
    read_dict,
    read_frame,
    read_values,
    write_chunk,
    write_dict,
    write_frame,
)
from allenrec.probes import Probe, layout_from_text, layout_to_text
from allenrec.waveforms.features import FEATURES, FILTERED_FEATURES

if TYPE_CHECKING:
    import pandas as pd
    from spikeinterface.core import Templates

    from allenrec.common.files import AnyPath

    from .poses import Poses

#: The size of the templates that are held while they are written or joined, bytes
BYTES_AT_ONCE = 8 * 2**20


@dataclass(frozen=True)
class TemplateRows:
    """The properties of each template beside its waveforms, one row per template.

    `locations` (N, 3) µm of the somata, or (N, n_steps, 3) if the cells drift; `rotations` (N, 3) rad; `celltypes`, `model_ids`
    (N,) text; `spike_indices` (N,), -1 for a mean spike; `candidates` (N,), the number of poses tried for each.
    """

    locations: NDArray[np.float64]
    rotations: NDArray[np.float64]
    celltypes: NDArray[np.object_]
    model_ids: NDArray[np.object_]
    spike_indices: NDArray[np.int64]
    candidates: NDArray[np.int64]


@dataclass(frozen=True)
class LibraryInfo:
    """The properties of a library as a whole.

    `cells`, a table with a row per model and all its metadata (`model_id` and `cell_type` are needed); `channel_positions`
    (n_contacts, 3) µm; `probe`, the exact contacts in their plane; `params`, how the templates were made, in MEArec's names
    (`dt` and `cut_out`, ms, are needed); `electrodes`, the probe in MEArec's words; `provenance`, text and dicts.
    """

    cells: Columns
    channel_positions: NDArray[np.float64]
    probe: probeinterface.Probe
    params: dict[str, Any]
    electrodes: dict[str, Any]
    provenance: dict[str, Any]

    @classmethod
    def on_probe(cls, probe: Probe, cells: Columns, params: dict[str, Any], provenance: dict[str, Any]) -> LibraryInfo:
        """Return the `LibraryInfo` of a library on a probe."""
        return cls(cells, probe.positions, probe.layout, params, probe.info, provenance)


@dataclass(frozen=True, repr=False)
class Library(TemplateRows, LibraryInfo):
    """A template library: `TemplateRows`, `LibraryInfo`, the templates and their features.

    `templates` (N, n_contacts, n_t) float32 µV, or (N, n_steps, n_contacts, n_t) if the cells drift: an array, or a dataset
    that is read as it is sliced; `features`, a DataFrame with a row per template (see `features_both_ways`). `cells` is a
    DataFrame as well.
    """

    cells: pd.DataFrame
    templates: NDArray[np.float32]
    features: pd.DataFrame

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.templates.shape[1:]))
        return f"<Library: {len(self.templates)} templates ({shape}) of {len(self.cells)} cells, {1 / self.dt:g} kHz>"

    @property
    def dt(self) -> float:
        """The time between samples, ms."""
        return float(self.params["dt"])

    @property
    def cut_out(self) -> tuple[float, float]:
        """The time before and after the peak, ms."""
        before, after = self.params["cut_out"]
        return float(before), float(after)

    @property
    def peak_sample(self) -> int:
        """The sample at which every template has its lowest value."""
        return int(self.cut_out[0] / self.dt + 1e-6)  # a whole number may come out a little smaller

    @property
    def drifting(self) -> bool:
        """True if there are steps along a path."""
        return len(self.templates.shape) == 4

    @property
    def centre(self) -> int:
        """The step that is the pose itself."""
        return int(self.params["drift_centre"]) if self.drifting else 0

    @property
    def positions(self) -> NDArray[np.float64]:
        """The positions of the somata (N, 3) µm, at the centre step if they drift."""
        return self.locations[:, self.centre] if self.drifting else self.locations

    @property
    def displacements(self) -> NDArray[np.float64]:
        """The displacements (N, n_steps, 3) µm of the somata along their paths; one step, zero, if they do not drift."""
        locations = self.locations if self.drifting else self.locations[:, np.newaxis]
        return locations - self.positions[:, np.newaxis]

    @property
    def amplitudes(self) -> NDArray[np.float64]:
        """The amplitudes (N,) µV: how far each template goes below zero."""
        return self.features["amplitude_uV"].to_numpy()

    def to_spikeinterface(self, rows: ArrayLike | None = None) -> Templates:
        """Return templates as SpikeInterface's `Templates`, at the centre step if they drift.

        Parameters
        ----------
        rows : array_like of int, optional
            Which templates; all of them by default. The ids of its units are the rows.
        """
        from spikeinterface.core import Templates

        chosen = np.arange(len(self.locations)) if rows is None else np.asarray(rows, dtype=np.int64).reshape(-1)
        templates = np.ascontiguousarray(self.at_centre(chosen).transpose(0, 2, 1))
        return Templates(templates, 1000 / self.dt, self.peak_sample, unit_ids=chosen, probe=self.probe)

    def at_centre(self, rows: Iterable[int]) -> NDArray[np.float32]:
        """Return some of the templates, (n, n_contacts, n_t) µV, at the centre step if they drift."""
        chosen = [self.templates[row, self.centre] if self.drifting else self.templates[row] for row in rows]
        return np.array(chosen, dtype=np.float32).reshape(len(chosen), *self.templates.shape[-2:])


#: The datasets with one row per template
PER_TEMPLATE = ("templates", *(field.name for field in fields(TemplateRows)))
#: The features of templates as they are, and of filtered ones
ALL_FEATURES = (*FEATURES, *FILTERED_FEATURES)
#: `PER_TEMPLATE` and the features, each a dataset
ROWS = (*PER_TEMPLATE, *(f"features/{name}" for name in ALL_FEATURES))
#: The axes of all datasets; the templates and locations of cells that drift have another one
SHAPES = {
    **dict.fromkeys(ROWS, "templates"),
    "templates": "templates contacts samples",
    "locations": "templates 3",
    "rotations": "templates 3",
    "channel_positions": "contacts 3",
}
DRIFTING_SHAPES = SHAPES | {"templates": "templates steps contacts samples", "locations": "templates steps 3"}


def write_library(
    path: AnyPath,
    templates: Iterable[NDArray[np.float32]],
    rows: TemplateRows,
    info: LibraryInfo,
    *,
    n_samples: int,
    centre: int = 0,
) -> None:
    """Write a library, its templates one after the other, with their features.

    Parameters
    ----------
    path : path
    templates : iterable of numpy.ndarray
        (n_contacts, n_samples) each or, if the cells drift, (n_steps, n_contacts, n_samples); µV.
    rows : TemplateRows
    info : LibraryInfo
    n_samples : int
        The number of samples of a template.
    centre : int
        The step that is the pose itself, if the cells drift.
    """
    from allenrec.waveforms.as_recorded import columns_both_ways  # it has compiled functions, which readers need not load

    n, *steps = rows.locations.shape[:-1]
    positions, dt = info.channel_positions, info.params["dt"]
    drift = {"drifting": True, "drift_centre": centre, "drift_steps": steps[0]} if steps else {"drifting": False}
    # Without any template, the columns of the features are written all the same
    features = [columns_both_ways(np.zeros((0, len(positions), n_samples), np.float32), positions, dt)]
    with hdf5_written_beside(path) as file:
        dataset = create_rows(file, "templates", (n, *steps, len(positions), n_samples), np.dtype(np.float32))
        for name in ("locations", "rotations"):
            require_finite(f"{path}: {name}", getattr(rows, name), "each pose needs six numbers")
        for first, block in _in_blocks(templates):
            require_finite(f"{path}: templates", block, "the membrane currents or the distances to contacts are out of range")
            for index in np.ndindex(block.shape[:-2]):
                write_chunk(dataset, (first + index[0], *index[1:], 0, 0), block[index])
            features.append(columns_both_ways(block[:, centre] if steps else block, positions, dt))
        columns = {name: getattr(rows, name) for name in PER_TEMPLATE[1:]}
        columns |= {f"features/{name}": np.concatenate([table[name] for table in features]) for name in ALL_FEATURES}
        for name, values in columns.items():
            create_rows(file, name, values.shape, values.dtype)[...] = values
        write_info(file, replace(info, params=info.params | drift))


def _in_blocks(templates: Iterable[NDArray[np.float32]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield templates joined to blocks of a few megabytes, each with the number of its first one."""
    first, held = 0, []
    for template in templates:
        held.append(template)
        if len(held) * template.nbytes >= BYTES_AT_ONCE:
            yield first, np.stack(held)
            first, held = first + len(held), []
    if held:
        yield first, np.stack(held)


def create_rows(file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> h5py.Dataset:
    """Create a dataset with a row per template; templates are compressed, with one (or one of its steps) in each chunk."""
    dtype = TEXT if dtype.kind == "O" else dtype
    if name == "templates" and 0 not in shape:
        chunks = (*(1 for _ in shape[:-2]), *shape[-2:])
        return file.create_dataset(name, shape, dtype, chunks=chunks, **COMPRESSION["gzip"])
    return file.create_dataset(name, shape, dtype)


def write_info(file: h5py.File, info: LibraryInfo) -> None:
    """Write the `LibraryInfo` of a library."""
    write_dict(file.require_group("info/params"), info.params)
    write_dict(file.require_group("info/electrodes"), info.electrodes)
    file["channel_positions"] = info.channel_positions
    file["probe"] = layout_to_text(info.probe)
    write_frame(file, "cells", info.cells)
    for name, value in info.provenance.items():
        file.require_group("provenance").attrs[name] = json.dumps(value) if isinstance(value, dict) else value


def _read_info(file: h5py.File) -> LibraryInfo:
    """Read what `write_info` wrote."""
    return LibraryInfo(
        cells=read_frame(file["cells"]),
        channel_positions=file["channel_positions"][()],
        probe=layout_from_text(file["probe"].asstr()[()]),
        params=read_dict(file["info/params"]),
        electrodes=read_dict(file["info/electrodes"]),
        provenance={name: _parsed(value) for name, value in file["provenance"].attrs.items()},
    )


def _parsed(value: Any) -> Any:
    """Return an attribute; text that holds a JSON object becomes a dict."""
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


def require_identity(path: AnyPath, info: LibraryInfo, library: str | None, model: str | None) -> None:
    """Raise `DamagedFile` if a template file is that of another library, or holds another model; None stands for any.

    Libraries that were made of arrays have no name.
    """
    name = info.provenance.get("library")
    if library is not None and name is not None:
        require_own(path, "template", f"library {name}", f"library {library}")
    if model is not None:
        models = [str(found) for found in info.cells["model_id"]]
        require_own(path, "template", f"model {', '.join(models[:3])}", f"model {model}")


@contextmanager
def _reading(path: AnyPath) -> Iterator[CheckedHdf5]:
    """Open a template file whose datasets have shapes that fit together."""
    with CheckedHdf5(path, "template") as file:
        with file.checked():
            missing = [name for name in (*ROWS, "info/params", "cells", "channel_positions", "probe") if name not in file]
            if missing:
                raise OSError(f"no {missing[0]}")
            check_shapes(file, DRIFTING_SHAPES if len(getattr(file["templates"], "shape", ())) == 4 else SHAPES)
        yield file


def read_library(path: AnyPath) -> Library:
    """Read a template library, or the file of one cell, into memory.

    Parameters
    ----------
    path : path
        A file that `write_library` or `concatenate_libraries` wrote.

    Returns
    -------
    Library

    Raises
    ------
    UserError
        If the file is missing, cut short or of another kind.

    Examples
    --------
    >>> import allenrec
    >>> library = allenrec.read_library("results/libraries/neuronexus/templates.h5")  # doctest: +SKIP
    >>> library.templates.shape, library.features["half_width_ms"].median()  # doctest: +SKIP
    """
    with open_library(path) as library:
        templates = library.templates[()]
        if not is_finite(templates):
            raise not_valid(path, "template", "templates are not finite")
        return replace(library, templates=templates)


@contextmanager
def open_library(path: AnyPath, library: str | None = None, model: str | None = None) -> Iterator[Library]:
    """Open a library as `read_library` does; its templates stay in the file and are read as they are sliced.

    Parameters
    ----------
    path : path
    library, model : str, optional
        The library that the file must be of, and the model if it must be the file of a single cell.

    Raises
    ------
    DamagedFile
        Also if the file is that of another library or model.
    """
    with _reading(path) as file:
        with file.checked():
            rows: dict[str, Any] = {name: read_values(file[name]) for name in PER_TEMPLATE[1:]}
            features, info = read_frame(file["features"])[list(ALL_FEATURES)], _read_info(file)
        require_identity(path, info, library, model)
        yield Library(templates=file["templates"], features=features, **rows, **vars(info))


def read_info(path: AnyPath) -> tuple[tuple[int, ...], LibraryInfo]:
    """Return the shape of the templates of a file, and the `LibraryInfo`."""
    with _reading(path) as file, file.checked():
        return file["templates"].shape, _read_info(file)


def read_pieces(path: AnyPath) -> Iterator[tuple[str, tuple[int, ...], NDArray[Any] | bytes]]:
    """Yield the datasets with a row per template in pieces: name, where the piece begins, and values.

    Of templates that are compressed as `create_rows` says, the pieces are chunks as they are stored. Their bytes are checked
    by the checksums of the file as all others.
    """
    with _reading(path) as file, file.checked():
        for name in ROWS:
            dataset = file[name]
            if name == "templates" and _is_compressed_as_usual(dataset):
                for index in np.ndindex(*dataset.shape[:-2]):
                    offset = (*index, 0, 0)
                    yield name, offset, dataset.id.read_direct_chunk(offset)[1]
                continue
            at_once = max(1, BYTES_AT_ONCE // max(1, dataset.dtype.itemsize * math.prod(dataset.shape[1:])))
            for start in range(0, len(dataset), at_once):
                yield name, (start,), dataset[start : start + at_once]


def _is_compressed_as_usual(templates: h5py.Dataset) -> bool:
    """Return whether each template, or each step of it, is a chunk, and all are compressed as `create_rows` says."""
    shape = templates.shape
    usual = templates.chunks == (*(1 for _ in shape[:-2]), *shape[-2:]) and all(
        getattr(templates, name) == value for name, value in COMPRESSION["gzip"].items()
    )
    return usual and templates.id.get_num_chunks() == math.prod(shape[:-2])


def poses_of(path: AnyPath, library: str | None = None, model: str | None = None) -> tuple[Poses, NDArray[np.float64]]:
    """Return the `Poses` of a library, or of the file of one cell, and the displacements (n, n_steps, 3) µm of its paths.

    Parameters and errors are those of `open_library`.
    """
    from .poses import Poses  # it has compiled functions, which readers of libraries need not load

    with open_library(path, library, model) as found:
        return Poses(positions=found.positions, rotations=found.rotations, spikes=found.spike_indices), found.displacements

"""Template libraries: written a cell at a time, joined, and read. The layout is MEArec's, with extras of ours."""

import json
import math
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import probeinterface

from allenrec.common.errors import DamagedFile, UserError
from allenrec.common.files import written_beside
from allenrec.common.hdf5 import (
    TEXT,
    check_shapes,
    hdf5_written_beside,
    read_dict,
    read_frame,
    read_values,
    write_dict,
    write_frame,
)
from allenrec.probes import layout_from_text, layout_to_text

from .poses import Poses
from .waveform_features import FEATURES, waveform_features

#: Datasets with one row a template
PER_TEMPLATE = ("templates", "locations", "rotations", "celltypes", "model_ids", "spike_indices", "candidates")
#: The same with the features, each a dataset
ROWS = (*PER_TEMPLATE, *(f"features/{name}" for name in FEATURES))
#: Axes of all datasets; the templates and locations of cells that drift have another one
SHAPES = {
    "templates": "templates contacts samples",
    "locations": "templates 3",
    "rotations": "templates 3",
    "channel_positions": "contacts 3",
}
SHAPES = dict.fromkeys(ROWS, "templates") | SHAPES
DRIFTING_SHAPES = SHAPES | {"templates": "templates steps contacts samples", "locations": "templates steps 3"}
#: How much of the templates is held while they are written or joined, bytes
BYTES_AT_ONCE = 8 * 2**20


@dataclass(frozen=True)
class Library:
    """A template library.

    `templates` (N, n_contacts, n_t) float32 µV and `locations` (N, 3) µm; or (N, n_steps, n_contacts, n_t) and (N, n_steps, 3)
    if the cells drift. `rotations` (N, 3) rad; `celltypes`, `model_ids` (N,) text; `spike_indices`, -1 for a mean spike,
    `candidates` (N,); `features`, a DataFrame with a row a template (see `waveform_features`); `channel_positions`
    (n_contacts, 3) µm; `probe`, its exact contacts in their plane; `cells`, a DataFrame with a row a model; `params` and
    `electrodes`, MEArec's `info`; `provenance`, a dict.
    """

    templates: np.ndarray
    locations: np.ndarray
    rotations: np.ndarray
    celltypes: np.ndarray
    model_ids: np.ndarray
    spike_indices: np.ndarray
    candidates: np.ndarray
    features: pd.DataFrame
    channel_positions: np.ndarray
    probe: probeinterface.Probe
    cells: pd.DataFrame
    params: dict
    electrodes: dict
    provenance: dict

    @property
    def dt(self):
        """ms between samples."""
        return float(self.params["dt"])

    @property
    def cut_out(self):
        """ms before and after the peak."""
        return tuple(float(t) for t in self.params["cut_out"])

    @property
    def peak_sample(self):
        """The sample at which every template has its lowest value."""
        return int(self.cut_out[0] / self.dt)

    @property
    def drifting(self):
        """Whether there are steps along a path."""
        return len(self.templates.shape) == 4

    @property
    def centre(self):
        """Which step is the pose itself."""
        return int(self.params["drift_centre"]) if self.drifting else 0

    @property
    def positions(self):
        """(N, 3) µm: of the somata; at the centre step if they drift."""
        return self.locations[:, self.centre] if self.drifting else self.locations

    def at_centre(self, rows):
        """Return some of the templates, (n, n_contacts, n_t) µV; at the centre step if they drift."""
        chosen = [self.templates[row, self.centre] if self.drifting else self.templates[row] for row in rows]
        return np.array(chosen, dtype=np.float32).reshape(len(chosen), *self.templates.shape[-2:])

    @property
    def amplitudes(self):
        """(N,) µV: how far each template goes below zero."""
        return self.features["amplitude_uV"].to_numpy()


def write_library(path, templates, rows, cells, *, shape, probe, params, provenance, centre=0):
    """Write a library, its templates one after the other.

    Parameters
    ----------
    path : path
    templates : iterable of numpy.ndarray
        (n_contacts, n_t) each or, if the cells drift, (n_steps, n_contacts, n_t); µV.
    rows : dict
        Those of `PER_TEMPLATE` but the templates: arrays with a row a template.
    cells : pandas.DataFrame
        A row a model, with all metadata; `model_id` and `cell_type` are needed.
    shape : tuple
        Of all templates.
    probe : Probe
    params : dict
        What the templates were made with, in MEArec's names; `dt` and `cut_out` (ms) are needed.
    provenance : dict
        Text and dicts.
    centre : int
        Of cells that drift, which step is the pose itself.
    """
    drifting, n_t = len(shape) == 4, shape[-1]
    params = params | ({"drifting": True, "drift_centre": centre, "drift_steps": shape[1]} if drifting else {"drifting": False})
    # Of no templates, so that there are columns in any case
    features = [waveform_features(np.zeros((0, probe.n_contacts, n_t), np.float32), probe.positions, params["dt"])]
    with hdf5_written_beside(path) as file:
        dataset = _create(file, "templates", shape, np.dtype(np.float32))
        for first, block in _in_blocks(templates):
            dataset[first : first + len(block)] = block
            features.append(waveform_features(block[:, centre] if drifting else block, probe.positions, params["dt"]))
        features = {f"features/{name}": np.concatenate([table[name] for table in features]) for name in FEATURES}
        for name, values in (rows | features).items():
            _create(file, name, values.shape, values.dtype)[...] = values
        _write_common(file, cells, probe.positions, probe.layout, params, probe.info, provenance)


def library_from_arrays(
    path, templates, locations, cell_types, probe, *, dt, cut_out, rotations=None, model_ids=None, cells=None, centre=0
):
    """Write a library of templates that come from elsewhere.

    Parameters
    ----------
    path : path
    templates : numpy.ndarray
        (N, n_contacts, n_t) µV, or (N, n_steps, n_contacts, n_t) of cells that drift. The lowest value of each lies
        `cut_out[0]` after its start.
    locations : numpy.ndarray
        (N, 3) or (N, n_steps, 3) µm, of the somata.
    cell_types : sequence of str
        (N,)
    probe : Probe
        As `allenrec.probes.load_probe` returns it.
    dt : float
        ms between samples.
    cut_out : (float, float)
        ms before and after the lowest value.
    rotations : numpy.ndarray, optional
        (N, 3) rad.
    model_ids : sequence of str, optional
        (N,), which neuron each template is of; by default each is one of its own.
    cells : pandas.DataFrame, optional
        What else is known of each `model_id`.
    centre : int
        Of cells that drift, which step is the pose itself.

    Raises
    ------
    UserError
        If the arrays do not fit together.
    """
    templates, locations = np.asarray(templates, dtype=np.float32), np.asarray(locations, dtype=float)
    n, n_t = len(templates), round(cut_out[0] / dt) + round(cut_out[1] / dt)
    model_ids = np.array([str(k) for k in range(n)] if model_ids is None else list(map(str, model_ids)), dtype=object)
    rows = {
        "locations": locations,
        "rotations": np.zeros((n, 3)) if rotations is None else np.asarray(rotations, dtype=float),
        "celltypes": np.array(list(cell_types), dtype=object),
        "model_ids": model_ids,
        "spike_indices": np.full(n, -1),
        "candidates": np.ones(n, dtype=np.int64),
    }
    steps = templates.shape[1:2] if templates.ndim == 4 else ()
    expected = {"templates": (n, *steps, probe.n_contacts, n_t), "locations": (n, *steps, 3), "rotations": (n, 3)}
    for name, values in (rows | {"templates": templates}).items():
        if values.shape != expected.get(name, (n,)):
            raise UserError(f"{path}: {name} have the shape {values.shape}, not {expected.get(name, (n,))}")
    known, first = np.unique(model_ids, return_index=True)
    table = pd.DataFrame({"model_id": known, "cell_type": rows["celltypes"][first]}).iloc[np.argsort(first)]
    if cells is not None:
        table = table.merge(cells.drop(columns="cell_type", errors="ignore"), on="model_id", how="left").fillna("")
    counts = table["model_id"].map(pd.Series(model_ids).value_counts()).to_numpy()
    table = table.assign(n_templates=counts, n_candidates=counts, acceptance_rate=1.0)
    write_library(
        path,
        templates,
        rows,
        table,
        shape=templates.shape,
        probe=probe,
        params={"dt": dt, "cut_out": list(cut_out), "n": int(counts.max(initial=0)), "probe": probe.name},
        provenance={"digests": {}, "versions": {}},
        centre=centre,
    )


def _in_blocks(templates):
    """Yield templates joined to blocks of a few megabytes, each with the number of its first one."""
    first, held = 0, []
    for template in templates:
        held.append(template)
        if len(held) * template.nbytes >= BYTES_AT_ONCE:
            yield first, np.stack(held)
            first, held = first + len(held), []
    if held:
        yield first, np.stack(held)


def _create(file, name, shape, dtype):
    """Create a dataset with a row a template; templates compressed, one (or one of its steps) a chunk."""
    dtype = TEXT if dtype.kind == "O" else dtype
    if name == "templates" and 0 not in shape:
        chunks = (*(1 for _ in shape[:-2]), *shape[-2:])
        return file.create_dataset(name, shape, dtype, chunks=chunks, compression="gzip", compression_opts=4, shuffle=True)
    return file.create_dataset(name, shape, dtype)


def _write_common(file, cells, channel_positions, probe, params, electrodes, provenance):
    write_dict(file.require_group("info/params"), params)
    write_dict(file.require_group("info/electrodes"), electrodes)
    file["channel_positions"] = channel_positions
    file["probe"] = layout_to_text(probe)
    write_frame(file, "cells", cells)
    for name, value in provenance.items():
        file.require_group("provenance").attrs[name] = json.dumps(value) if isinstance(value, dict) else value


def _read_common(file):
    """Read back what `_write_common` wrote."""
    return {
        "cells": read_frame(file["cells"]),
        "channel_positions": file["channel_positions"][()],
        "probe": layout_from_text(file["probe"].asstr()[()]),
        "params": read_dict(file["info/params"]),
        "electrodes": read_dict(file["info/electrodes"]),
        "provenance": {name: _parsed(value) for name, value in file["provenance"].attrs.items()},
    }


def _parsed(value):
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


def _read_features(file):
    return read_frame(file["features"])[list(FEATURES)]


def concatenate_libraries(paths, path, *, exclude_flagged=False):
    """Join the files of single cells, in their order, into one library.

    One file is open at a time and its templates are copied in blocks, so the memory needed does not grow with the library.

    Parameters
    ----------
    paths : list of path
    path : path
    exclude_flagged : bool
        Whether models that are flagged (see `allenrec.models.recorded_sweeps.flags`) are left out.

    Returns
    -------
    str
        How many templates each model gave and what is wrong with it, for people.

    Raises
    ------
    UserError
        If there is no template at all, or a file is unsound or belongs to another probe or setting.
    """
    found = [(part, *_shape_and_common(part)) for part in map(Path, paths)]
    outcome = [_outcome(common, exclude_flagged) for _, _, common in found]
    found = [row for row in found if not (exclude_flagged and _flags(row[2]))]
    if not found:
        raise UserError(f"{path}: every model is flagged; set models.exclude_flagged to false to use them nevertheless")
    paths, shapes, parts = zip(*found, strict=True)
    for part_path, shape in zip(paths, shapes, strict=True):
        if shape[1:] != shapes[0][1:]:
            raise DamagedFile(f"{part_path} has templates of another shape than {paths[0]}; delete it and run again")
    total = sum(shape[0] for shape in shapes)
    if not total:
        raise UserError(f"{path}: no cell gave a template; widen the limits or lower min_amp in `libraries`")
    joined = parts[0] | {
        "cells": pd.concat([part["cells"] for part in parts], ignore_index=True).fillna(""),
        "provenance": parts[0]["provenance"]
        | {"digests": {part["cells"]["model_id"][0]: part["provenance"]["digests"] for part in parts}},
    }
    row = 0
    with hdf5_written_beside(path) as file:
        for part_path, shape in zip(paths, shapes, strict=True):
            for name, start, block in _blocks(part_path):
                if name not in file:
                    _create(file, name, (total, *block.shape[1:]), block.dtype)
                file[name][row + start : row + start + len(block)] = block
            file.raise_fault()
            row += shape[0]
        _write_common(file, **joined)
    return "\n".join(outcome)


def _shape_and_common(path):
    with _reading(path) as file:
        return file["templates"].shape, _read_common(file)


def _blocks(path):
    """Yield the datasets with a row a template in blocks: name, first row, values."""
    with _reading(path) as file:
        for name in ROWS:
            at_once = max(1, BYTES_AT_ONCE // max(1, file[name].dtype.itemsize * math.prod(file[name].shape[1:])))
            for start in range(0, len(file[name]), at_once):
                yield name, start, file[name][start : start + at_once]


def _flags(common):
    """What is wrong with the model of a file of one cell, "" if nothing is known to be."""
    return common["cells"]["flags"][0] if "flags" in common["cells"] else ""


def _outcome(common, exclude_flagged):
    cell, wanted, flags = common["cells"].iloc[0], int(common["params"]["n"]), _flags(common)
    shortfall = f", {wanted - cell.n_templates} fewer than asked for" if cell.n_templates < wanted else ""
    flagged = f"; flagged: {flags}{', so left out (models.exclude_flagged)' if exclude_flagged else ''}" if flags else ""
    return f"model {cell.model_id} ({cell.cell_type}): {cell.n_templates} templates{shortfall}{flagged}"


@contextmanager
def _reading(path):
    """Open a template file; what is wrong with it, now or when it is read, is said in a line."""
    try:
        with h5py.File(path, "r") as file:
            missing = [name for name in (*ROWS, "info/params", "cells", "channel_positions", "probe") if name not in file]
            if missing:
                raise OSError(f"no {missing[0]}")
            check_shapes(file, DRIFTING_SHAPES if len(getattr(file["templates"], "shape", ())) == 4 else SHAPES)
            yield file
    except (OSError, KeyError) as error:
        if getattr(error, "filename", None) not in (None, str(path)):
            raise  # of another file, such as one that is being written meanwhile
        raise DamagedFile(f"{path} is not a sound template file ({error}); delete it and run again") from None


def read_library(path):
    """Read a template library, or the file of one cell, into memory.

    Returns
    -------
    Library

    Raises
    ------
    UserError
        If the file is missing, cut short or of another kind.
    """
    with open_library(path) as library:
        return replace(library, templates=library.templates[()])


@contextmanager
def open_library(path):
    """Open a library as `read_library` does; its templates stay in the file and are read as they are sliced."""
    with _reading(path) as file:
        rows = {name: read_values(file[name]) for name in PER_TEMPLATE if name != "templates"}
        yield Library(templates=file["templates"], **rows, features=_read_features(file), **_read_common(file))


def poses_of(path):
    """Return the `Poses` of a library file, or of one cell, and the displacements (n, n_steps, 3) µm of its paths.

    Raises
    ------
    UserError
        If the file is missing, cut short or of another kind.
    """
    with _reading(path) as file:
        locations = file["locations"][()]
        centre = int(file["info/params/drift_centre"][()]) if locations.ndim == 3 else 0
        along = locations if locations.ndim == 3 else locations[:, np.newaxis]
        positions = along[:, centre]
        poses = Poses(positions=positions, rotations=file["rotations"][()], spikes=file["spike_indices"][()])
        return poses, along - positions[:, np.newaxis]


def template_table(path):
    """Return what a library file, or the file of one cell, says about its templates; the templates themselves are not read.

    Returns
    -------
    pandas.DataFrame
        A row a template: its cell, pose, distance (µm) from the soma to the nearest contact, features
        (see `waveform_features`), and the metadata of the cell.

    Raises
    ------
    UserError
        If the file is missing, cut short or of another kind.
    """
    with _reading(path) as file:
        locations, rotations, contacts = (file[name][()] for name in ("locations", "rotations", "channel_positions"))
        if locations.ndim == 3:
            locations = locations[:, file["info/params/drift_centre"][()]]
        cells = read_frame(file["cells"])
        own = pd.DataFrame(
            {
                "template": np.arange(len(locations)),
                "model_id": read_values(file["model_ids"]),
                "x_um": locations[:, 0],
                "y_um": locations[:, 1],
                "z_um": locations[:, 2],
                "rotation_x_rad": rotations[:, 0],
                "rotation_y_rad": rotations[:, 1],
                "rotation_z_rad": rotations[:, 2],
                "spike_index": file["spike_indices"][()],
                "candidates": file["candidates"][()],
                "distance_um": [np.linalg.norm(contacts - location, axis=1).min() for location in locations],
            }
        ).join(_read_features(file))
    known = [c for c in cells if c not in own and c not in ("n_templates", "n_candidates", "acceptance_rate")]
    return own.merge(cells[["model_id", *known]], on="model_id", how="left", validate="many_to_one")


def write_table(path, table):
    """Write a DataFrame as CSV, whole or not at all."""
    with written_beside(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")

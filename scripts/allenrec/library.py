"""Template libraries: written a cell at a time, joined, and read. The layout is MEArec's, with extras of ours."""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import probeinterface

from .errors import UserError
from .features import FEATURES, waveform_features
from .files import written_beside
from .hdf5 import TEXT, read_dict, read_frame, read_values, write_dict, write_frame
from .poses import position_limits
from .probes import layout_from_text, layout_to_text, load_probe
from .templates import sample_templates

#: Datasets with one row a template
PER_TEMPLATE = ("templates", "locations", "rotations", "celltypes", "model_ids", "spike_indices", "candidates")
#: The same with the features, each a dataset
ROWS = (*PER_TEMPLATE, *(f"features/{name}" for name in FEATURES))
#: Of the joined file, how many templates are copied at once
COPIED_AT_ONCE = 64


@dataclass(frozen=True)
class Library:
    """A template library in memory.

    `templates` (N, n_contacts, n_t) float32 µV; `locations` (N, 3) µm; `rotations` (N, 3) rad; `celltypes`, `model_ids` (N,)
    text; `spike_indices`, `candidates` (N,); `features`, a DataFrame with a row a template (see `waveform_features`);
    `channel_positions` (n_contacts, 3) µm; `probe`, its exact contacts in their plane; `cells`, a DataFrame with a row a
    model; `params` and `electrodes`, MEArec's `info`; `provenance`, a dict.
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
    def amplitudes(self):
        """(N,) µV: how far each template goes below zero."""
        return self.features["amplitude_uV"].to_numpy()


def build_cell_library(path, currents, cell, settings, *, name, seed, progress=lambda accepted: None):
    """Sample the templates of one cell on one probe, and write them.

    Parameters
    ----------
    path : path
    currents : allenrec.currents.Currents
    cell : dict
        The row of the cell with all its metadata.
    settings : allenrec.settings.Library
    name : str
        Of the library; with the seed and the model it is the address of all random numbers.
    seed : int
    progress : callable
        Called with 1 for each accepted template.

    Returns
    -------
    str
        What came of it, for people.

    Raises
    ------
    UserError
        If there are fewer than `n` templates and `on_shortfall` is "fail".
    """
    model_id, dt = currents.attributes["model_id"], float(currents.attributes["dt"])
    cut_out = currents.attributes["stimulus"]["cut_out"]
    probe = load_probe(settings.probe, settings.ncontacts)
    image_factor = probe.image_factor(settings.image_factor)
    sampled = sample_templates(
        currents.imem,
        (currents.start, currents.end, currents.diameter),
        probe,
        (seed, "poses", name, model_id),
        n=settings.n,
        limits=position_limits(
            probe.positions, xlim=settings.xlim, ylim=settings.ylim, zlim=settings.zlim, overhang=settings.overhang
        ),
        rot=settings.rot,
        x_distr=settings.x_distr,
        beta_distr_params=settings.beta_distr_params,
        min_amp=settings.min_amp,
        check_eap_shape=settings.check_eap_shape,
        max_iterations=settings.max_iterations,
        sigma=settings.sigma,
        source=settings.source,
        image_factor=image_factor,
        peak_sample=int(cut_out[0] / dt),
        progress=progress,
    )
    outcome = (
        f"model {model_id}: {len(sampled.templates)} of {settings.n} templates from {sampled.n_candidates} poses "
        f"({sampled.acceptance_rate:.2%} accepted)"
    )
    if len(sampled.templates) < settings.n and settings.on_shortfall == "fail":
        raise UserError(
            f"{outcome}; lower libraries.{name}.min_amp, bring xlim nearer, raise max_iterations, or set on_shortfall: take"
        )
    write_cell_library(
        path,
        sampled,
        waveform_features(sampled.templates, probe.positions, dt),
        cell,
        probe=probe,
        params=settings.model_dump()
        | {
            "dt": dt,
            "cut_out": cut_out,
            "image_factor": image_factor,
            "seed": seed,
            "drifting": False,
            "cell_models_folder": "allen_models",
            "templates_folder": "results/libraries",
        },
        provenance={
            "config": settings.model_dump(mode="json"),
            "digests": currents.attributes["digests"],
            "versions": currents.attributes["versions"]
            | {package: version(package) for package in ("numpy", "numba", "scipy", "h5py", "MEAutility", "probeinterface")},
            "seed": seed,
        },
    )
    return outcome


def write_cell_library(path, sampled, features, cell, *, probe, params, provenance):
    """Write the templates of one cell.

    Parameters
    ----------
    path : path
    sampled : Templates
    features : pandas.DataFrame
        Of the templates, as `waveform_features` returns them.
    cell : dict
        The row of the cell with all its metadata; `model_id` and `cell_type` are needed.
    probe : Probe
    params : dict
        What the templates were made with, in MEArec's names; `dt` and `cut_out` (ms) are needed.
    provenance : dict
        Text and dicts.
    """
    n = len(sampled.templates)
    cell = cell | {
        "n_templates": n,
        "n_candidates": sampled.n_candidates,
        "acceptance_rate": sampled.acceptance_rate,
    }
    rows = {
        "templates": sampled.templates,
        "locations": sampled.locations,
        "rotations": sampled.rotations,
        "celltypes": np.full(n, cell["cell_type"], dtype=object),
        "model_ids": np.full(n, cell["model_id"], dtype=object),
        "spike_indices": sampled.spike_indices,
        "candidates": sampled.candidates,
        **{f"features/{name}": features[name].to_numpy() for name in FEATURES},
    }
    with written_beside(path) as temporary, h5py.File(temporary, "w") as file:
        for name, values in rows.items():
            _create(file, name, values.shape, values.dtype)[...] = values
        _write_common(file, pd.DataFrame([cell]), probe.positions, probe.layout, params, probe.info, provenance)


def _create(file, name, shape, dtype):
    """Create a dataset with a row a template; templates compressed, one a chunk."""
    dtype = TEXT if dtype.kind == "O" else dtype
    if name == "templates" and 0 not in shape:
        return file.create_dataset(
            name, shape, dtype, chunks=(1, *shape[1:]), compression="gzip", compression_opts=4, shuffle=True
        )
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
        Whether models that are flagged (see `allenrec.recorded.flags`) are left out.

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
            raise UserError(f"{part_path} has templates of another shape than {paths[0]}; delete it and run again")
    total = sum(shape[0] for shape in shapes)
    if not total:
        raise UserError(f"{path}: no cell gave a template; widen the limits or lower min_amp in `libraries`")
    joined = parts[0] | {
        "cells": pd.concat([part["cells"] for part in parts], ignore_index=True).fillna(""),
        "provenance": parts[0]["provenance"]
        | {"digests": {part["cells"]["model_id"][0]: part["provenance"]["digests"] for part in parts}},
    }
    row = 0
    with written_beside(path) as temporary, h5py.File(temporary, "w") as file:
        for part_path, shape in zip(paths, shapes, strict=True):
            for name, start, block in _blocks(part_path):
                if name not in file:
                    _create(file, name, (total, *block.shape[1:]), block.dtype)
                file[name][row + start : row + start + len(block)] = block
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
            for start in range(0, len(file[name]), COPIED_AT_ONCE):
                yield name, start, file[name][start : start + COPIED_AT_ONCE]


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
            yield file
    except (OSError, KeyError) as error:
        raise UserError(f"{path} is not a sound template file ({error}); delete it and run again") from None


def read_library(path):
    """Read a template library, or the file of one cell.

    Returns
    -------
    Library

    Raises
    ------
    UserError
        If the file is missing, cut short or of another kind.
    """
    with _reading(path) as file:
        rows = {name: read_values(file[name]) for name in PER_TEMPLATE}
        return Library(**rows, features=_read_features(file), **_read_common(file))


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

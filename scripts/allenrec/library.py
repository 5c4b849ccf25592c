"""Template libraries: written a cell at a time, joined, and read. The layout is MEArec's, with extras of ours."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import probeinterface

from .errors import UserError
from .files import written_beside
from .hdf5 import TEXT, read_dict, read_frame, read_values, write_dict, write_frame
from .poses import position_limits
from .probes import layout_from_text, layout_to_text, load_probe
from .templates import sample_templates

#: Datasets with one row a template
PER_TEMPLATE = ("templates", "locations", "rotations", "celltypes", "model_ids", "spike_indices", "candidates")
#: Of the joined file, how many templates are copied at once
COPIED_AT_ONCE = 64


@dataclass(frozen=True)
class Library:
    """A template library in memory.

    `templates` (N, n_contacts, n_t) float32 µV; `locations` (N, 3) µm; `rotations` (N, 3) rad; `celltypes`, `model_ids` (N,)
    text; `spike_indices`, `candidates` (N,); `channel_positions` (n_contacts, 3) µm; `probe`, its exact contacts in their
    plane; `cells`, a DataFrame with a row a model; `params` and `electrodes`, MEArec's `info`; `provenance`, a dict.
    """

    templates: np.ndarray
    locations: np.ndarray
    rotations: np.ndarray
    celltypes: np.ndarray
    model_ids: np.ndarray
    spike_indices: np.ndarray
    candidates: np.ndarray
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
        return -self.templates.min(axis=(1, 2)) if len(self.templates) else np.zeros(0)


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


def write_cell_library(path, sampled, cell, *, probe, params, provenance):
    """Write the templates of one cell.

    Parameters
    ----------
    path : path
    sampled : Templates
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
    }
    with written_beside(path) as temporary, h5py.File(temporary, "w") as file:
        for name, values in rows.items():
            _create(file, name, values.shape, values.dtype)[...] = values
        layout = layout_to_text(probe.layout)
        _write_common(file, pd.DataFrame([cell]), probe.positions, layout, params, probe.info, provenance)


def _create(file, name, shape, dtype):
    """Create a dataset with a row a template; templates compressed, one a chunk."""
    dtype = TEXT if dtype.kind == "O" else dtype
    if name == "templates" and 0 not in shape:
        return file.create_dataset(
            name, shape, dtype, chunks=(1, *shape[1:]), compression="gzip", compression_opts=4, shuffle=True
        )
    return file.create_dataset(name, shape, dtype)


def _write_common(file, cells, channel_positions, layout, params, electrodes, provenance):
    write_dict(file.require_group("info/params"), params)
    write_dict(file.require_group("info/electrodes"), electrodes)
    file["channel_positions"] = channel_positions
    file["probe"] = layout
    write_frame(file, "cells", cells)
    for name, value in provenance.items():
        file.require_group("provenance").attrs[name] = json.dumps(value) if isinstance(value, dict) else value


def concatenate_libraries(paths, path):
    """Join the files of single cells, in their order, into one library.

    The templates are copied in blocks, so the memory needed does not grow with the library.

    Raises
    ------
    UserError
        If there is no template at all, or a file is unsound or belongs to another probe or setting.
    """
    paths = [Path(p) for p in paths]
    parts = [_open(p) for p in paths]
    try:
        counts = [len(part["templates"]) for part in parts]
        if not sum(counts):
            raise UserError(f"{path}: no cell gave a template; widen the limits or lower min_amp in `libraries`")
        for part, part_path in zip(parts, paths, strict=True):
            if part["templates"].shape[1:] != parts[0]["templates"].shape[1:]:
                raise UserError(f"{part_path} has templates of another shape than {paths[0]}; delete it and run again")
        with written_beside(path) as temporary, h5py.File(temporary, "w") as file:
            for name in PER_TEMPLATE:
                first = parts[0][name]
                target = _create(file, name, (sum(counts), *first.shape[1:]), first.dtype)
                row = 0
                for part in parts:
                    for start in range(0, len(part[name]), COPIED_AT_ONCE):
                        block = part[name][start : start + COPIED_AT_ONCE]
                        target[row : row + len(block)] = block
                        row += len(block)
            first = parts[0]
            _write_common(
                file,
                pd.concat([read_frame(part["cells"]) for part in parts], ignore_index=True).fillna(""),
                first["channel_positions"][()],
                first["probe"].asstr()[()],
                read_dict(first["info/params"]),
                read_dict(first["info/electrodes"]),
                _joined_provenance(parts),
            )
    finally:
        for part in parts:
            part.close()


def _joined_provenance(parts):
    """What is the same in all parts as it is; the digests by model."""
    joined = {name: _parsed(value) for name, value in parts[0]["provenance"].attrs.items()}
    joined["digests"] = {part["cells/model_id"].asstr()[0]: _parsed(part["provenance"].attrs["digests"]) for part in parts}
    return joined


def _parsed(value):
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


def _open(path):
    try:
        file = h5py.File(path, "r")
        missing = [name for name in (*PER_TEMPLATE, "info/params", "cells", "channel_positions", "probe") if name not in file]
        if missing:
            file.close()
            raise OSError(f"no {missing[0]}")
        return file
    except OSError as error:
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
    with _open(path) as file:
        try:
            return Library(
                **{name: read_values(file[name]) for name in PER_TEMPLATE},
                channel_positions=file["channel_positions"][()],
                probe=layout_from_text(file["probe"].asstr()[()]),
                cells=read_frame(file["cells"]),
                params=read_dict(file["info/params"]),
                electrodes=read_dict(file["info/electrodes"]),
                provenance={name: _parsed(value) for name, value in file["provenance"].attrs.items()},
            )
        except (OSError, KeyError) as error:
            raise UserError(f"{path} is not a sound template file ({error}); delete it and run again") from None


def template_table(library):
    """Return a DataFrame with a row a template: its cell and metadata, pose, amplitude (µV), loudest contact and the distance
    (µm) from the soma to the nearest contact."""
    distance = np.linalg.norm(library.locations[:, np.newaxis] - library.channel_positions, axis=2).min(axis=1)
    own = pd.DataFrame(
        {
            "template": np.arange(len(library.templates)),
            "model_id": library.model_ids,
            "x_um": library.locations[:, 0],
            "y_um": library.locations[:, 1],
            "z_um": library.locations[:, 2],
            "rotation_x_rad": library.rotations[:, 0],
            "rotation_y_rad": library.rotations[:, 1],
            "rotation_z_rad": library.rotations[:, 2],
            "spike_index": library.spike_indices,
            "candidates": library.candidates,
            "amplitude_uV": library.amplitudes,
            "peak_contact": library.templates.min(axis=2).argmin(axis=1),
            "distance_um": distance,
        }
    )
    of_the_cell = library.cells.drop(columns=["n_templates", "n_candidates", "acceptance_rate"], errors="ignore")
    return own.merge(of_the_cell, on="model_id", how="left", validate="many_to_one")


def write_table(path, table):
    """Write a DataFrame as CSV, whole or not at all."""
    with written_beside(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")

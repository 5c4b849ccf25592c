"""Templates that others have written: zarr folders of SpikeInterface's `Templates`, and template files of MEArec."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allenrec.common.errors import UserError
from allenrec.common.foreign_code import decode_zarr_with_care
from allenrec.common.hdf5 import read_dict, read_values
from allenrec.common.processes import describe_exception
from allenrec.probes import (
    PLANES,
    Probe,
    as_probe,
    layout_from_text,
    load_probe,
    probe_from_layout,
    probe_from_meautility,
)

if TYPE_CHECKING:
    from allenrec.common.files import AnyPath


#: Distance from the contact where a template is largest up to which its amplitudes are fitted, µm; SpikeInterface's default
RADIUS = 75.0
#: The lowest and the highest sampling rate of templates, Hz
SLOWEST, FASTEST = 1000.0, 1e6
#: What readers of HDF5 and the code here raise for files of another kind, and for damaged ones
MALFORMED = (OSError, KeyError, IndexError, ValueError, TypeError, AttributeError, ArithmeticError, RuntimeError)


@dataclass(frozen=True)
class FoundTemplates:
    """Templates from a file of others.

    `values` (N, n_contacts, n_t) float32 µV, or (N, n_steps, n_contacts, n_t) if they have steps along a path; `locations`
    (N, 3) or (N, n_steps, 3) µm; `rotations` (N, 3) rad; `cell_types` (N,) text; `names` (N,) text, the id of each; `dt` ms
    between samples; `before`, the number of samples before the spike; `columns`, a table with whatever else there is of each.
    Where a file does not say something, it is None.
    """

    values: NDArray[np.float32]
    locations: NDArray[np.float64] | None
    rotations: NDArray[np.float64] | None
    cell_types: NDArray[np.object_] | None
    names: NDArray[np.object_]
    dt: float
    before: int
    probe: Probe
    columns: pd.DataFrame


def read_templates(path: AnyPath, probe: str | None = None) -> FoundTemplates:
    """Read the templates in a zarr folder of SpikeInterface or in a file of MEArec.

    Parameters
    ----------
    path : path
    probe : str, optional
        The name of the probe, or its file, to use instead of that of the templates.

    Returns
    -------
    FoundTemplates

    Raises
    ------
    UserError
        If they cannot be read, are not in µV, have no probe, or do not fit it.
    """
    own = load_probe(probe, 1) if probe is not None else None
    found = _from_zarr(path, own) if Path(path).is_dir() else _from_mearec(path, own)
    _require_rows(path, found)
    n_samples, n_contacts = found.values.shape[-1], found.values.shape[-2]
    if found.probe.n_contacts != n_contacts:
        raise UserError(f"{path}: templates on {n_contacts} channels, but the probe has {found.probe.n_contacts} contacts")
    if not len(found.values):
        raise UserError(f"{path}: there is no template in it")
    if not 0 < found.before < n_samples:
        raise UserError(f"{path}: {found.before} samples before the spike, which must lie within the {n_samples} samples")
    if not np.isfinite(found.values).all():
        raise UserError(f"{path}: templates have numbers that are not finite")
    if not found.values.any(axis=tuple(range(1, found.values.ndim))).all():
        raise UserError(f"{path}: a template has zeros only; is a part of the file missing?")
    return found


def _require_rows(path: AnyPath, found: FoundTemplates) -> None:
    """Refuse templates of another shape, and what is not there once for each of them, or is not finite."""
    if found.values.ndim not in (3, 4):
        raise UserError(f"{path}: templates of {found.values.ndim} dimensions; they must have 3, or 4 with steps along paths")
    n, *steps = found.values.shape[:-2]
    for name, values, shape in (
        ("locations", found.locations, (n, *steps, 3)),
        ("rotations", found.rotations, (n, 3)),
        ("cell types", found.cell_types, (n,)),
        ("names", found.names, (n,)),
    ):
        if values is not None and values.shape != shape:
            raise UserError(f"{path}: {name} of shape {values.shape}, but the templates need {shape}")
        if values is not None and values.dtype.kind == "f" and not np.isfinite(values).all():
            raise UserError(f"{path}: {name} have numbers that are not finite")


def _from_zarr(path: AnyPath, probe: Probe | None) -> FoundTemplates:
    """Read a zarr folder of SpikeInterface's `Templates`, dense or sparse. Positions are not in it."""
    from spikeinterface.core import Templates

    try:
        decode_zarr_with_care()
        templates = Templates.from_zarr(path)
        columns = _columns_in_zarr(path, templates.num_units)
    except Exception as error:  # zarr and SpikeInterface raise many kinds for damaged folders
        raise UserError(f"{path}: cannot be read as SpikeInterface's Templates: {describe_exception(error)}") from None
    if not templates.is_in_uV:
        raise UserError(f"{path}: templates are in counts of an ADC (is_in_uV is false); multiply them by the gain first")
    fs = _sampling_rate(path, templates.sampling_frequency)
    if probe is None:
        if templates.probe is None:
            raise UserError(f"{path}: templates have no probe; name one with `probe`")
        probe = as_probe(templates.probe, 1)
    return FoundTemplates(
        values=np.ascontiguousarray(templates.get_dense_templates().transpose(0, 2, 1), dtype=np.float32),
        locations=None,
        rotations=None,
        cell_types=None,
        names=np.array([str(unit) for unit in templates.unit_ids], dtype=object),
        dt=1000 / fs,
        before=int(templates.nbefore),
        probe=probe,
        columns=columns,
    )


def _sampling_rate(path: AnyPath, value: Any) -> float:
    """Return the sampling rate of templates, Hz; refuse one that no recording has."""
    fs = float(value)
    if not SLOWEST <= fs <= FASTEST:
        raise UserError(f"{path}: a sampling rate of {fs:g} Hz; it must be between {SLOWEST:g} and {FASTEST:g}")
    return fs


def _columns_in_zarr(path: AnyPath, n: int) -> pd.DataFrame:
    """Return the arrays with a value for each template that lie beside SpikeInterface's, as `brain_area` in its database."""
    import zarr

    group = zarr.open_group(str(path), mode="r")
    own = {"templates_array", "channel_ids", "unit_ids", "sparsity_mask"}
    arrays = {name: array for name, array in group.arrays() if name not in own and array.shape == (n,)}
    return pd.DataFrame({name: array[:] for name, array in sorted(arrays.items())}, index=range(n))


def _from_mearec(path: AnyPath, probe: Probe | None) -> FoundTemplates:
    """Read a template file of MEArec."""
    try:
        with h5py.File(path) as file:
            params, values = read_dict(file["info/params"]), file["templates"][()].astype(np.float32, copy=False)
            (before, _) = params["cut_out"]
            dt = float(params["dt"])
            _sampling_rate(path, 1000 / dt)
            names = read_values(file["model_ids"]) if "model_ids" in file else map(str, range(len(values)))
            return FoundTemplates(
                values=values,
                locations=file["locations"][()].astype(float),
                rotations=file["rotations"][()].astype(float),
                cell_types=read_values(file["celltypes"]).astype(object),
                names=np.array(list(names), dtype=object),
                dt=dt,
                before=int(before / dt + 1e-6),  # as MEArec, but for rounding errors
                probe=probe or _probe_of_mearec(file),
                columns=pd.DataFrame(index=range(len(values))),
            )
    except MALFORMED as error:
        raise UserError(f"{path}: cannot be read as a template file of MEArec: {describe_exception(error)}") from None


def _probe_of_mearec(file: h5py.File) -> Probe:
    """Return the probe of a file of MEArec; a file of ours has its exact contacts as well."""
    electrodes = read_dict(file["info/electrodes"])
    name = str(electrodes["electrode_name"])
    if "probe" not in file:
        return probe_from_meautility(name, _plain(electrodes), 1)
    plane = str(electrodes["plane"])
    (normal,) = {0, 1, 2} - set(PLANES[plane])
    layout, depth = layout_from_text(file["probe"].asstr()[()]), float(file["channel_positions"][0, normal])
    on_plane = electrodes["type"] == "mea"
    return probe_from_layout(name, layout, plane, depth, 1, info={"electrode_name": name}, on_plane=on_plane)


def _plain(electrodes: dict[str, Any]) -> dict[str, Any]:
    """Return MEAutility's description with lists in place of arrays, as in its own files, and without keys that are unset."""
    return {
        key: value.tolist() if isinstance(value, np.ndarray) else value
        for key, value in electrodes.items()
        if value is not None and not (isinstance(value, list | np.ndarray) and len(value) == 0)
    }


def estimate_positions(found: FoundTemplates) -> NDArray[np.float64]:
    """Estimate where the cells are, (N, 3) µm in the frame of the probe, by SpikeInterface's monopolar triangulation.

    Boussard et al. 2021, doi:10.1101/2021.11.05.467503. The peak-to-peak amplitudes within 75 µm of the largest contact are
    fitted with a source in front of the probe. The number of steps along paths must be one.
    """
    from spikeinterface.core import Templates
    from spikeinterface.postprocessing.localization_tools import compute_monopolar_triangulation

    largest = found.probe.positions[np.ptp(found.values, axis=2).argmax(axis=1)]
    near = np.linalg.norm(found.probe.positions - largest[:, np.newaxis], axis=2) <= RADIUS
    samples = np.ascontiguousarray(found.values.transpose(0, 2, 1))
    templates = Templates(samples, 1000 / found.dt, found.before, probe=found.probe.layout)
    # Channels on which a sparse template is not defined say nothing.
    templates = templates.to_sparse(near & found.values.any(axis=2))
    along_x, along_y, away = compute_monopolar_triangulation(templates).T
    return in_frame(found.probe, np.stack([along_x, along_y, np.abs(away)], axis=1))


def in_frame(probe: Probe, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places (n, 3) µm, along the two axes of a probe's plane and in front of it, in the frame of the probe."""
    plane = PLANES[probe.info["plane"]]
    (normal,) = {0, 1, 2} - set(plane)
    placed = np.empty((len(places), 3))
    placed[:, plane] = places[:, :2]
    placed[:, normal] = probe.positions[0, normal] + places[:, 2]
    return placed


def count_contacts(path: AnyPath) -> int:
    """Return the number of channels of templates without reading them; 1 if that cannot be known."""
    try:
        if Path(path).is_dir():
            # The description of an array, in the second and in the third version of zarr
            (description,) = (file for name in (".zarray", "zarr.json") for file in Path(path, "channel_ids").glob(name))
            return int(json.loads(description.read_text())["shape"][0])
        with h5py.File(path) as file:
            return int(file["templates"].shape[-2])
    except (OSError, ValueError, KeyError, TypeError, IndexError):  # the job that reads them says what is wrong
        return 1


def at_centre(found: FoundTemplates) -> FoundTemplates:
    """Return templates without steps along paths: those in the middle of each."""
    if found.values.ndim == 3:
        return found
    centre = found.values.shape[1] // 2
    locations = found.locations[:, centre] if found.locations is not None else None
    return replace(found, values=found.values[:, centre], locations=locations)

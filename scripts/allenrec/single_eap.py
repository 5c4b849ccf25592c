"""The extracellular action potential of one cell at one pose, without a library: `allenrec.eap`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import probeinterface
from numpy.typing import ArrayLike, NDArray

from allenrec.common.errors import UserError
from allenrec.intracellular.intracellular_file import Currents, read_currents
from allenrec.libraries.contacts import contacts_of
from allenrec.libraries.eap import CellOnProbe, spike_currents
from allenrec.libraries.medium import Medium
from allenrec.libraries.poses import Geometry, Poses
from allenrec.probes import as_probe, load_probe
from allenrec.settings.libraries import Library as LibrarySettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from allenrec.common.files import AnyPath


def eap(
    currents: AnyPath | Currents,
    probe: str | probeinterface.Probe,
    position: ArrayLike,
    rotation: ArrayLike = (0.0, 0.0, 0.0),
    *,
    spike: int | Literal["mean", "loudest"] = "mean",
) -> NDArray[np.float32]:
    """Return the extracellular action potential of a cell at a pose beside a probe, as libraries have it by default.

    Parameters
    ----------
    currents : path or allenrec.intracellular.Currents
        The intracellular file of the cell, `results/intracellular/<model>.h5`.
    probe : str or probeinterface.Probe
        The name of a probe or the path of its file, as in `libraries.<name>.probe`; or a probe. The x and y of a flat one
        become y and z, so that x is the distance from it.
    position : array_like
        (3,) µm, of the soma.
    rotation : array_like
        (3,) rad, about x, then y, then z.
    spike : int, "mean" or "loudest"
        Which of the stored spikes: its number, the mean of all, or the one with the deepest trough at this pose.

    Returns
    -------
    numpy.ndarray
        (n_contacts, n_t) float32 µV. The lowest value lies `cut_out[0]` ms after the start.

    Raises
    ------
    UserError
        If a file cannot be read, the probe is unknown, or there is no such spike.

    Examples
    --------
    >>> import allenrec
    >>> template = allenrec.eap("results/intracellular/473863510.h5", "Neuronexus-32", (20, 0, 50))  # doctest: +SKIP
    >>> template.shape  # doctest: +SKIP
    (32, 224)
    """
    cell = currents if isinstance(currents, Currents) else read_currents(Path(currents))
    settings = LibrarySettings(probe=probe if isinstance(probe, str) else "tetrode")
    where = load_probe(probe, settings.ncontacts) if isinstance(probe, str) else as_probe(probe, settings.ncontacts)
    spikes, numbers = _chosen(spike_currents(cell.imem), spike)
    beside = CellOnProbe(
        spikes,
        Geometry(cell.start, cell.end, cell.diameter),
        contacts_of(where),
        Medium(settings.sigma, settings.source, where.image_factor(settings.image_factor)),
        settings,
        peak_sample=cell.info.settings.window_samples[0],
        dt=cell.info.settings.dt,
        bounded=False,
    )
    place, turn = (np.asarray(values, dtype=float).reshape(1, 3) for values in (position, rotation))
    templates = [beside.template(Poses(place, turn, np.array([number]))) for number in numbers]
    return min(templates, key=lambda template: float(template.min()))


def _chosen(spikes: NDArray[np.float32], spike: int | str) -> tuple[NDArray[np.float32], Sequence[int]]:
    """Return currents (n, n_seg, n_t), and the numbers of the spikes in them among which the answer is.

    A single spike comes with all others, as in a library: the currents are written as components that all share.
    """
    if not len(spikes):
        raise UserError("this cell has no usable spikes, so it has no extracellular action potential")
    if spike == "mean":
        return spikes.mean(axis=0, keepdims=True), [0]
    if spike == "loudest":
        return spikes, range(len(spikes))
    if not isinstance(spike, int | np.integer) or not 0 <= spike < len(spikes):
        raise UserError(f"spike: {spike!r} must be 'mean', 'loudest' or a number from 0 to {len(spikes) - 1}")
    return spikes, [int(spike)]

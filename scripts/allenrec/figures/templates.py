"""A figure of one template on its probe: `allenrec.plot_template`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import probeinterface
from numpy.typing import ArrayLike, NDArray

from allenrec.common.errors import UserError
from allenrec.probes import PLANES, as_probe, load_probe

from .channels import contact_pitch
from .look import INK, unit_look
from .style import add_waveforms, mark_contacts, new_figure, probe_axis, styled, waveform_scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Height of the figure, inches
HEIGHT = 6.5


@styled
def plot_template(
    template: ArrayLike,
    probe: str | probeinterface.Probe,
    position: ArrayLike | None = None,
    *,
    dt: float = 2.0**-5,
    title: str | None = None,
) -> Figure:
    """Draw a template at the contacts of its probe, with scale bars. Shanks stand side by side, with short gaps between them.

    Parameters
    ----------
    template : array_like
        (n_contacts, n_t) µV, as `allenrec.eap` returns it or as `templates` of a library has it.
    probe : str or probeinterface.Probe
        As for `allenrec.eap`; or the `probe` of a library, which is in its own plane.
    position : array_like, optional
        (3,) µm, the position of the soma, which is drawn as a circle.
    dt : float
        The time between samples, ms.
    title : str, optional
        By default the depth of the trough.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UserError
        If the probe is unknown or has another number of contacts.

    Examples
    --------
    >>> import allenrec
    >>> template = allenrec.eap("results/intracellular/473863510.h5", "tetrode", (20, 0, 0))  # doctest: +SKIP
    >>> allenrec.plot_template(template, "tetrode", (20, 0, 0)).savefig("eap.png")  # doctest: +SKIP
    """
    values = np.asarray(template, dtype=float)
    where = load_probe(probe, 1) if isinstance(probe, str) else as_probe(probe, 1)
    if values.ndim != 2 or len(values) != where.n_contacts:
        raise UserError(f"the template has the shape {values.shape}, but the probe has {where.n_contacts} contacts")
    plane = PLANES[where.info["plane"]]
    axis = probe_axis(where.positions[:, plane])
    contacts = axis.points(where.positions[:, plane])
    figure = new_figure(_width(contacts), HEIGHT, title or f"{-values.min():.0f} µV")
    axes = figure.add_subplot()
    if position is not None:
        (soma,) = axis.points(np.asarray(position, dtype=float)[np.newaxis, plane])
        axes.plot(*soma, "o", ms=8, mfc="none", mec=INK, mew=1.3, zorder=4)
    axis.label(axes, "xyz"[plane[0]])
    axes.set_ylabel(f"{'xyz'[plane[1]]} (µm)")
    mark_contacts(axes, contacts, where.layout)
    _draw_waveforms(axes, contacts, values, dt)
    return figure


def _width(contacts: NDArray[np.floating]) -> float:
    """Return the width of the figure, inches, that suits the shape of the probe."""
    across, along = contact_pitch(contacts)
    size = np.ptp(contacts, axis=0) + np.array([2 * across, 4 * along])
    return float(np.clip(HEIGHT * size[0] / size[1] + 1.2, 3.0, 9.0))


def _draw_waveforms(axes: Axes, contacts: NDArray[np.floating], template: NDArray[np.floating], dt: float) -> None:
    """Draw a template at its contacts (n, 2) µm, with scale bars below; the axes end around the contacts."""
    across, along = contact_pitch(contacts)
    gain = 2.0 * along / max(np.ptp(template, axis=1).max(), 1e-9)
    add_waveforms(axes, contacts, template, 0.86 * across, gain, colors=unit_look(0)[0], linewidths=1.1)
    (left, bottom), (right, top) = contacts.min(axis=0).tolist(), contacts.max(axis=0).tolist()
    axes.set(xlim=(left - across, right + across), ylim=(bottom - 3.4 * along, top + 1.2 * along))
    waveform_scale_bar(axes, 0.86 * across, gain, template.shape[1] * dt, 0.9 * along)

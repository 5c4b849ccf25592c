"""Probes: contacts and the points on them where potentials are evaluated."""

from dataclasses import dataclass

import MEAutility
import numpy as np

GOLDEN_RATIO = (1 + 5**0.5) / 2


@dataclass(frozen=True)
class Probe:
    """A probe: `positions` (n_contacts, 3) of contact centres, `points` (n_contacts, n_points, 3) on the contacts, both
    µm; MEAutility's description `info`; `on_plane`, whether the contacts sit in an insulating plane."""

    name: str
    positions: np.ndarray
    points: np.ndarray
    info: dict
    on_plane: bool

    @property
    def n_contacts(self):
        """How many contacts there are."""
        return len(self.positions)

    def image_factor(self, setting="auto"):
        """The factor of the method of images: `setting`, or 2 on an insulating plane and 1 else."""
        if setting == "auto":
            return 2.0 if self.on_plane else 1.0
        return float(setting)


def load_probe(name, ncontacts):
    """Return a MEAutility probe with `ncontacts` points on each contact; 1 means its centre."""
    mea = MEAutility.return_mea(name)
    offsets = contact_points(mea.shape, mea.size, ncontacts) @ mea.main_axes
    return Probe(
        name=name,
        positions=np.asarray(mea.positions, dtype=float),
        points=np.asarray(mea.positions, dtype=float)[:, np.newaxis] + offsets,
        info=dict(mea.info),
        on_plane=mea.type == "mea",
    )


def contact_points(shape, size, n):
    """Return `n` points spread evenly over a contact, always the same.

    Golden-ratio sets: a Vogel spiral on a disc, a Kronecker lattice on a rectangle; both shifted so that their mean is the
    centre. An average over them converges like 1/n, over random points like 1/sqrt(n).

    Parameters
    ----------
    shape : {"circle", "square", "rect"}
    size : float or (float, float)
        µm. Radius of a circle; half the side of a square; half width and half height of a rectangle.
    n : int

    Returns
    -------
    numpy.ndarray
        (n, 2) µm, along the two main axes of the probe's plane.
    """
    k = np.arange(n)
    if shape == "circle":
        radius, angle = size * np.sqrt((k + 0.5) / n), 2 * np.pi * k / GOLDEN_RATIO
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    elif shape in ("square", "rect"):
        half = np.broadcast_to(np.asarray(size, dtype=float), 2)
        points = (2 * np.stack([(k + 0.5) / n, (k / GOLDEN_RATIO) % 1], axis=1) - 1) * half
    else:
        raise ValueError(f"contacts of shape {shape!r}; known are circle, square and rect")
    return points - points.mean(axis=0)

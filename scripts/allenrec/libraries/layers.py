"""A slice on an array of electrodes: saline above the tissue, glass below, by the method of images.

Ness et al. 2015 (Neuroinformatics 13:403) give the potential of a source in the slice as a sum over mirror images of the source
at both faces. For contacts on the glass, images of the source are the same as copies of the contact at whole multiples of twice
the thickness, on either side of the glass, each with a weight: further points for the kernel of the infinite medium.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .forward_model import Source, contact_transfer_matrix
from .poses import Geometry, Poses
from .rotations import rotation_matrices

if TYPE_CHECKING:
    from allenrec.settings.libraries import Slice


class Images(NamedTuple):
    """Copies of each contact: `shifts` (n, 3) µm from it, and `weights` (n,)."""

    shifts: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Layers:
    """A slice that begins at the contacts.

    `normal`, the axis across the slice, 0 to 2; `glass`, where the contacts are on it, µm; `settings`, see `Slice`.
    """

    normal: int
    glass: float
    settings: Slice

    @property
    def at_glass(self) -> float:
        """The share of a current that the glass reflects, from -1 to 1."""
        tissue, glass = self.settings.sigma_tissue, self.settings.sigma_glass
        return (tissue - glass) / (tissue + glass)

    @property
    def at_saline(self) -> float:
        """The share of a current that the saline reflects, from -1 to 1."""
        tissue, saline = self.settings.sigma_tissue, self.settings.sigma_saline
        return (tissue - saline) / (tissue + saline)

    @property
    def image_factor(self) -> float:
        """The factor of the potential at the glass, next to what the images of the saline add."""
        return 1 + self.at_glass

    @property
    def images(self) -> Images:
        """The copies of each contact, `steps - 1` on either side."""
        n = np.arange(1, self.settings.steps)
        above = self.at_saline * (self.at_saline * self.at_glass) ** (n - 1)
        below = (self.at_saline * self.at_glass) ** n
        shifts = np.zeros((2 * len(n), 3))
        shifts[:, self.normal] = 2 * self.settings.thickness * np.concatenate([n, -n])
        return Images(shifts, np.concatenate([above, below]))

    def folded(self, geometry: Geometry) -> Geometry:
        """Return segments in a pose, with what leaves the slice folded back at its faces."""
        return Geometry(self._folded(geometry.start), self._folded(geometry.end), geometry.diameter)

    def _folded(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points (n, 3) µm, mirrored at the faces of the slice until they lie within it."""
        inside, thickness = points.copy(), self.settings.thickness
        turn = np.mod(points[:, self.normal] - self.glass, 2 * thickness)
        inside[:, self.normal] = self.glass + np.minimum(turn, 2 * thickness - turn)
        return inside

    def outside(self, poses: Poses, geometry: Geometry) -> NDArray[np.float64]:
        """Return how far (n,) µm a cell in poses leaves the slice: its soma if it is folded, else any segment."""
        height = poses.positions[:, self.normal, np.newaxis] - self.glass
        if self.settings.outside == "refuse":
            ends = np.concatenate([geometry.start, geometry.end])
            height = height + rotation_matrices(poses.rotations)[:, self.normal] @ ends.T
        below, above = -height.min(axis=1), height.max(axis=1) - self.settings.thickness
        beyond: NDArray[np.float64] = np.maximum(np.maximum(below, above), 0.0)
        return beyond


def slice_transfer_matrix(
    start: ArrayLike, end: ArrayLike, diameter: ArrayLike, points: ArrayLike, layers: Layers, *, source: Source = "line"
) -> NDArray[np.float64]:
    """Return the transfer matrix (n_contacts, n_seg) mV per nA of segments in a slice.

    Parameters
    ----------
    start, end, diameter : array_like
        (n_seg, 3), (n_seg, 3) and (n_seg,) µm, all within the slice.
    points : array_like
        (n_contacts, n_points, 3) µm on the glass; the potential is averaged over the points of a contact.
    layers : Layers
    source : {"line", "point", "root_as_point"}
        See `transfer_matrix`.
    """
    points = np.asarray(points, dtype=float)
    images, sigma = layers.images, layers.settings.sigma_tissue
    matrix = contact_transfer_matrix(start, end, diameter, points, sigma=sigma, source=source)
    for shift, weight in zip(images.shifts, images.weights, strict=True):
        matrix += weight * contact_transfer_matrix(start, end, diameter, points + shift, sigma=sigma, source=source)
    return layers.image_factor * matrix

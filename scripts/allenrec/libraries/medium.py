"""The medium around a cell: open tissue, tissue beside an insulating plane, or a slice on an array of electrodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allenrec.common.errors import UserError, shown

from .layers import Images, Layers

if TYPE_CHECKING:
    from allenrec.probes import Probe
    from allenrec.settings.libraries import Library

    from .forward_model import Source

#: The images in a medium without borders
NO_IMAGES = Images(np.zeros((0, 3)), np.zeros(0))


@dataclass(frozen=True)
class Medium:
    """The tissue around a cell, and the kind of its sources.

    `sigma`, the conductivity, S/m, one value or one for each axis; `source`, see `transfer_matrix`; `image_factor`, 2 for
    contacts in an insulating plane (method of images), 1 in open tissue; `layers`, of a slice on an array of electrodes.
    """

    sigma: float | tuple[float, float, float] = 0.3
    source: Source = "line"
    image_factor: float = 1.0
    layers: Layers | None = None

    @property
    def isotropic(self) -> bool:
        """True if the conductivity is the same along all axes."""
        return bool(np.ptp(self.sigma) == 0)

    @property
    def turns_with_cell(self) -> bool:
        """True if a cell has the same field around it in all poses."""
        return self.isotropic and self.layers is None

    @property
    def images(self) -> Images:
        """The images of contacts that a slice makes."""
        return NO_IMAGES if self.layers is None else self.layers.images


def medium_of(settings: Library, probe: Probe, name: str) -> Medium:
    """Return the medium around a probe.

    Raises
    ------
    UserError
        If a slice is asked for, but the contacts of the probe are not on a plane.
    """
    if settings.medium is None:
        return Medium(settings.sigma, settings.source, probe.image_factor(settings.image_factor))
    if not probe.on_plane:
        reason = f"a slice lies on the contacts, but those of {shown(probe.name)} are not on a plane; take an array"
        raise UserError(f"libraries.{name}.medium: {reason}, such as SqMEA-10-15, or leave the key out")
    layers = Layers(probe.normal, float(probe.positions[0, probe.normal]), settings.medium)
    return Medium(settings.medium.sigma_tissue, settings.source, layers.image_factor, layers)

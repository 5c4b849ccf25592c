"""The parts of which the noise of a recording is made, and the inputs from which a noise mode designs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from allenrec.common.random_streams import StreamKey
    from allenrec.settings.recordings import Recording
    from allenrec.waveforms.filters import Filter

    from ..tick_grid import TickGrid
    from ..types import TemplateLibrary
    from .unit_drift import UnitDrift


class NoiseSource(Protocol):
    """A source of noise beside white noise, such as far neurons."""

    def deviation(self, bandpass: Filter | None = None) -> NDArray[np.float64]:
        """Return the standard deviation (n_channels,) µV, after a filter if there is one."""

    def scaled(self, factor: NDArray[np.float64]) -> NoiseSource:
        """Return the same source multiplied by a factor per channel, (n_channels,)."""

    def add_to(self, traces: NDArray[np.float32], start: int) -> None:
        """Add the noise, without its mean, to traces (n, n_channels) float32 µV whose first row is sample `start`."""


@dataclass(frozen=True)
class NoiseParts:
    """The parts of the noise before they are scaled; `noise.noise_at_level` scales them to `noise_level`.

    Attributes
    ----------
    covariance : numpy.ndarray or None
        (n_channels, n_channels), covariance of the white noise, with variance 1; None if channels are independent. It may be
        singular, because `mixing_matrix` adds a little independent noise.
    source : NoiseSource or None
        A further source that is added to the white noise.
    colour : Filter or None
        A causal filter with unit gain of variance that colours the white noise; None if `noise_color` decides.
    floor : float
        Standard deviation of the white noise, divided by that of the source, if there is one.
    """

    covariance: NDArray[np.float64] | None = None
    source: NoiseSource | None = None
    colour: Filter | None = None
    floor: float = 1.0


@dataclass(frozen=True)
class NoiseInputs:
    """The inputs from which a noise mode designs its parts.

    Attributes
    ----------
    stream_key : tuple
        Random stream of the noise of the recording.
    settings : allenrec.settings.recordings.Recording
    positions : numpy.ndarray
        (n_channels, 3) µm.
    library : TemplateLibrary
        Library that supplies cells for noise modes that need one.
    grid : TickGrid
    unit_drift : UnitDrift or None
        Drift of the units, which moves the cells of the noise as well.
    threads : int
        Number of threads; the result does not depend on it.
    """

    stream_key: StreamKey
    settings: Recording
    positions: NDArray[np.float64]
    library: TemplateLibrary
    grid: TickGrid
    unit_drift: UnitDrift | None = None
    threads: int = 1

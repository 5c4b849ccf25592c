"""Types that all parts of a recording share: the protocol of a template library, and the keys of units."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
import probeinterface
from numpy.typing import DTypeLike, NDArray

#: The kind of a unit, "excitatory" or "inhibitory", and its number among those of this kind, from 0
UnitKey = tuple[str, int]

#: Units of a background that are known: the samples of their spikes, (n_spikes,), by their names
KnownUnits = Mapping[str, NDArray[np.int64]]


class Rows(Protocol):
    """A function that returns memory for rows and columns, (n, n_columns) of any content; see `allenrec.common.buffers`."""

    def __call__(self, n: int, n_columns: int, dtype: DTypeLike = ...) -> NDArray[Any]: ...


class TemplateLibrary(Protocol):
    """The part of a template library that recordings use; `allenrec.libraries.library_file.Library` has it.

    Arrays have one row for each of the N templates. If the cells drift, `templates` and `locations` have a second axis, the
    steps along a path.
    """

    @property
    def templates(self) -> Any:
        """Potentials, (N, n_channels, n_t) or (N, n_steps, n_channels, n_t) float32 µV, read as they are sliced."""

    @property
    def locations(self) -> NDArray[np.float64]:
        """Positions of the somata, (N, 3) or (N, n_steps, 3) µm."""

    @property
    def positions(self) -> NDArray[np.float64]:
        """Positions of the somata, (N, 3) µm; at the central step if the cells drift."""

    @property
    def rotations(self) -> NDArray[np.float64]:
        """Rotations of the cells, (N, 3) rad."""

    @property
    def celltypes(self) -> NDArray[np.object_]:
        """Cell types, (N,)."""

    @property
    def model_ids(self) -> NDArray[np.object_]:
        """Models, (N,)."""

    @property
    def features(self) -> pd.DataFrame:
        """Features of the waveforms, among them `amplitude_uV` and `peak_contact`; one row per template."""

    @property
    def amplitudes(self) -> NDArray[np.float64]:
        """Depth of the deepest trough, (N,) µV."""

    @property
    def cells(self) -> pd.DataFrame:
        """Metadata, one row per model."""

    @property
    def channel_positions(self) -> NDArray[np.float64]:
        """Positions of the contacts, (n_channels, 3) µm."""

    @property
    def probe(self) -> probeinterface.Probe:
        """The contacts in their plane."""

    @property
    def electrodes(self) -> dict[str, Any]:
        """Description of the probe in MEArec's names."""

    @property
    def dt(self) -> float:
        """Time between samples, ms."""

    @property
    def cut_out(self) -> tuple[float, ...]:
        """Time before and after the peak, ms."""

    @property
    def peak_sample(self) -> int:
        """Sample of the spike."""

    @property
    def drifting(self) -> bool:
        """True if the templates have steps along a path."""

    @property
    def centre(self) -> int:
        """The step without drift."""

    def at_centre(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the templates of some rows without drift, (n, n_channels, n_t) µV."""

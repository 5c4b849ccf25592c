"""The size of recordings on disk, before they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from allenrec.common.errors import UserError
from allenrec.settings.recordings.formats import GENERATED_FORMAT

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from allenrec.settings import Settings
    from allenrec.settings.recordings import Recording as RecordingSettings
    from allenrec.settings.studies import Study

#: Length of the waveforms of `extract_waveforms`, s
WAVEFORM_LENGTH = 2.5e-3


def traces_size(
    settings: RecordingSettings,
    fs: float,
    n_channels: int,
    n_spikes: int = 0,
    dtype: DTypeLike | None = None,
    *,
    parts_of_units: bool = True,
) -> int:
    """Return the size of the traces of a recording without compression, in bytes.

    Parameters
    ----------
    settings : allenrec.settings.recordings.Recording
        They say whether the traces of units and the waveforms of spikes are stored as well.
    fs : float
        Sampling rate, Hz.
    n_channels : int
    n_spikes : int
        Number of spikes whose waveforms are stored.
    dtype : numpy.dtype, optional
        Type of the samples, if it is not that of `settings`.
    parts_of_units : bool
        Whether the format has the traces of units and the waveforms of spikes; only MEArec's has.
    """
    signal, n_units, n_samples = settings.recordings, settings.spiketrains.n_units, int(fs * settings.spiketrains.duration)
    width = np.dtype(signal.dtype if dtype is None else dtype).itemsize
    size = n_samples * n_channels * width
    if not parts_of_units:
        return size
    if signal.spike_traces != "none":
        size += n_samples * n_units * 4
    if signal.spike_traces == "all":
        size += n_samples * n_channels * n_units * 4
    if signal.extract_waveforms:
        size += int(n_spikes) * n_channels * int(WAVEFORM_LENGTH * fs) * width
    return size


def describe_studies(studies: Mapping[str, Study], disk_of: Callable[[str], int]) -> Iterator[str]:
    """Yield a line for each study: the number of its recordings, and the disk that they need without compression.

    `disk_of` is a function that returns the disk of a recording, bytes, by its name.
    """
    for name, study in studies.items():
        size = sum(map(disk_of, study.rows))
        disk = f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
        yield f"study {name}: {len(study.rows)} recordings, {disk} on disk without compression"


def recording_sizes(settings: Settings, names: Sequence[str], n_contacts: Callable[[str], int]) -> Iterator[int]:
    """Yield the disk, bytes, that the traces of each of some recordings need in all of their formats, without compression.

    A background that cannot be opened counts as if it were not there.
    """
    n_channels: dict[str, int] = {}
    for recording, dtype in map(_with_length_and_type, map(settings.recordings.__getitem__, names)):
        library = recording.library
        if library not in n_channels:
            n_channels[library] = n_contacts(library)
        fs = recording.recordings.fs or 1000 / settings.intracellular.dt
        yield sum(
            traces_size(recording, fs, n_channels[library], dtype=dtype, parts_of_units=name == GENERATED_FORMAT.name)
            for name in recording.format
        )


def _with_length_and_type(settings: RecordingSettings) -> tuple[RecordingSettings, DTypeLike | None]:
    """Return settings with the length and the rate of their background, if they have one, and the type of its samples."""
    if settings.background is None:
        return settings, None
    # SpikeInterface takes too long for every start.
    from .traces.background import on_background, open_background

    try:
        background = open_background(settings.background)
    except UserError:
        return settings, None
    return on_background(settings, background), background.dtype

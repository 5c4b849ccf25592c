"""Sizes of results and of the memory of jobs, estimated from the configuration alone, before anything runs."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from allenrec.common.errors import UserError
from allenrec.common.files import readable_size

from .recordings.formats import FORMATS

if TYPE_CHECKING:
    from . import Settings
    from .libraries import Library
    from .recordings import Recording

#: Share of their size that templates keep at least when they are compressed, and that of samples with noise
COMPRESSED, COMPRESSED_NOISE = 0.5, 0.7
#: Number of samples of the blocks in which traces are computed, as in `allenrec.recordings.traces.blocks`
BLOCK = 2**15
#: Segments of a small cell
SEGMENTS = 100
#: More contacts than most probes have
MANY_CONTACTS = 1024
#: Bytes of a spike in memory: its tick, burst, gain, label and their copies
SPIKE = 40


@dataclass(frozen=True)
class Estimate:
    """The least disk and memory, bytes, that the part of a configuration at `key` needs; and the `cure` if that is too much,
    for the disk another one if there is one."""

    key: str
    disk: float
    memory: float
    cure: str
    cure_of_disk: str = ""


def estimates(settings: Settings, cell_types: Sequence[str], n_contacts: Callable[[str], int]) -> Iterator[Estimate]:
    """Yield what the simulation, each library and each recording need.

    Parameters
    ----------
    settings : allenrec.settings.Settings
    cell_types : sequence of str
        The cell type of each model, as far as the cell table names it; "" if it does not.
    n_contacts : callable
        A function that returns the number of contacts of a library's probe, by the name of the library.
    """
    window = sum(settings.intracellular.window_samples)
    currents = 4.0 * settings.intracellular.target_spikes[0] * SEGMENTS * window
    steps = 1000 * settings.intracellular.sim_time / settings.intracellular.dt
    yield Estimate(
        "intracellular", len(cell_types) * currents * COMPRESSED, currents + 8 * steps, "shorten sim_time or cut_out"
    )
    for name, library in settings.libraries.items():
        if library.templates is None:  # otherwise they are on the disk already
            yield _library(f"libraries.{name}", library, cell_types, n_contacts(name), window)
    disk = 0.0
    for name, recording in settings.recordings.items():
        estimate = _recording(f"recordings.{name}", recording, n_contacts(recording.library), settings)
        disk += estimate.disk
        yield estimate
    yield Estimate("recordings", disk, 0.0, "make fewer or shorter recordings")


def library_sizes(settings: Settings, cell_types: Sequence[str], n_contacts: Callable[[str], int]) -> dict[str, float]:
    """Return the disk, bytes, that each library takes at least, by its name.

    Libraries whose templates are imported are left out. Each template is stored twice: in the file of its model, and in that of
    all. `cell_types` and `n_contacts` are as for `estimates`.
    """
    window = sum(settings.intracellular.window_samples)
    return {
        name: 2 * _library(name, library, cell_types, n_contacts(name), window).disk
        for name, library in settings.libraries.items()
        if library.templates is None
    }


def _library(key: str, library: Library, cell_types: Sequence[str], n_contacts: int, window: int) -> Estimate:
    of_cells = [_least_templates(library.n, cell_type) for cell_type in cell_types]
    steps = 1
    if library.drift_grid is not None:
        steps = int((library.drift_grid.limits[1] - library.drift_grid.limits[0]) / library.drift_grid.step)
    elif library.drifting:
        steps = library.drift_steps
    one_step = 4.0 * n_contacts * window
    template = steps * one_step
    if library.poses is not None or library.poses_from is not None:
        of_cells = []
    # The templates of a cell are kept until all are accepted.
    memory = {
        "lower n": max(of_cells, default=0) * one_step,
        "lower the number of drift steps": template,
        "lower ncontacts": one_step * library.ncontacts,
    }
    cure, whole = max(memory, key=memory.__getitem__), "lower n or the number of drift steps"
    return Estimate(key, sum(of_cells) * template * COMPRESSED, sum(memory.values()), cure, whole)


def _least_templates(n: int | Mapping[str, int], cell_type: str) -> int:
    """Return the least number of templates of a cell; a type for which there is no number has none."""
    if isinstance(n, int):
        return n
    return n.get(cell_type, 0) if cell_type else min(n.values())


def _recording(key: str, recording: Recording, n_contacts: int, settings: Settings) -> Estimate:
    signal, trains = recording.recordings, recording.spiketrains
    fs_in = 1000 / settings.intracellular.dt
    fs = signal.fs or fs_in
    second = fs * n_contacts * 4.0
    traces = trains.duration * second * sum(_share_on_disk(recording, name) for name in recording.format)
    rate = trains.n_exc * trains.f_exc + trains.n_inh * trains.f_inh
    if trains.rates is not None:
        rate = trains.n_units * trains.lowest_rate
    n_spikes = trains.duration * rate if trains.file is None else 0.0
    length = (sum(settings.intracellular.cut_out) + sum(recording.templates.pad_len)) / 1000
    if signal.spike_traces == "all" and "mearec" in recording.format:
        # They are compressed, and of a unit there is nothing between its spikes.
        traces += min(n_spikes * length, trains.n_units * trains.duration) * second * COMPRESSED
    # A template is there at every phase, with one component at least. The matrices that upsample have no columns for its pad.
    phases = recording.templates.upsample * length * fs * 4.0
    matrices = 2 * phases * 2 * fs_in * (length - recording.templates.pad_len[0] / 1000)
    memory = {
        "take a probe with fewer contacts": min(trains.duration, BLOCK / fs) * second,
        "shorten duration, or take fewer units": SPIKE * n_spikes
        + (8.0 * signal.drift_fs * trains.duration if signal.drifting else 0.0),
        "take fewer units": trains.n_units * (length * second + phases),
        "shorten pad_len, or lower fs or upsample": matrices,
    }
    cure = max(memory, key=memory.__getitem__)
    return Estimate(key, traces, sum(memory.values()), cure, "shorten duration or take fewer formats")


def _share_on_disk(recording: Recording, name: str) -> float:
    """Return the share of four bytes that a sample takes at least on the disk in a format, by its name."""
    signal = recording.recordings
    if FORMATS[name].compression_of(recording) == "none":
        return 0.5 if signal.dtype == "int16" else 1.0
    if recording.background is not None or signal.noise_level == 0:
        return 0.0
    if signal.dtype == "float32":
        return COMPRESSED_NOISE
    if signal.adc_bit_depth is not None and signal.gain is None:  # what a count is worth depends on the signal
        return 0.0
    # A normal distribution has log2(4.13 sd / step) bits; the filter takes up to one of them.
    step = (signal.gain or 1.0) * (signal.lsb or 1)
    return max(0.0, math.log2(2 * signal.noise_level / step)) / 32


def check_sizes(
    settings: Settings, cell_types: Sequence[str], n_contacts: Callable[[str], int], folder: Path, *, memory: float | None
) -> None:
    """Refuse a configuration whose results do not fit the disk, or whose jobs do not fit the memory.

    Parameters
    ----------
    settings, cell_types, n_contacts
        As for `estimates`. Probes are asked for their contacts only if it matters.
    folder : pathlib.Path
        The folder of the results.
    memory : float, optional
        Bytes of memory where the jobs run; None if that is not known, as on a cluster.

    Raises
    ------
    UserError
        The message names the key, the size and the limit.
    """
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.exists(path))
    disk = shutil.disk_usage(existing).total

    def problem(n_contacts: Callable[[str], int]) -> str | None:
        for estimate in estimates(settings, cell_types, n_contacts):
            for size, room, what, where, cure in (
                (estimate.disk, disk, "", f"the disk of {existing}", estimate.cure_of_disk or estimate.cure),
                (estimate.memory, memory, " of memory", "this machine", estimate.cure),
            ):
                if room is not None and size > room:
                    return (
                        f"config: {estimate.key}: takes about {readable_size(size)}{what}, but {where} has "
                        f"{readable_size(room)} in all; {cure}"
                    )
        return None

    if problem(lambda library: MANY_CONTACTS) and (found := problem(n_contacts)):
        raise UserError(found)


def memory_of_machine() -> float:
    """Return the memory of this machine, bytes."""
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))

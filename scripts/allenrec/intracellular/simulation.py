"""Spikes of a cell: step currents into the soma, and the membrane currents in windows around the spikes.

All later stages read the intracellular file and need no NEURON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allenrec.common.crashes import time_limit
from allenrec.common.errors import UserError
from allenrec.models.kinds.register import kind_of
from allenrec.models.recorded_sweeps import read_recorded_steps

from .cell import load_cell
from .comparison import Comparison, compare
from .intracellular_file import Currents, CurrentsInfo, SimulatedSpikes
from .nrn import neuron, neuron_errors_for_users
from .search import RECOVERED, Response, accepted, format_search, judge, search_amplitude
from .spikes import are_spikes, are_usable, find_events, find_spikes
from .windows import SpikeWindows

if TYPE_CHECKING:
    from allenrec.settings.models import Intracellular

    from .model_cell import ModelCell

#: Time for the cell to settle before a recorded step is repeated, ms
SETTLING = 100.0
#: Time for the cell to come back to rest after a step, ms
RECOVERY = 100.0
#: Length of the pieces of a run, after each of which the spikes are counted, ms
PIECE = 50.0
#: Slope of the somatic potential (mV/ms) that asks for the short time step and for how long (ms) it is used afterwards.
#: A lower slope changes nothing: see docs/integration.md.
FAST, LINGER = 5.0, 0.25


def simulate_model(
    model_folder: str | Path,
    mechanisms: str | Path | None,
    settings: Intracellular,
    *,
    specimen_id: str = "",
    cell_type: str = "",
    axon: str = "auto",
    recorded_steps: int = 0,
    library: str | None = None,
    max_build_time: int | None = None,
) -> Currents:
    """Simulate the spikes of a model, and compare it with its recorded cell.

    A process can simulate one model only, because NEURON keeps sections and mechanisms in a global state.

    Parameters
    ----------
    model_folder : path
        Folder of a model of any kind, see `load_cell`.
    mechanisms : path or None
        Folder of compiled mechanisms, as `compile_mechanisms` returns it; None for a model without mod files.
    settings : Intracellular
    specimen_id, cell_type : str
        The id of the cell and its type, as they are written into the file.
    axon : str
        See `load_cell`.
    recorded_steps : int
        Number of recorded step currents at which the model is compared with its cell, if the folder has recorded sweeps.
    library : str, optional
        See `load_cell`.
    max_build_time : int, optional
        Seconds after which the process ends by a signal (`time_limit`) if the cell is not built; only for a process of its own.

    Returns
    -------
    Currents
        The content of the intracellular file, for `write_currents`. `info.facts.flags` says what is wrong with the model.

    Raises
    ------
    UserError
        As in `load_cell` and `simulate_spikes`.
    """
    with time_limit(max_build_time) if max_build_time else nullcontext():
        cell = load_cell(model_folder, mechanisms, dt=settings.dt, axon=axon, library=library)
    spikes = simulate_spikes(cell, settings, progress=_print_response)
    comparison = compare_with_recorded(cell, settings, spikes, model_folder, recorded_steps)
    found = ", ".join(dict.fromkeys(spikes.search_flags(settings) + comparison.flags))
    if found:
        print(f"model {cell.model.model_id} is flagged: {found}")
    steps = comparison.steps
    return Currents(
        info=_info(cell, settings, specimen_id, cell_type, found),
        recorded_amplitude=np.array([step.amplitude for step in steps]),
        recorded_cell_spikes=np.array([sum(step.spikes) / len(step.spikes) for step in steps]),
        recorded_model_spikes=np.array(comparison.spikes, dtype=np.int64),
        rheobase=np.array([*comparison.cell_rheobase, comparison.model_rheobase]),
        **vars(spikes),
    )


def _info(cell: ModelCell, settings: Intracellular, specimen_id: str, cell_type: str, flags: str) -> CurrentsInfo:
    """Return the origin of the currents of a cell."""
    model = cell.model
    kind = kind_of(model.folder)
    return CurrentsInfo(
        model_id=model.model_id,
        specimen_id=specimen_id,
        cell_type=cell_type,
        facts=replace(kind.describe(model.folder), model_kind=model.kind, flags=flags),
        model_kind=model.kind,
        axon=cell.axon,
        celsius=cell.celsius,
        v_init=cell.v_init,
        settings=settings,
        versions={package: version(package) for package in ("neuron", "LFPy", "numpy")},
        digests=kind.digests(model.folder),
    )


def _print_response(response: Response) -> None:
    print(f"{response.amplitude:.4g} nA: {len(response.peaks)} spikes ({response.verdict})")


@neuron_errors_for_users()
def simulate_spikes(
    cell: ModelCell, settings: Intracellular, progress: Callable[[Response], None] | None = None
) -> SimulatedSpikes:
    """Search for a step current at which the cell fires, and keep the currents around its spikes.

    Parameters
    ----------
    cell : ModelCell
        As `load_cell` returns it, with the `dt` of the settings. Its `tstop` is set here: 100 ms of recovery follow the step.
    settings : Intracellular
    progress : callable, optional
        Called with each `Response` of the search.

    Returns
    -------
    SimulatedSpikes
        If no step current gives the target number of spikes, these are the first spikes of the weakest step that gives more. If
        there is none, there are no spikes, and the trace is that of the run with the most spikes.

    Raises
    ------
    UserError
        If no spike has room for its window, or if NEURON stops with an error.
    """
    cell.tstop = settings.delay + settings.step_duration + RECOVERY

    def run(amplitude: float) -> Response:
        response = respond(cell, amplitude, settings)
        if progress:
            progress(response)
        return response

    runs = search_amplitude(run, settings.target_spikes, settings.start_amplitude, settings.max_runs)
    taken = accepted(runs)
    if taken is not None and not taken.imem:
        raise UserError(
            f"model {cell.model.model_id}: none of the {len(taken.peaks)} spikes at {taken.amplitude:.4g} nA has room "
            f"for a window of {settings.cut_out} ms (intracellular.cut_out)"
        )
    if taken is None:
        print(f"model {cell.model.model_id}: {format_search(runs, settings.target_spikes)}")
        taken = replace(max(runs, key=lambda r: len(r.peaks)), imem={})
    before, after = settings.window_samples
    peaks = np.array(sorted(taken.imem), dtype=np.int64)
    return SimulatedSpikes(
        amplitude=float(taken.amplitude),
        imem=np.array([taken.imem[peak] for peak in peaks], dtype=np.float32).reshape(-1, cell.totnsegs, before + after),
        spike_vmem=taken.vmem[peaks[:, np.newaxis] + np.arange(-before, after)].astype(np.float32),
        spike_times=np.asarray(peaks * settings.dt, dtype=np.float64),
        vmem=taken.vmem.astype(np.float32),
        time=taken.time.astype(np.float32),
        search_amplitude=np.array([r.amplitude for r in runs]),
        search_n_spikes=np.array([len(r.peaks) for r in runs]),
        **segment_geometry(cell),
    )


@neuron_errors_for_users()
def compare_with_recorded(
    cell: ModelCell, settings: Intracellular, spikes: SimulatedSpikes, model_folder: str | Path, n: int
) -> Comparison:
    """Run up to `n` of the step currents that the real cell received, if the model folder has recorded sweeps."""

    def run(amplitude: float, duration: float) -> StepRun:
        cell.tstop = SETTLING + duration + RECOVERY
        return StepRun(cell, amplitude, SETTLING, duration, settings.spike_dt)

    def fires(amplitude: float, duration: float) -> bool:
        response = run(amplitude, duration)
        found = any(len(find_spikes(vmem, cell.dt, settings)) for vmem in response.pieces())
        print(f"{amplitude:.4g} nA: {'fires' if found else 'silent'}")
        return found

    def respond_to(amplitude: float, duration: float) -> tuple[int, bool]:
        response = run(amplitude, duration)
        response.advance(response.n_steps)
        start, end = round(SETTLING / cell.dt), round((SETTLING + duration) / cell.dt)
        count = len(find_spikes(response.vmem[start : end + 1], cell.dt, settings))
        print(f"{amplitude:.4g} nA: {count} spikes")
        return count, bool(response.vmem[-1] <= response.vmem[start] + RECOVERED)

    tried = list(zip(spikes.search_amplitude.tolist(), spikes.search_n_spikes.tolist(), strict=True))
    return compare(read_recorded_steps(model_folder), n, tried, fires, respond_to)


def step_response(
    cell: ModelCell, amplitude: float, *, delay: float, duration: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Run a step current into the soma, with the time step of the cell throughout.

    Parameters
    ----------
    cell : ModelCell
        As `load_cell` returns it; its `dt` and `tstop` (ms) are used.
    amplitude : float
        Current of the step, nA.
    delay, duration : float
        Onset and length of the step, ms.

    Returns
    -------
    time, vmem : numpy.ndarray
        (n,) ms and (n,) mV at soma(0.5), of the whole run, both ends included.

    Examples
    --------
    >>> cell = load_cell(model_folder, mechanisms, tstop=1100.0)  # doctest: +SKIP
    >>> time, vmem = step_response(cell, 0.2, delay=500, duration=500)  # doctest: +SKIP
    """
    run = StepRun(cell, amplitude, delay, duration)
    run.advance(run.n_steps)
    return run.time, run.vmem


class StepRun:
    """A run of a cell with a step current into soma(0.5), advanced piece by piece and sampled at the cell's `dt`.

    NEURON's implicit method is of first order: its error is proportional to the time step, and it widens fast spikes. While the
    potential of the soma changes fast, each sample is therefore reached in steps of `spike_dt` (ms) at most.
    """

    def __init__(self, cell: ModelCell, amplitude: float, delay: float, duration: float, spike_dt: float | None = None) -> None:
        h = neuron.h
        soma = cell.soma(0.5)
        self.dt: float = cell.dt
        self.n_steps = round(cell.tstop / cell.dt)
        self.stimulus = h.IClamp(soma)
        self.stimulus.delay, self.stimulus.dur, self.stimulus.amp = delay, duration, amplitude
        self._potential = soma._ref_v
        self._substeps = max(int(np.ceil(cell.dt / spike_dt - 1e-9)), 1) if spike_dt else 1
        self._fast_until = 0
        h.CVode().active(False)
        h.dt, h.celsius = cell.dt, cell.celsius
        h.finitialize(cell.v_init)
        self._vmem = np.empty(self.n_steps + 1)
        self._vmem[0] = self._potential[0]
        self._n_samples = 1

    def advance(self, n_steps: int, each_sample: Callable[[], None] = lambda: None) -> None:
        """Simulate `n_steps` further samples, and call `each_sample` at each of them."""
        h, fadvance, vmem, potential = neuron.h, neuron.h.fadvance, self._vmem, self._potential
        fast, linger, fine_step = FAST * self.dt, round(LINGER / self.dt), self.dt / self._substeps
        for sample in range(self._n_samples, self._n_samples + n_steps):
            if sample <= self._fast_until:
                h.dt = fine_step
                for _ in range(self._substeps):
                    fadvance()
                h.dt = self.dt
            else:
                fadvance()
            vmem[sample] = potential[0]
            if abs(vmem[sample] - vmem[sample - 1]) > fast:
                self._fast_until = sample + linger if self._substeps > 1 else 0
            each_sample()
        self._n_samples += n_steps

    def pieces(self, each_sample: Callable[[], None] = lambda: None) -> Iterator[NDArray[np.float64]]:
        """Simulate the rest of the run in pieces, and yield the potential so far after each."""
        piece = max(round(PIECE / self.dt), 1)
        while self._n_samples <= self.n_steps:
            self.advance(min(piece, self.n_steps + 1 - self._n_samples), each_sample)
            yield self.vmem

    @property
    def vmem(self) -> NDArray[np.float64]:
        return self._vmem[: self._n_samples]

    @property
    def time(self) -> NDArray[np.float64]:
        return np.arange(self._n_samples, dtype=np.float64) * self.dt


def respond(cell: ModelCell, amplitude: float, settings: Intracellular) -> Response:
    """Run a step current, keep the membrane currents around its spikes, and judge the response.

    The run is stopped once the spikes exceed the target, because models with many channels take a minute for each second.
    Windows are kept around usable spikes, where they lie in the step. The first spike is left out, because its shape differs at
    the onset of the step.
    """
    before, after = settings.window_samples
    highest = settings.target_spikes[1]
    windows = SpikeWindows(cell.totnsegs, before, after, 2 * round(PIECE / cell.dt) + after)
    with fast_membrane_currents():
        run = StepRun(cell, amplitude, settings.delay, settings.step_duration, settings.spike_dt)
        gather = membrane_currents(cell)
        windows.append(gather())
        for vmem in run.pieces(lambda: windows.append(gather())):
            peaks = find_spikes(vmem, run.dt, settings).peaks
            windows.collect(peaks)
            if len(peaks) > highest:
                break
    events = find_events(run.vmem, run.dt, settings)
    spikes = events.where(are_spikes(events, settings))
    usable = are_usable(spikes, settings)
    last = (settings.delay + settings.step_duration) / run.dt - after
    kept = [peak for peak, sound in zip(spikes.peaks[1:], usable[1:], strict=True) if sound and peak <= last]
    verdict = judge(run.vmem, run.dt, spikes.peaks, int(usable.sum()), settings)
    return Response(amplitude, run.time, run.vmem, spikes.peaks, verdict, windows.around(kept[:highest]))


@contextmanager
def fast_membrane_currents() -> Iterator[None]:
    """Let NEURON compute the membrane currents of all segments at each step."""
    cvode = neuron.h.CVode()
    cvode.use_fast_imem(True)
    try:
        yield
    finally:
        cvode.use_fast_imem(False)


def membrane_currents(cell: ModelCell) -> Callable[[], NDArray[np.float64]]:
    """Return a function that returns the present membrane currents (n_segments,) nA; the next call overwrites them."""
    h = neuron.h
    segments = [segment for section in cell.allseclist for segment in section]
    pointers = h.PtrVector(len(segments))
    for i, segment in enumerate(segments):
        pointers.pset(i, segment._ref_i_membrane_)
    gathered = h.Vector(len(segments))
    values = gathered.as_numpy()

    def gather() -> NDArray[np.float64]:
        pointers.gather(gathered)
        return values

    return gather


def segment_geometry(cell: ModelCell) -> dict[str, NDArray[Any]]:
    """Return `start`, `end` (n_seg, 3) and `diameter` (n_seg,) of the segments in µm, and `section`, the type of each."""
    kinds = [kind for section, kind in zip(cell.allseclist, cell.section_types, strict=True) for _ in section]
    return {
        "start": np.stack([cell.x[:, 0], cell.y[:, 0], cell.z[:, 0]], axis=1),
        "end": np.stack([cell.x[:, 1], cell.y[:, 1], cell.z[:, 1]], axis=1),
        "diameter": np.asarray(cell.d),
        "section": np.array(kinds, dtype=object),
    }

"""Spikes of a cell: step currents into the soma, and the membrane currents in windows around the spikes.

This module and `cell` are the only ones that need NEURON. All later stages read the intracellular file.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allenrec.common.errors import UserError
from allenrec.models.archive import input_digests
from allenrec.models.metadata import cell_facts, read_metadata
from allenrec.models.recorded_sweeps import RecordedStep, flags, read_recorded_steps, steps_to_compare
from allenrec.settings.models import Intracellular

from .cell import AllenCell, load_cell, neuron, neuron_errors_for_users
from .intracellular_file import Currents, CurrentsInfo, SimulatedSpikes
from .search import Response, format_search, search_amplitude, spike_peaks

#: Time for the cell to settle before a recorded step is repeated, ms
SETTLING = 100.0
#: Time for the cell to come back to rest after a step, ms
RECOVERY = 100.0
#: Largest distance from the resting potential that counts as back at rest, mV. Slow currents keep a healthy cell a few mV away
#: after 100 ms; a cell in depolarisation block stays 40 mV above.
RECOVERED = 15.0
#: A cell whose potential stays above this in the last fifth of the step, without a spike there, is in block, mV
BLOCK_POTENTIAL = -55.0
#: Length of the pieces of a run, after each of which the spikes are counted, ms
PIECE = 50.0


def simulate_model(
    model_folder: str | Path,
    mechanisms: str | Path,
    settings: Intracellular,
    *,
    specimen_id: str = "",
    cell_type: str = "",
    axon: str = "auto",
    recorded_steps: int = 0,
    library: str | None = None,
) -> Currents:
    """Simulate the spikes of a model, and compare it with its recorded cell.

    A process can simulate one model only, because NEURON keeps sections and mechanisms in a global state.

    Parameters
    ----------
    model_folder : path
        Folder in the layout of an Allen archive.
    mechanisms : path
        Folder of compiled mechanisms, as `compile_mechanisms` returns it.
    settings : Intracellular
    specimen_id, cell_type : str
        The id of the cell and its type, as they are written into the file.
    axon : str
        See `load_cell`.
    recorded_steps : int
        Number of recorded step currents at which the model is compared with its cell, if the folder has recorded sweeps.
    library : str, optional
        See `load_cell`.

    Returns
    -------
    Currents
        The content of the intracellular file, for `write_currents`. `info.facts.flags` says what is wrong with the model.

    Raises
    ------
    UserError
        As in `load_cell` and `simulate_spikes`.
    """
    cell = load_cell(model_folder, mechanisms, dt=settings.dt, axon=axon, library=library)
    spikes = simulate_spikes(cell, settings, progress=_print_response)
    steps = steps_to_compare(read_recorded_steps(model_folder), recorded_steps)
    model_spikes, at_rest = compare_with_recorded(cell, steps, threshold=settings.threshold)
    for step, count in zip(steps, model_spikes, strict=True):
        print(f"{step.amplitude:.4g} nA: {count} spikes, in the recorded cell {' '.join(map(str, step.spikes))}")
    found = ", ".join(dict.fromkeys(spikes.search_flags + flags(steps, model_spikes, at_rest)))
    if found:
        print(f"model {cell.model.model_id} is flagged: {found}")
    return Currents(
        info=_info(cell, settings, specimen_id, cell_type, found),
        recorded_amplitude=np.array([step.amplitude for step in steps]),
        recorded_cell_spikes=np.array([sum(step.spikes) / len(step.spikes) for step in steps]),
        recorded_model_spikes=np.array(model_spikes),
        **vars(spikes),
    )


def _info(cell: AllenCell, settings: Intracellular, specimen_id: str, cell_type: str, flags: str) -> CurrentsInfo:
    """Return the origin of the currents of a cell."""
    model = cell.model
    return CurrentsInfo(
        model_id=model.model_id,
        specimen_id=specimen_id,
        cell_type=cell_type,
        facts=replace(cell_facts(read_metadata(model.folder)), model_kind=model.kind, flags=flags),
        model_kind=model.kind,
        axon=cell.axon,
        celsius=model.temperature,
        v_init=model.v_init,
        settings=settings,
        versions={package: version(package) for package in ("neuron", "LFPy", "numpy")},
        digests=input_digests(model.folder),
    )


def _print_response(response: Response) -> None:
    print(f"{response.amplitude:.4g} nA: {len(response.peaks)} spikes ({response.verdict})")


@neuron_errors_for_users()
def simulate_spikes(
    cell: AllenCell, settings: Intracellular, progress: Callable[[Response], None] | None = None
) -> SimulatedSpikes:
    """Search for an amplitude, run the accepted step current, and keep the currents around its spikes.

    Parameters
    ----------
    cell : AllenCell
        As `load_cell` returns it, with the `dt` of the settings. Its `tstop` is set here: 100 ms of recovery follow the step.
    settings : Intracellular
    progress : callable, optional
        Called with each `Response` of the search.

    Returns
    -------
    SimulatedSpikes
        If no step current gives the target number of spikes, there are no spikes, and the trace is that of the run with the
        most spikes (runs that were stopped because of too many do not count).

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
    accepted = runs[-1]
    peaks = accepted.peaks
    if accepted.verdict != "good":
        print(f"model {cell.model.model_id}: {format_search(runs, settings.target_spikes)}")
        accepted = max(runs, key=lambda r: len(r.peaks) * (r.verdict != "many"))
        peaks = peaks[:0]
    peaks, imem = record_windows(cell, replace(accepted, peaks=peaks), settings)
    if len(peaks) == 0 and runs[-1].verdict == "good":
        raise UserError(
            f"model {cell.model.model_id}: none of the {len(accepted.peaks)} spikes at {accepted.amplitude:.4g} nA has room "
            f"for a window of {settings.cut_out} ms (intracellular.cut_out)"
        )
    before, after = settings.window_samples
    windows = [accepted.vmem[peak - before : peak + after] for peak in peaks]
    return SimulatedSpikes(
        amplitude=float(accepted.amplitude),
        imem=imem,
        spike_vmem=np.array(windows, dtype=np.float32).reshape(-1, before + after),
        spike_times=np.asarray(peaks * settings.dt, dtype=np.float64),
        vmem=accepted.vmem.astype(np.float32),
        time=accepted.time.astype(np.float32),
        search_amplitude=np.array([r.amplitude for r in runs]),
        search_n_spikes=np.array([len(r.peaks) for r in runs]),
        **segment_geometry(cell),
    )


@neuron_errors_for_users()
def compare_with_recorded(cell: AllenCell, steps: Sequence[RecordedStep], *, threshold: float) -> tuple[list[int], list[bool]]:
    """Run the step currents that the real cell received.

    Parameters
    ----------
    cell : AllenCell
        As `load_cell` returns it. Its `tstop` is set here.
    steps : sequence of RecordedStep
    threshold : float
        Potential that a spike crosses, mV.

    Returns
    -------
    spikes : list of int
        The number of spikes of the model at each step.
    at_rest : list of bool
        Whether the model was back at rest after each step.
    """
    spikes, at_rest = [], []
    for step in steps:
        cell.tstop = SETTLING + step.duration + RECOVERY
        time, vmem = step_response(cell, step.amplitude, delay=SETTLING, duration=step.duration)
        during = (time >= SETTLING) & (time <= SETTLING + step.duration)
        spikes.append(len(spike_peaks(vmem[during], threshold)))
        at_rest.append(bool(vmem[-1] <= vmem[during][0] + RECOVERED))
    return spikes, at_rest


def step_response(
    cell: AllenCell, amplitude: float, *, delay: float, duration: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Run a step current into the soma.

    Parameters
    ----------
    cell : AllenCell
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
    run = _Run(cell, amplitude, delay, duration)
    run.advance(run.n_steps)
    return run.time, run.vmem


class _Run:
    """A fixed-step run of a cell with a step current into soma(0.5), advanced piece by piece."""

    def __init__(self, cell: AllenCell, amplitude: float, delay: float, duration: float) -> None:
        h = neuron.h
        soma = h.soma[0](0.5)
        self.dt = cell.dt
        self.n_steps = round(cell.tstop / cell.dt)
        self.stimulus = h.IClamp(soma)
        self.stimulus.delay, self.stimulus.dur, self.stimulus.amp = delay, duration, amplitude
        self._vmem = h.Vector().record(soma._ref_v)
        h.CVode().active(False)
        h.dt = cell.dt
        h.finitialize(cell.v_init)

    def advance(self, n_steps: int) -> None:
        fadvance = neuron.h.fadvance
        for _ in range(n_steps):
            fadvance()

    @property
    def vmem(self) -> NDArray[np.float64]:
        return self._vmem.as_numpy().copy()

    @property
    def time(self) -> NDArray[np.float64]:
        return np.arange(len(self._vmem)) * self.dt


def respond(cell: AllenCell, amplitude: float, settings: Intracellular) -> Response:
    """Run a step current without recording membrane currents, and judge the response.

    The run is stopped once the spikes exceed the target, because models with many channels take a minute for each second.
    """
    delay, duration, threshold = settings.delay, settings.step_duration, settings.threshold
    lowest, highest = settings.target_spikes
    run = _Run(cell, amplitude, delay, duration)
    piece = max(round(PIECE / run.dt), 1)
    for start in range(0, run.n_steps, piece):
        run.advance(min(piece, run.n_steps - start))
        if len(spike_peaks(run.vmem, threshold)) > highest:
            break
    vmem, peaks = run.vmem, spike_peaks(run.vmem, threshold)
    if len(peaks) > highest:
        verdict = "many"
    elif _blocked(vmem, peaks, run.dt, delay, duration):
        verdict = "block"
    else:
        verdict = "good" if len(peaks) > lowest else "few"
    return Response(amplitude, run.time, vmem, peaks, verdict)


def _blocked(vmem: NDArray[np.float64], peaks: NDArray[np.int64], dt: float, delay: float, duration: float) -> bool:
    """Return whether the cell is depolarised without spikes late in the step, or is not back at rest after it."""
    late = slice(round((delay + 0.8 * duration) / dt), round((delay + duration) / dt))
    no_spikes = not ((peaks >= late.start) & (peaks < late.stop)).any()
    rest = vmem[max(round(delay / dt) - 1, 0)]
    return bool((no_spikes and vmem[late].min() > BLOCK_POTENTIAL) or vmem[-1] > rest + RECOVERED)


def record_windows(
    cell: AllenCell, response: Response, settings: Intracellular
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Run an accepted step current again, and keep the membrane currents of windows around its spikes.

    The first spike is dropped, because its shape differs at the onset of the step. Spikes whose window leaves the step or the
    run are dropped too.

    Returns
    -------
    peaks : numpy.ndarray
        (n_spikes,) sample indices of the peaks of the spikes that are kept.
    imem : numpy.ndarray
        (n_spikes, n_segments, n_t) float32 nA. The peak of a spike is at sample `settings.window_samples[0]`.
    """
    before, after = settings.window_samples
    last = (settings.delay + settings.step_duration) / cell.dt - after
    peaks = response.peaks[1:]
    peaks = peaks[(peaks >= before) & (peaks <= last)]
    # Windows overlap where the cell fires fast: each sample may belong to several.
    wanted: dict[int, list[tuple[int, int]]] = {}
    for spike, peak in enumerate(peaks):
        for k in range(before + after):
            wanted.setdefault(int(peak) - before + k, []).append((spike, k))
    cvode = neuron.h.CVode()
    cvode.use_fast_imem(True)
    try:
        run = _Run(cell, response.amplitude, settings.delay, settings.step_duration)
        gather = _membrane_currents(cell)
        imem = np.empty((len(peaks), cell.totnsegs, before + after), dtype=np.float32)
        step = 0
        for sample in sorted(wanted):
            run.advance(sample - step)
            step = sample
            values = gather()
            for spike, k in wanted[sample]:
                imem[spike, :, k] = values
    finally:
        cvode.use_fast_imem(False)
    return peaks, imem


def _membrane_currents(cell: AllenCell) -> Callable[[], NDArray[np.float64]]:
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


def segment_geometry(cell: AllenCell) -> dict[str, NDArray[Any]]:
    """Return `start`, `end` (n_seg, 3) and `diameter` (n_seg,) of the segments in µm, and `section`, the type of each."""
    kinds = [section.name().split("[")[0] for section in cell.allseclist for _ in section]
    return {
        "start": np.stack([cell.x[:, 0], cell.y[:, 0], cell.z[:, 0]], axis=1),
        "end": np.stack([cell.x[:, 1], cell.y[:, 1], cell.z[:, 1]], axis=1),
        "diameter": np.asarray(cell.d),
        "section": np.array(kinds, dtype=object),
    }

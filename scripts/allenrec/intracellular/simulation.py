"""Spikes of a cell: step currents, the search for an amplitude, and the windows around spikes that are kept.

With `cell`, one of the two modules that touch NEURON. Everything after this stage works on the file written here.
"""

from dataclasses import dataclass, replace

import neuron
import numpy as np

from allenrec.common.errors import UserError
from allenrec.models.recorded_sweeps import DOES_NOT_FIRE

from .cell import neuron_in_words

#: Before a recorded step is repeated, how long the cell has to settle, ms
SETTLING = 100.0
#: After the step, how long the cell has to come back, ms
RECOVERY = 100.0
#: How near to its resting potential is "back", mV. Slow currents keep a healthy cell a few mV away after 100 ms;
#: a cell in depolarisation block stays 40 mV above.
RECOVERED = 15.0
#: A cell whose potential stays above this in the last fifth of the step, without a spike there, is in block, mV
BLOCK_POTENTIAL = -55.0
#: Flag of a model that no step current brings to fire as often as asked
NO_SPIKES = "no usable spikes"
#: When the bracket has closed to this ratio, no amplitude between its ends will help
BRACKET_CLOSED = 1.02


@dataclass(frozen=True)
class Response:
    """One run of a step current: `time` (ms) and somatic `vmem` (mV) of the whole run, spike `peaks` (sample indices).

    `verdict` is "few", "good", "many" or "block"; a run that is seen to have too many spikes is broken off, and its
    arrays end there.
    """

    amplitude: float
    time: np.ndarray
    vmem: np.ndarray
    peaks: np.ndarray
    verdict: str


def spike_peaks(vmem, threshold):
    """Return the sample indices of the spike peaks of a trace.

    A spike is an upward crossing of `threshold` (mV); its peak is the maximum until the trace falls below it again.
    """
    above = np.concatenate(([False], vmem >= threshold, [False]))
    starts = np.flatnonzero(~above[:-1] & above[1:])
    ends = np.flatnonzero(above[:-1] & ~above[1:])
    return np.array([a + np.argmax(vmem[a:b]) for a, b in zip(starts, ends, strict=True) if a > 0], dtype=np.int64)


def step_response(cell, amplitude, *, delay, duration):
    """Run a step current into the soma.

    Parameters
    ----------
    cell : LFPy.Cell
        As `load_cell` returns it; its `dt` and `tstop` (ms) hold.
    amplitude : float
        nA.
    delay, duration : float
        Onset and length of the step, ms.

    Returns
    -------
    time, vmem : numpy.ndarray
        (n,) ms and (n,) mV at soma(0.5), of the whole run, both ends included.
    """
    run = _Run(cell, amplitude, delay, duration)
    run.advance(run.n_steps)
    return run.time, run.vmem


class _Run:
    """A fixed-step run of a cell with a step current into soma(0.5), advanced piece by piece."""

    def __init__(self, cell, amplitude, delay, duration):
        h = neuron.h
        self.dt = cell.dt
        self.n_steps = round(cell.tstop / cell.dt)
        self.stimulus = h.IClamp(h.soma[0](0.5))
        self.stimulus.delay, self.stimulus.dur, self.stimulus.amp = delay, duration, amplitude
        self._vmem = h.Vector().record(h.soma[0](0.5)._ref_v)
        h.CVode().active(False)
        h.dt = cell.dt
        h.finitialize(cell.v_init)

    def advance(self, n_steps):
        fadvance = neuron.h.fadvance
        for _ in range(n_steps):
            fadvance()

    @property
    def vmem(self):
        return self._vmem.as_numpy().copy()

    @property
    def time(self):
        return np.arange(len(self._vmem)) * self.dt


def respond(cell, amplitude, *, delay, duration, target_spikes, threshold):
    """Run a step current without recording currents, and judge it.

    The run is broken off once the spikes exceed the target: models with many channels take a minute a second.
    """
    run = _Run(cell, amplitude, delay, duration)
    piece = max(round(50.0 / run.dt), 1)
    for start in range(0, run.n_steps, piece):
        run.advance(min(piece, run.n_steps - start))
        if len(spike_peaks(run.vmem, threshold)) > target_spikes[1]:
            break
    vmem, peaks = run.vmem, spike_peaks(run.vmem, threshold)
    if len(peaks) > target_spikes[1]:
        verdict = "many"
    elif _blocked(vmem, peaks, run.dt, delay, duration):
        verdict = "block"
    else:
        verdict = "good" if len(peaks) > target_spikes[0] else "few"
    return Response(amplitude, run.time, vmem, peaks, verdict)


def _blocked(vmem, peaks, dt, delay, duration):
    """Whether the cell sits depolarised and silent late in the step, or is not back at rest after it."""
    late = slice(round((delay + 0.8 * duration) / dt), round((delay + duration) / dt))
    silent = not ((peaks >= late.start) & (peaks < late.stop)).any()
    rest = vmem[max(round(delay / dt) - 1, 0)]
    return (silent and vmem[late].min() > BLOCK_POTENTIAL) or vmem[-1] > rest + RECOVERED


def search_amplitude(run, target_spikes, start, max_runs):
    """Look for a step amplitude whose number of spikes lies in the target.

    The number of spikes first rises with the amplitude and falls again when the cell goes into depolarisation block, so
    "few" sends the search up, "many" and "block" send it down, and the bracket is halved on a logarithmic scale.

    Parameters
    ----------
    run : callable
        Amplitude (nA) to `Response`.
    target_spikes : (int, int)
        A run is good when `lowest < number of spikes <= highest`, as in MEArec.
    start : float
        First amplitude, nA.
    max_runs : int

    Returns
    -------
    list of Response
        All runs in order; the last one is good, or none is.
    """
    runs, low, high, amplitude = [], None, None, start
    while len(runs) < max_runs and not (low and high and high / low < BRACKET_CLOSED):
        runs.append(run(amplitude))
        if runs[-1].verdict == "good":
            return runs
        if runs[-1].verdict == "few":
            low = amplitude
        else:
            high = amplitude
        amplitude = np.sqrt(low * high) if low and high else amplitude * (1.75 if low else 0.5)
    return runs


def search_in_words(runs, target_spikes):
    """What a search without success found, as one line."""
    table = ", ".join(
        f"{r.amplitude:.4g} nA: {len(r.peaks)}{' (block)' * (r.verdict == 'block')}"
        for r in sorted(runs, key=lambda r: r.amplitude)
    )
    lowest, highest = target_spikes
    return (
        f"no step current gives {lowest + 1} to {highest} spikes (intracellular.target_spikes); "
        f"spikes found in {len(runs)} runs: {table}"
    )


def record_windows(cell, response, *, delay, duration, cut_out):
    """Run an accepted step current again, and keep the membrane currents of windows around its spikes.

    The first spike is dropped: at the onset of the step its shape differs. Spikes whose window leaves the step or the
    run are dropped too.

    Returns
    -------
    dict
        `imem` (n_spikes, n_segments, n_t) float32 nA, `vmem` (n_spikes, n_t) float32 mV, `times` (n_spikes,) ms. The peak
        of the spike is at sample `int(cut_out[0] / dt)`.
    """
    before, after = (int(t / cell.dt) for t in cut_out)
    last = (delay + duration) / cell.dt - after
    peaks = response.peaks[1:]
    peaks = peaks[(peaks >= before) & (peaks <= last)]
    h = neuron.h
    cvode = h.CVode()
    cvode.use_fast_imem(True)
    try:
        run = _Run(cell, response.amplitude, delay, duration)
        segments = [segment for section in cell.allseclist for segment in section]
        pointers = h.PtrVector(len(segments))
        for i, segment in enumerate(segments):
            pointers.pset(i, segment._ref_i_membrane_)
        gathered = h.Vector(len(segments))
        values = gathered.as_numpy()
        imem = np.empty((len(peaks), len(segments), before + after), dtype=np.float32)
        wanted = {}
        for spike, peak in enumerate(peaks):
            for k in range(before + after):
                wanted.setdefault(int(peak) - before + k, []).append((spike, k))
        step = 0
        for sample in sorted(wanted):
            run.advance(sample - step)
            step = sample
            pointers.gather(gathered)
            for spike, k in wanted[sample]:
                imem[spike, :, k] = values
    finally:
        cvode.use_fast_imem(False)
    windows = [response.vmem[p - before : p + after] for p in peaks]
    return {
        "imem": imem,
        "vmem": np.array(windows, dtype=np.float32).reshape(-1, before + after),
        "times": peaks * cell.dt,
    }


@neuron_in_words()
def compare_with_recorded(cell, steps, *, threshold):
    """Run the step currents that the real cell was given.

    Parameters
    ----------
    cell : LFPy.Cell
        As `load_cell` returns it. Its `tstop` is set here.
    steps : list of RecordedStep
    threshold : float
        Potential that a spike crosses, mV.

    Returns
    -------
    spikes : list of int
        Of the model at each step.
    at_rest : list of bool
        Whether it was back at rest after each.
    """
    spikes, at_rest = [], []
    for step in steps:
        cell.tstop = SETTLING + step.duration + RECOVERY
        time, vmem = step_response(cell, step.amplitude, delay=SETTLING, duration=step.duration)
        during = (time >= SETTLING) & (time <= SETTLING + step.duration)
        spikes.append(len(spike_peaks(vmem[during], threshold)))
        at_rest.append(bool(vmem[-1] <= vmem[during][0] + RECOVERED))
    return spikes, at_rest


@neuron_in_words()
def simulate_spikes(
    cell, *, sim_time, delay, target_spikes, cut_out, threshold, start_amplitude, max_runs, progress=lambda response: None
):
    """Search the amplitude, record the accepted run, and return all that the intracellular file holds.

    Parameters
    ----------
    cell : LFPy.Cell
        As `load_cell` returns it. Its `tstop` is set here.
    sim_time : float
        Length of the run up to the end of the step, s; 100 ms of recovery follow.
    delay : float
        Onset of the step, ms.
    target_spikes, start_amplitude, max_runs
        See `search_amplitude`.
    cut_out : (float, float)
        Window before and after a spike's peak, ms.
    threshold : float
        Potential that a spike crosses, mV.
    progress : callable
        Called with each `Response` of the search.

    Returns
    -------
    dict
        Keys as in the file: `segments`, `spikes`, `trace`, `search` (dicts of arrays), `amplitude` (nA) and `flags`, what is
        wrong with the model, in words. A model that no step current brings to fire as asked has no spikes, and the trace of
        the run with the most of them.

    Raises
    ------
    UserError
        If no spike leaves room for its window, or NEURON stops.
    """
    duration = 1000.0 * sim_time - delay
    cell.tstop = delay + duration + RECOVERY

    def run(amplitude):
        response = respond(cell, amplitude, delay=delay, duration=duration, target_spikes=target_spikes, threshold=threshold)
        progress(response)
        return response

    runs = search_amplitude(run, target_spikes, start_amplitude, max_runs)
    accepted, flags = runs[-1], []
    if accepted.verdict != "good":
        print(f"model {cell.model.model_id}: {search_in_words(runs, target_spikes)}")
        flags = [NO_SPIKES if any(len(r.peaks) for r in runs) else DOES_NOT_FIRE]
        accepted = max(runs, key=lambda r: len(r.peaks) * (r.verdict != "many"))
    usable = accepted if not flags else replace(accepted, peaks=accepted.peaks[:0])
    spikes = record_windows(cell, usable, delay=delay, duration=duration, cut_out=cut_out)
    if len(spikes["times"]) == 0 and not flags:
        raise UserError(
            f"model {cell.model.model_id}: none of the {len(accepted.peaks)} spikes at {accepted.amplitude:.4g} nA has room "
            f"for a window of {cut_out} ms (intracellular.cut_out)"
        )
    return {
        "segments": segment_geometry(cell),
        "spikes": spikes,
        "trace": {"vmem": accepted.vmem.astype(np.float32), "time": accepted.time.astype(np.float32)},
        "search": {
            "amplitude": np.array([r.amplitude for r in runs]),
            "n_spikes": np.array([len(r.peaks) for r in runs]),
        },
        "amplitude": accepted.amplitude,
        "flags": flags,
    }


def segment_geometry(cell):
    """Return `start`, `end` (n, 3) and `diameter` (n,) of the segments in µm, and `section`, the type of each."""
    kinds = [section.name().split("[")[0] for section in cell.allseclist for _ in section]
    return {
        "start": np.stack([cell.x[:, 0], cell.y[:, 0], cell.z[:, 0]], axis=1),
        "end": np.stack([cell.x[:, 1], cell.y[:, 1], cell.z[:, 1]], axis=1),
        "diameter": np.asarray(cell.d),
        "section": kinds,
    }

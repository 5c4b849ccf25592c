"""The search for a step current that gives the target number of spikes. The cell is a function here; NEURON is not needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Ratio of the ends of the bracket at which the search gives up, because no amplitude between them will help
BRACKET_CLOSED = 1.02


@dataclass(frozen=True)
class Response:
    """One run of a step current of `amplitude` nA.

    `time` (ms) and somatic `vmem` (mV), both (n,), cover the whole run; `peaks` are the sample indices of the spikes. `verdict`
    is "few", "good", "many" or "block". A run in which too many spikes are seen is stopped, and its arrays end there.
    """

    amplitude: float
    time: NDArray[np.float64]
    vmem: NDArray[np.float64]
    peaks: NDArray[np.int64]
    verdict: str


def spike_peaks(vmem: NDArray[np.floating], threshold: float) -> NDArray[np.int64]:
    """Return the sample indices of the spike peaks of a trace.

    A spike is an upward crossing of `threshold` (mV); its peak is the maximum until the trace falls below it again.
    """
    above = np.concatenate(([False], vmem >= threshold, [False]))
    starts = np.flatnonzero(~above[:-1] & above[1:])
    ends = np.flatnonzero(above[:-1] & ~above[1:])
    return np.array([a + np.argmax(vmem[a:b]) for a, b in zip(starts, ends, strict=True) if a > 0], dtype=np.int64)


def search_amplitude(
    run: Callable[[float], Response], target_spikes: tuple[int, int], start: float, max_runs: int
) -> list[Response]:
    """Search for a step amplitude whose number of spikes lies in the target.

    The number of spikes first rises with the amplitude and falls again when the cell goes into depolarisation block. So
    "few" sends the search up, "many" and "block" send it down, and the bracket is halved on a logarithmic scale.

    Parameters
    ----------
    run : callable
        Takes an amplitude (nA), returns a `Response`.
    target_spikes : (int, int)
        A run is good when `lowest < number of spikes <= highest`, as in MEArec.
    start : float
        First amplitude, nA.
    max_runs : int
        The search gives up after this number of runs.

    Returns
    -------
    list of Response
        All runs in their order. If a run is good, it is the last one.
    """
    runs: list[Response] = []
    low = high = None
    amplitude = start
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


def format_search(runs: Sequence[Response], target_spikes: tuple[int, int]) -> str:
    """Return in one line what a search without success found."""
    table = ", ".join(
        f"{r.amplitude:.4g} nA: {len(r.peaks)}{' (block)' * (r.verdict == 'block')}"
        for r in sorted(runs, key=lambda r: r.amplitude)
    )
    lowest, highest = target_spikes
    return (
        f"no step current gives {lowest + 1} to {highest} spikes (intracellular.target_spikes); "
        f"spikes found in {len(runs)} runs: {table}"
    )

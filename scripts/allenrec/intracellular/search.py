"""The search for a step current that gives the target number of spikes. The cell is a function here; NEURON is not needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from allenrec.settings.models import Intracellular

#: Ratio of the ends of the bracket at which the search gives up, because no amplitude between them will help
BRACKET_CLOSED = 1.02
#: The same where the upper end gives too many spikes: the cell jumps from silence to a high rate; its first spikes are taken
JUMP_CLOSED = 1.1


#: Largest distance from the resting potential that counts as back at rest, mV. Slow currents keep a healthy cell a few mV away
#: after 100 ms; a cell in depolarisation block stays 40 mV above.
RECOVERED = 15.0
#: A cell without a spike in the last fifth of the step, whose potential there is above this in the median, is in block, mV.
#: Near block it may oscillate, so that the potential is lower at times.
BLOCK_POTENTIAL = -55.0


@dataclass(frozen=True)
class Response:
    """One run of a step current of `amplitude` nA.

    `time` (ms) and somatic `vmem` (mV), both (n,), cover the run; `peaks` are the sample indices of the spikes. `verdict` is
    one of these:

    * "few": fewer spikes than the target;
    * "good": the target number;
    * "many": more. The run is stopped when they are seen, and its arrays end there;
    * "weak": as many as the target or more, but too few of them are usable;
    * "block": the cell is depolarised without spikes late in the step, or not back at rest after it.

    `imem` holds the membrane currents (n_segments, n_t) nA of the window around each usable spike, by the index of its peak.
    """

    amplitude: float
    time: NDArray[np.float64]
    vmem: NDArray[np.float64]
    peaks: NDArray[np.int64]
    verdict: str
    imem: dict[int, NDArray[np.float32]] = field(default_factory=dict)


def judge(vmem: NDArray[np.float64], dt: float, peaks: NDArray[np.int64], n_usable: int, settings: Intracellular) -> str:
    """Return the verdict about a run, as `Response` describes them.

    Parameters
    ----------
    vmem : numpy.ndarray
        (n,) mV at the soma, with `dt` ms between samples.
    peaks : numpy.ndarray
        Sample indices of the spikes, of which `n_usable` are usable.
    settings : Intracellular
    """
    lowest, highest = settings.target_spikes
    if len(peaks) > highest:
        return "many" if n_usable > lowest else "weak"
    start, end = settings.delay, settings.delay + settings.step_duration
    late = slice(round((start + 0.8 * settings.step_duration) / dt), round(end / dt))
    fires_late = bool(((peaks >= late.start) & (peaks < late.stop)).any())
    rest = vmem[max(round(start / dt) - 1, 0)]
    if (not fires_late and np.median(vmem[late]) > BLOCK_POTENTIAL) or vmem[-1] > rest + RECOVERED:
        return "block"
    if n_usable > lowest:
        return "good"
    # A cell that goes on firing with spikes that are too small needs less current; one that has stopped needs more.
    return "weak" if len(peaks) > lowest and fires_late else "few"


def search_amplitude(
    run: Callable[[float], Response], target_spikes: tuple[int, int], start: float, max_runs: int
) -> list[Response]:
    """Search for a step amplitude whose number of spikes lies in the target.

    The number of spikes first rises with the amplitude and falls again when the cell goes into depolarisation block. So
    "few" sends the search up, the other verdicts send it down, and the bracket is halved on a logarithmic scale.

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
        All runs in their order. If a run is good, it is the last one; `accepted` returns the one to take.
    """
    runs: list[Response] = []
    low: float | None = None
    high: Response | None = None
    amplitude = start
    while len(runs) < max_runs and not (low and high and high.amplitude / low < _closed(high)):
        found = run(amplitude)
        runs.append(found)
        if found.verdict == "good":
            return runs
        if found.verdict == "few":
            low = amplitude
        else:
            high = found
        if low and high:
            amplitude = float(np.sqrt(low * high.amplitude))
        else:
            amplitude *= 1.75 if low else 0.5
    return runs


def _closed(high: Response) -> float:
    return JUMP_CLOSED if high.verdict == "many" else BRACKET_CLOSED


def accepted(runs: Sequence[Response]) -> Response | None:
    """Return the run whose spikes are taken: the good one, or the weakest step that gives too many, or None."""
    if runs[-1].verdict == "good":
        return runs[-1]
    return min((r for r in runs if r.verdict == "many"), key=lambda r: r.amplitude, default=None)


def format_search(runs: Sequence[Response], target_spikes: tuple[int, int]) -> str:
    """Return in one line what a search without success found."""
    remarks = {"block": " (block)", "weak": " (weak)"}
    table = ", ".join(
        f"{r.amplitude:.4g} nA: {len(r.peaks)}{remarks.get(r.verdict, '')}" for r in sorted(runs, key=lambda r: r.amplitude)
    )
    lowest, highest = target_spikes
    return (
        f"no step current gives {lowest + 1} to {highest} spikes (intracellular.target_spikes); "
        f"spikes found in {len(runs)} runs: {table}"
    )

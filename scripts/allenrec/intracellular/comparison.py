"""A model beside its recorded cell: rheobase, and spikes at the same distances from it. NEURON is not needed here."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

from allenrec.models.recorded_sweeps import RecordedStep, flags, recorded_rheobase, steps_to_compare

#: Precision with which the rheobase of a model is found: this current (nA), or this share of it if that is more
PRECISION, RELATIVE_PRECISION = 0.01, 0.05
#: A model that is silent up to this multiple of the rheobase of its cell is not searched further
HIGHEST_RHEOBASE = 4.0


@dataclass(frozen=True)
class Comparison:
    """The responses of a model to the steps that its cell received.

    `steps` are those of the cell; `spikes` and `at_rest` say how often the model fired at each, and whether it was back at
    rest afterwards. `cell_rheobase` is as `recorded_rheobase` returns it, `model_rheobase` in nA; they are NaN if they are
    not known.
    """

    steps: Sequence[RecordedStep]
    spikes: list[int]
    at_rest: list[bool]
    cell_rheobase: tuple[float, float]
    model_rheobase: float
    flags: list[str]


def compare(
    recorded: Sequence[RecordedStep],
    n: int,
    tried: Sequence[tuple[float, int]],
    fires: Callable[[float, float], bool],
    respond: Callable[[float, float], tuple[int, bool]],
) -> Comparison:
    """Compare a model with its cell at up to `n` steps.

    A cell fires from its rheobase on, many at a high rate at once. A model whose rheobase differs a little would be far off
    at the same currents, though it fires alike. So it is judged by its spikes at the same current, or, if that is nearer to
    the recorded ones, at a current that is as far from its own rheobase.

    Parameters
    ----------
    recorded : sequence of RecordedStep
        All steps of the cell.
    n : int
        At 0 nothing is compared.
    tried : sequence of (float, int)
        Step currents (nA) that the model received already, and its spikes.
    fires : callable
        Takes amplitude (nA) and duration (ms), returns whether the model fires.
    respond : callable
        Takes the same, returns the number of spikes of the model and whether it was back at rest afterwards.
    """
    steps = steps_to_compare(recorded, n)
    silent, firing = recorded_rheobase(recorded if n else [])
    own = math.nan
    if not math.isnan(firing):
        own = model_rheobase(tried, firing, lambda amplitude: fires(amplitude, recorded[0].duration))
    responses = [respond(step.amplitude, step.duration) for step in steps]
    judged = [count for count, _ in responses]
    if not math.isnan(own):
        judged = [_nearer(step, count, own - firing, respond) for step, count in zip(steps, judged, strict=True)]
    at_rest = [rest for _, rest in responses]
    found = flags(steps, judged, at_rest, (silent, firing), own)
    return Comparison(steps, [count for count, _ in responses], at_rest, (silent, firing), own, found)


def _nearer(step: RecordedStep, count: int, shift: float, respond: Callable[[float, float], tuple[int, bool]]) -> int:
    """Return the number of spikes at a step or at one that is stronger by `shift` nA, whichever is nearer to the recorded."""
    if not flags([step], [count], [True]):
        return count
    shifted, _ = respond(step.amplitude + shift, step.duration)
    return min(count, shifted, key=lambda spikes: abs(spikes - mean(step.spikes)))


def model_rheobase(tried: Sequence[tuple[float, int]], guess: float, fires: Callable[[float], bool]) -> float:
    """Return a step current (nA) at which a model just fires, to a precision; NaN if it fires at none.

    Parameters
    ----------
    tried : sequence of (float, int)
        Amplitudes (nA) and spikes of runs that were made already.
    guess : float
        Where to begin, nA.
    fires : callable
        Takes an amplitude (nA), returns whether the model fires.
    """
    firing = min((amplitude for amplitude, count in tried if count), default=math.inf)
    silent = max((amplitude for amplitude, count in tried if not count and amplitude < firing), default=0.0)
    amplitude = guess
    while math.isinf(firing) or firing - silent > max(PRECISION, RELATIVE_PRECISION * firing):
        if not silent < amplitude < firing:
            amplitude = 1.5 * max(silent, guess) if math.isinf(firing) else (silent + firing) / 2
        if math.isinf(firing) and amplitude > HIGHEST_RHEOBASE * guess:
            return math.nan
        if fires(amplitude):
            firing = amplitude
        else:
            silent = amplitude
    return firing

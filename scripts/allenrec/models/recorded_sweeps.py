"""The recorded sweeps of a cell: how often it fired at step currents, and whether its model does the same."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from allenrec.common.errors import UserError, shown

#: The file of a model folder that says how the real cell responded in the experiment; not every archive has it
SWEEPS = "ephys_sweeps.json"

#: The Allen Institute's name of the 1 s step current
STEP = "Long Square"

#: A model's spike count is far off when its distance from the recorded mean exceeds both this share of the mean and this
#: number of spikes. The fits were judged by the shape of spikes and the mean rate, and repeats of a step differ by a third.
TOLERANCE = 0.5
TOLERATED_SPIKES = 5

#: Largest numbers of a sweep: pA, s, spikes
LARGEST = {"stimulus_absolute_amplitude": 1e6, "stimulus_duration": 1000, "num_spikes": 1e6}
#: The rheobase of a model is far off when it misses the recorded one by more than both this share of it and this current, nA.
RHEOBASE_TOLERANCE = 0.5
TOLERATED_CURRENT = 0.05
#: Steps with fewer recorded spikes judge no model: near rheobase a model may fire at a high rate where its cell fires once.
JUDGING_SPIKES = 2

DOES_NOT_FIRE = "does not fire"
FAR_OFF = "spike counts far off"
NO_RETURN = "does not return to rest"
RHEOBASE_OFF = "rheobase far off"


@dataclass(frozen=True)
class RecordedStep:
    """A step current that the real cell received: `amplitude` (nA), `duration` (ms), the number of spikes at each repeat."""

    amplitude: float
    duration: float
    spikes: tuple[int, ...]


def recorded_steps(sweeps: Iterable[dict[str, Any]]) -> list[RecordedStep]:
    """Return the depolarising steps among the sweeps of an experiment.

    Parameters
    ----------
    sweeps : list of dict
        Rows as in `ephys_sweeps.json`; amplitudes in pA, durations in s.

    Returns
    -------
    list of RecordedStep
        Sorted by amplitude. Amplitudes are rounded to 1 pA; sweeps of the same amplitude are repeats of one step.
    """
    repeats: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for sweep in sweeps:
        amplitude, duration = sweep.get("stimulus_absolute_amplitude"), sweep.get("stimulus_duration")
        if sweep.get("stimulus_name") == STEP and amplitude and duration and round(amplitude) > 0:
            repeats[round(amplitude)].append((float(duration), int(sweep.get("num_spikes") or 0)))
    return [
        RecordedStep(
            amplitude=picoamperes / 1000,
            duration=round(1000 * median(duration for duration, _ in group)),
            spikes=tuple(sorted(spikes for _, spikes in group)),
        )
        for picoamperes, group in sorted(repeats.items())
    ]


def read_recorded_steps(folder: str | Path) -> list[RecordedStep]:
    """Return the recorded steps of a model folder; [] if the archive had no `ephys_sweeps.json`.

    Raises
    ------
    UserError
        If the file does not hold a list of sweeps.
    """
    path = Path(folder) / SWEEPS
    if not path.exists():
        return []
    try:
        sweeps = json.loads(path.read_text(encoding="utf-8"))
        _check_numbers(sweeps)
        return recorded_steps(sweeps)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UserError(f"{path} is not a list of sweeps as in the Allen archives: {shown(error)}") from None


def _check_numbers(sweeps: Iterable[dict[str, Any]]) -> None:
    """Raise an error if a number of a sweep cannot be that of an experiment: NEURON would compute with it for ever."""
    for sweep in sweeps:
        for key, largest in LARGEST.items():
            value = sweep.get(key)
            if value is not None and not (isinstance(value, int | float) and abs(value) <= largest):
                raise ValueError(f"{key} {shown(value)}; a number of at most {largest:g} was expected")


def format_steps(steps: Iterable[RecordedStep]) -> str:
    """Return the steps as text, in pA and spikes, such as "130: 0, 150: 5, 170: 12-19"."""
    return ", ".join(
        f"{1000 * step.amplitude:.0f}: " + "-".join(dict.fromkeys((str(min(step.spikes)), str(max(step.spikes)))))
        for step in steps
    )


def recorded_rheobase(steps: Iterable[RecordedStep]) -> tuple[float, float]:
    """Return between which two steps (nA) the rheobase of the recorded cell lies: the strongest at which it was silent, and the
    weakest at which it fired. Both are NaN if it fired at none, or at all of them."""
    steps = list(steps)
    firing = min((step.amplitude for step in steps if any(step.spikes)), default=math.nan)
    silent = max((step.amplitude for step in steps if step.amplitude < firing), default=math.nan)
    return (silent, firing) if silent < firing else (math.nan, math.nan)


def steps_to_compare(steps: Sequence[RecordedStep], n: int) -> Sequence[RecordedStep]:
    """Choose up to `n` steps at which a model is compared with its cell.

    The steps are spread from the weakest to the strongest at which the cell fired at least `JUDGING_SPIKES` spikes.
    """
    judging = [step for step in steps if mean(step.spikes) >= JUDGING_SPIKES]
    if n >= len(judging):
        return judging[: max(n, 0)]
    return [judging[round(i * (len(judging) - 1) / max(n - 1, 1))] for i in range(n)]


def flags(
    steps: Sequence[RecordedStep],
    spikes: Sequence[int],
    at_rest: Sequence[bool],
    cell_rheobase: tuple[float, float] = (math.nan, math.nan),
    model_rheobase: float = math.nan,
) -> list[str]:
    """Compare a model with its recorded cell; return what is wrong with the model, in words.

    Parameters
    ----------
    steps : sequence of RecordedStep
        The steps that were compared. Those with fewer than `JUDGING_SPIKES` recorded spikes are not judged.
    spikes : sequence of int
        The number of spikes of the model at each step.
    at_rest : sequence of bool
        Whether the model was back at rest after each step.
    cell_rheobase : (float, float)
        As `recorded_rheobase` returns it.
    model_rheobase : float
        In nA; NaN if unknown.

    Returns
    -------
    list of str
        `DOES_NOT_FIRE` if the model fires at no step; `FAR_OFF` if its count misses the recorded one at more than half of the
        steps (see `TOLERANCE`); `RHEOBASE_OFF` if its rheobase misses the recorded one (see `RHEOBASE_TOLERANCE`); `NO_RETURN`
        if it was not back at rest after some step.
    """
    judged = [
        (count, mean(step.spikes)) for step, count in zip(steps, spikes, strict=True) if mean(step.spikes) >= JUDGING_SPIKES
    ]
    missed = [abs(count - expected) > max(TOLERATED_SPIKES, TOLERANCE * expected) for count, expected in judged]
    found = []
    if judged and not any(count for count, _ in judged):
        found.append(DOES_NOT_FIRE)
    elif sum(missed) > len(missed) / 2:
        found.append(FAR_OFF)
    silent, firing = cell_rheobase
    if max(silent - model_rheobase, model_rheobase - firing) > max(TOLERATED_CURRENT, RHEOBASE_TOLERANCE * firing):
        found.append(RHEOBASE_OFF)
    if not all(at_rest):
        found.append(NO_RETURN)
    return found

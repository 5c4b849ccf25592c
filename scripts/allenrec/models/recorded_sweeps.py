"""The recorded cell: how often it fired at step currents, and whether its model does the same."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from allenrec.common.errors import UserError

from .archive import SWEEPS

#: The Allen Institute's name of the 1 s step current
STEP = "Long Square"

#: A model's spike count is far off when it misses the recorded mean by more than this share of it, and by more than so many
#: spikes. The fits were judged by the shape of spikes and the mean rate, and repeats of a step differ by a third themselves.
TOLERANCE = 0.5
TOLERATED_SPIKES = 5

DOES_NOT_FIRE = "does not fire"
FAR_OFF = "spike counts far off"
NO_RETURN = "does not return to rest"


@dataclass(frozen=True)
class RecordedStep:
    """A step current that was given to the real cell: `amplitude` (nA), `duration` (ms), `spikes`, a count for each repeat."""

    amplitude: float
    duration: float
    spikes: tuple


def recorded_steps(sweeps):
    """Return the depolarising steps among the sweeps of an experiment.

    Parameters
    ----------
    sweeps : list of dict
        Rows as in `ephys_sweeps.json`; amplitudes in pA, durations in s.

    Returns
    -------
    list of RecordedStep
        By amplitude. Repeats are put together; amplitudes are rounded to 1 pA.
    """
    repeats = defaultdict(list)
    for sweep in sweeps:
        amplitude, duration = sweep.get("stimulus_absolute_amplitude"), sweep.get("stimulus_duration")
        if sweep.get("stimulus_name") == STEP and amplitude and duration and round(amplitude) > 0:
            repeats[round(amplitude)].append((float(duration), int(sweep.get("num_spikes") or 0)))
    return [
        RecordedStep(
            amplitude=picoamperes / 1000,
            duration=round(1000 * median(duration for duration, _ in of_amplitude)),
            spikes=tuple(sorted(spikes for _, spikes in of_amplitude)),
        )
        for picoamperes, of_amplitude in sorted(repeats.items())
    ]


def read_recorded_steps(folder):
    """Return the recorded steps of a model folder; [] if the archive had no `ephys_sweeps.json`.

    Raises
    ------
    UserError
        If the file is there and is not one.
    """
    path = Path(folder) / SWEEPS
    if not path.exists():
        return []
    try:
        return recorded_steps(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a list of sweeps as in the Allen archives: {error!r}") from None


def spikes_in_words(steps):
    """Return the steps as text, in pA and spikes, such as "130: 0, 150: 5, 170: 12-19"."""
    return ", ".join(
        f"{1000 * step.amplitude:.0f}: " + "-".join(dict.fromkeys((str(min(step.spikes)), str(max(step.spikes)))))
        for step in steps
    )


def steps_to_compare(steps, n):
    """Choose up to `n` steps on which a model is compared with its cell: of those that made the cell fire, spread from the
    weakest to the strongest; if none did, the strongest."""
    firing = [step for step in steps if mean(step.spikes) > 0] or steps[-1:]
    if n >= len(firing):
        return firing[: max(n, 0)]
    places = [round(i * (len(firing) - 1) / max(n - 1, 1)) for i in range(n)]
    return [firing[place] for place in places]


def flags(steps, spikes, at_rest):
    """Return what is wrong with a model, in words.

    Parameters
    ----------
    steps : list of RecordedStep
        Those that were compared.
    spikes : list of int
        The model's spikes at each.
    at_rest : list of bool
        Whether the model was back at rest after each.

    Returns
    -------
    list of str
        `DOES_NOT_FIRE`: silent at every step, where the cell fired. `FAR_OFF`: at more than half of the steps the count
        misses the recorded one (see `TOLERANCE`). `NO_RETURN`: after some step.
    """
    recorded = [mean(step.spikes) for step in steps]
    missed = [
        abs(count - of_cell) > max(TOLERATED_SPIKES, TOLERANCE * of_cell)
        for count, of_cell in zip(spikes, recorded, strict=True)
    ]
    found = []
    if any(recorded) and not any(spikes):
        found.append(DOES_NOT_FIRE)
    elif sum(missed) > len(missed) / 2:
        found.append(FAR_OFF)
    if not all(at_rest):
        found.append(NO_RETURN)
    return found

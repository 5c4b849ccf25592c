"""Which templates are accepted, and how they are aligned in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from allenrec.waveforms.as_recorded import AsRecorded, as_recorded, pre_peak, recorded

if TYPE_CHECKING:
    from allenrec.settings.libraries import Acceptance


class Limits(NamedTuple):
    """The limits that an accepted template keeps; see `is_accepted`.

    `min_amp` µV; `check_shape`, whether there are limits of the shape, which is judged `as_recorded`; `max_peak` and
    `max_pre_peak`, the highest positive peaks, at any contact and before the trough of the deepest contact, as shares of the
    deepest trough.
    """

    min_amp: np.float32
    check_shape: bool
    max_peak: float
    max_pre_peak: float
    as_recorded: AsRecorded

    @classmethod
    def of(cls, acceptance: Acceptance, dt: float) -> Limits:
        """Return the limits that the settings ask for, for templates with `dt` ms between samples."""
        max_peak = 1.0 if acceptance.check_eap_shape else np.inf
        max_pre_peak = np.inf if acceptance.max_pre_peak is None else acceptance.max_pre_peak
        # float32, as templates are, so that all comparisons are the same
        amplitude, check_shape = np.float32(acceptance.min_amp), bool(np.isfinite([max_peak, max_pre_peak]).any())
        return cls(amplitude, check_shape, float(max_peak), float(max_pre_peak), as_recorded(dt))


@numba.njit(cache=True, nogil=True)
def accepted_templates(
    numbers: NDArray[np.int64], potentials: NDArray[np.float32], sample: int, limits: Limits
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Align `potentials` (n, n_contacts, n_t) µV, and return the accepted templates with their `numbers` (n,), numbers first.

    See `aligned` and `is_accepted`. Accepted templates are moved to the front of `potentials`. The function is compiled so that
    threads do not wait for Python's global lock. Most functions below are compiled into it, because numba would compile them
    once for themselves and once more for each level of callers.
    """
    n_accepted = 0
    for k in range(len(numbers)):
        template = aligned(potentials[k], sample)
        if is_accepted(template, limits):
            numbers[n_accepted] = numbers[k]
            _copy(template, potentials[n_accepted])
            n_accepted += 1
    return numbers[:n_accepted], potentials[:n_accepted]


@numba.njit(cache=True, nogil=True, inline="always")
def is_accepted(template: NDArray[np.float32], limits: Limits) -> bool:
    """Return whether a template (n_contacts, n_t) µV reaches the amplitude and, as a recording shows it, keeps its shape.

    The amplitude is that of the template itself, as for MEArec, which judges the shape so too. However, a filter takes most of
    the slow positive end of a spike away, and leaves the fast positive peak that an axon gives in front.
    """
    lowest = _extremes(template)[0]
    if -lowest < limits.min_amp:
        return False
    if not limits.check_shape:
        return True
    filtered = recorded(deep_contacts(template, limits.as_recorded), limits.as_recorded)
    lowest, highest, deepest = _extremes(filtered)
    # A flat template is as high as it is deep, and any share of nothing is no number
    return not (highest > limits.max_peak * -lowest or pre_peak(filtered[deepest]) > limits.max_pre_peak * -lowest)


@numba.njit(cache=True, nogil=True)
def _extremes(template: NDArray[np.floating[Any]]) -> tuple[float, float, int]:
    """Return the lowest and the highest value of a template (n_contacts, n_t), and the first contact with the lowest.

    A loop: NumPy's functions would take a second each to compile.
    """
    lowest, highest, deepest = template[0, 0], template[0, 0], 0
    for c in range(template.shape[0]):
        for t in range(template.shape[1]):
            highest = max(highest, template[c, t])
            if template[c, t] < lowest:
                lowest, deepest = template[c, t], c
    return lowest, highest, deepest


@numba.njit(cache=True, nogil=True, inline="always")
def _copy(template: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Write a template into an array of its shape."""
    for c in range(template.shape[0]):
        for t in range(template.shape[1]):
            out[c, t] = template[c, t]


@numba.njit(cache=True, nogil=True, inline="always")
def deep_contacts(template: NDArray[np.float32], how: AsRecorded) -> NDArray[np.float32]:
    """Return the contacts (n, n_t) of a template that can have its deepest trough or its highest peak after the filter.

    On large probes these are few. At the others the filter leaves less than its trough at the contact that is deepest now.
    """
    now = _extremes(template)[2]
    trough = -_extremes(recorded(template[now : now + 1], how))[0]
    deep, n = np.empty_like(template), 0
    for c in range(len(template)):
        low, high = 0.0, 0.0
        for v in template[c]:
            low, high = min(low, v), max(high, v)
        if c == now or how.gain * (high - low) >= trough:
            _copy(template[c : c + 1], deep[n : n + 1])
            n += 1
    return deep[:n]


@numba.njit(cache=True, nogil=True, inline="always")
def aligned(template: NDArray[np.float32], sample: int) -> NDArray[np.float32]:
    """Shift a template in time so that its lowest value, over all contacts, lies at `sample`, and let it start at zero.

    Samples that the shift leaves empty at one end have the value of that end. The potential at the new first sample becomes the
    baseline.
    """
    return shifted(template, shift_to(template, sample))


@numba.njit(cache=True, nogil=True, inline="always")
def shift_to(template: NDArray[np.float32], sample: int) -> int:
    """Return how many samples after `sample` a template (n_contacts, n_t) first has its lowest value."""
    lowest, where = template[0, 0], 0
    for trace in template:
        for t, v in enumerate(trace):
            if v < lowest or (v == lowest and t < where):
                lowest, where = v, t
    return where - sample


@numba.njit(cache=True, nogil=True)
def shifted(template: NDArray[np.float32], shift: int) -> NDArray[np.float32]:
    """Move a template (n_contacts, n_t) to earlier times by `shift` samples, and let it start at zero."""
    n_t = template.shape[1]
    first = min(max(-shift, 0), n_t)
    last = max(min(n_t - shift, n_t), first)
    out = np.empty_like(template)
    for c, trace in enumerate(template):
        start = trace[min(max(shift, 0), n_t - 1)]
        before, moved, after = out[c, :first], out[c, first:last], out[c, last:]
        kept = trace[first + shift : last + shift]
        for t in range(len(before)):
            before[t] = trace[0] - start
        for t in range(len(moved)):
            moved[t] = kept[t] - start
        for t in range(len(after)):
            after[t] = trace[n_t - 1] - start
    return out

"""Which templates are accepted, and how they are aligned in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

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
    threads do not wait for Python's global lock.
    """
    n_accepted = 0
    for k in range(len(numbers)):
        template = aligned(potentials[k], sample)
        if is_accepted(template, limits):
            numbers[n_accepted], potentials[n_accepted] = numbers[k], template
            n_accepted += 1
    return numbers[:n_accepted], potentials[:n_accepted]


@numba.njit(cache=True, nogil=True)
def is_accepted(template: NDArray[np.float32], limits: Limits) -> bool:
    """Return whether a template (n_contacts, n_t) µV reaches the amplitude and, as a recording shows it, keeps its shape.

    The amplitude is that of the template itself, as for MEArec, which judges the shape so too. However, a filter takes most of
    the slow positive end of a spike away, and leaves the fast positive peak that an axon gives in front.
    """
    if -template.min() < limits.min_amp:
        return False
    if not limits.check_shape:
        return True
    filtered = recorded(deep_contacts(template, limits.as_recorded), limits.as_recorded)
    deepest = filtered[filtered.argmin() // filtered.shape[1]]
    trough = -deepest.min()
    # A flat template is as high as it is deep, and any share of nothing is no number
    return not (filtered.max() > limits.max_peak * trough or pre_peak(deepest) > limits.max_pre_peak * trough)


@numba.njit(cache=True, nogil=True)
def deep_contacts(template: NDArray[np.float32], how: AsRecorded) -> NDArray[np.float32]:
    """Return the contacts (n, n_t) of a template that can have its deepest trough or its highest peak after the filter.

    On large probes these are few. At the others the filter leaves less than its trough at the contact that is deepest now.
    """
    now = template.argmin() // template.shape[1]
    trough = -recorded(template[now : now + 1], how).min()
    ranges = [max(trace.max(), 0) - min(trace.min(), 0) for trace in template]
    return template[np.array([c for c, r in enumerate(ranges) if c == now or how.gain * r >= trough])]


@numba.njit(cache=True, nogil=True)
def aligned(template: NDArray[np.float32], sample: int) -> NDArray[np.float32]:
    """Shift a template in time so that its lowest value, over all contacts, lies at `sample`, and let it start at zero.

    Samples that the shift leaves empty at one end have the value of that end. The potential at the new first sample becomes the
    baseline.
    """
    return shifted(template, shift_to(template, sample))


@numba.njit(cache=True, nogil=True)
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
    out = np.empty_like(template)
    for c, trace in enumerate(template):
        start = trace[min(max(shift, 0), n_t - 1)]
        for t in range(n_t):
            out[c, t] = trace[min(max(t + shift, 0), n_t - 1)] - start
    return out


@numba.njit(cache=True, nogil=True)
def all_shifted(templates: NDArray[np.float32], shift: int) -> NDArray[np.float32]:
    """Return several templates (n, n_contacts, n_t), each `shifted` by as many samples."""
    out = np.empty_like(templates)
    for k in range(len(templates)):
        out[k] = shifted(templates[k], shift)
    return out

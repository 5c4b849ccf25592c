"""Templates: the extracellular spike of a cell that stands beside a probe."""

import numba
import numpy as np

from .amplitude_bound import EVERYWHERE, loud_region, touches
from .forward_model import WORK_ROWS, prepare_segments, transfer
from .poses import place, seen_from_cell, turns


def spike_currents(imem):
    """Return the membrane currents of spikes without the stimulus, float32, same shape (n_spikes, n_seg, n_t) and unit.

    Recorded currents add up to the current that the stimulating electrode injects, so that their field holds the monopole
    of that electrode; and between spikes of a train a cell is not at rest. The injected current is constant during the step,
    so the currents of the first sample of each window are subtracted: what remains is the spike's own, adds up to zero at
    every sample, and its field starts at zero.
    """
    return imem - imem[:, :, :1]


def eap(currents, start, end, diameter, probe_points, *, sigma, source, image_factor):
    """Return the extracellular action potential of one spike of a cell where it stands.

    Parameters
    ----------
    currents : numpy.ndarray
        (n_seg, n_t) nA: one of the spikes that `spike_currents` returns.
    start, end, diameter : numpy.ndarray
        Segments as they are placed: (n_seg, 3), (n_seg, 3) and (n_seg,) µm.
    probe_points : numpy.ndarray
        (n_contacts, n_points, 3) µm; the potential is averaged over the points of a contact.
    sigma, source
        See `transfer_matrix`.
    image_factor : float
        2 for contacts in an insulating plane (method of images), 1 in open tissue.

    Returns
    -------
    numpy.ndarray
        (n_contacts, n_t) float32 µV.
    """
    segments = prepare_segments(start, end, diameter, sigma=sigma, source=source)
    still = (np.eye(3)[np.newaxis], np.zeros((1, 3)), np.zeros(1, dtype=np.int64))
    return loud_templates(segments, EVERYWHERE, probe_points, *still, currents[np.newaxis], image_factor, np.float32(0))[1][0]


@numba.njit(cache=True, nogil=True)
def loud_templates(segments, region, probe_points, matrices, positions, spikes, currents, image_factor, min_amp):
    """Return the numbers (m,) and templates (m, n_contacts, n_t) float32 µV of poses at which a cell may be loud enough.

    Most poses end before their template is computed: no contact has a point where the cell can be loud, or those that have
    one are not loud.

    Parameters
    ----------
    segments : Segments
        In the frame of the cell.
    region : LoudRegion
    probe_points : numpy.ndarray
        (n_contacts, n_points, 3) µm.
    matrices, positions, spikes : numpy.ndarray
        Poses: (n, 3, 3), see `poses.turns`, (n, 3) µm, and (n,) indices into `currents`.
    currents : numpy.ndarray
        (n_spikes, n_seg, n_t) float32 nA, zero at the first sample.
    image_factor : float
        See `eap`.
    min_amp : numpy.float32
        µV. Templates none of whose contacts has such a `drawdown` are left out.
    """
    n_contacts, n_points, _ = probe_points.shape
    n_seg, n_t = currents.shape[1:]
    numbers = np.empty(len(positions), dtype=np.int64)
    templates = np.empty((len(positions), n_contacts, n_t), dtype=np.float32)
    perhaps = np.empty(n_contacts, dtype=np.bool_)
    points = np.empty((n_points, 3))
    work, row, weights = np.empty((WORK_ROWS, n_seg)), np.empty(n_seg), np.empty((n_contacts, n_seg), dtype=np.float32)
    n_loud = 0
    for k in range(len(positions)):
        for c in range(n_contacts):
            perhaps[c] = touches(region, probe_points[c], matrices[k], positions[k])
        loud = min_amp <= 0
        for wanted in (True, False):  # the contacts that may be loud, and then, if one is, the others
            contacts = np.flatnonzero(perhaps == wanted)
            for i, c in enumerate(contacts):
                for q in range(n_points):
                    points[q, 0], points[q, 1], points[q, 2] = seen_from_cell(probe_points[c, q], matrices[k], positions[k])
                transfer(segments, points, work, row)
                for s in range(n_seg):
                    weights[i, s] = 1000.0 * image_factor * row[s]  # mV to µV
            weighted_sums(weights, currents[spikes[k]], contacts, templates[n_loud])
            for c in contacts:
                loud = loud or drawdown(templates[n_loud, c]) >= min_amp
            if not loud:
                break
        if loud:
            numbers[n_loud] = k
            n_loud += 1
    return numbers[:n_loud], templates[:n_loud]


@numba.njit(cache=True, nogil=True)
def weighted_sums(weights, currents, rows, out):
    """The sums over segments of `weights` (n, n_seg) times `currents` (n_seg, n_t), all float32, into `rows` (n,) of `out`.

    A sum does not depend on what else is computed, to the last bit; of BLAS this is not true, and the number of its threads
    matters as well. Four segments of four sums at a time save most of the loads and stores.
    """
    n, n_seg, n_t = len(rows), *currents.shape
    fours = n_seg - n_seg % 4
    for row in rows:
        out[row] = 0
    for c in range(0, n - n % 4, 4):
        a, b, d, e = weights[c], weights[c + 1], weights[c + 2], weights[c + 3]
        sum_a, sum_b, sum_d, sum_e = out[rows[c]], out[rows[c + 1]], out[rows[c + 2]], out[rows[c + 3]]
        for s in range(0, fours, 4):
            a0, a1, a2, a3 = a[s], a[s + 1], a[s + 2], a[s + 3]
            b0, b1, b2, b3 = b[s], b[s + 1], b[s + 2], b[s + 3]
            d0, d1, d2, d3 = d[s], d[s + 1], d[s + 2], d[s + 3]
            e0, e1, e2, e3 = e[s], e[s + 1], e[s + 2], e[s + 3]
            i0, i1, i2, i3 = currents[s], currents[s + 1], currents[s + 2], currents[s + 3]
            for t in range(n_t):
                x0, x1, x2, x3 = i0[t], i1[t], i2[t], i3[t]
                sum_a[t] += (a0 * x0 + a1 * x1) + (a2 * x2 + a3 * x3)
                sum_b[t] += (b0 * x0 + b1 * x1) + (b2 * x2 + b3 * x3)
                sum_d[t] += (d0 * x0 + d1 * x1) + (d2 * x2 + d3 * x3)
                sum_e[t] += (e0 * x0 + e1 * x1) + (e2 * x2 + e3 * x3)
        for s in range(fours, n_seg):
            for t in range(n_t):
                sum_a[t] += a[s] * currents[s, t]
                sum_b[t] += b[s] * currents[s, t]
                sum_d[t] += d[s] * currents[s, t]
                sum_e[t] += e[s] * currents[s, t]
    for c in range(n - n % 4, n):
        _add_weighted(weights[c], currents, out[rows[c]])


@numba.njit(cache=True, nogil=True)
def _add_weighted(weights, currents, out):
    """One of the sums of `weighted_sums`, in the same order."""
    n_seg, n_t = currents.shape
    fours = n_seg - n_seg % 4
    for s in range(0, fours, 4):
        w0, w1, w2, w3 = weights[s], weights[s + 1], weights[s + 2], weights[s + 3]
        i0, i1, i2, i3 = currents[s], currents[s + 1], currents[s + 2], currents[s + 3]
        for t in range(n_t):
            out[t] += (w0 * i0[t] + w1 * i1[t]) + (w2 * i2[t] + w3 * i3[t])
    for s in range(fours, n_seg):
        for t in range(n_t):
            out[t] += weights[s] * currents[s, t]


@numba.njit(cache=True, nogil=True)
def drawdown(trace):
    """The most that a trace (n_t,) falls from any earlier sample: no shift and no baseline makes it louder."""
    high, fall = trace[0], trace[0] - trace[0]
    for v in trace:
        high = max(high, v)
        fall = max(fall, high - v)
    return fall


@numba.njit(cache=True, nogil=True)
def accepted_templates(numbers, fields, sample, min_amp, check_eap_shape):
    """Return those of the `numbers` (n,) whose potentials (n, n_contacts, n_t) µV are accepted, and their templates.

    See `aligned` and `is_accepted`. What is accepted is moved to the front of `fields`. Compiled, so that threads do not
    wait for each other's Python.
    """
    n_accepted = 0
    for k in range(len(numbers)):
        template = aligned(fields[k], sample)
        if is_accepted(template, min_amp, check_eap_shape):
            numbers[n_accepted], fields[n_accepted] = numbers[k], template
            n_accepted += 1
    return numbers[:n_accepted], fields[:n_accepted]


@numba.njit(cache=True, nogil=True)
def is_accepted(template, min_amp, check_eap_shape):
    """Whether a template is loud enough (µV) and, if asked for, more negative than positive; as in MEArec."""
    lowest = -template.min()
    return lowest >= min_amp and (not check_eap_shape or lowest >= template.max())


@numba.njit(cache=True, nogil=True)
def aligned(template, sample):
    """Shift a template in time so that its lowest value, over all contacts, lies at `sample`, and let it start at zero.

    What a shift leaves open at one end is filled with the value of that end. Where the start moves into the window, the
    potential there is the new baseline.
    """
    return shifted(template, shift_to(template, sample))


@numba.njit(cache=True, nogil=True)
def shift_to(template, sample):
    """Return how many samples later than `sample` the lowest value of a template (n_contacts, n_t) lies, the first if equal."""
    lowest, where = template[0, 0], 0
    for trace in template:
        for t, v in enumerate(trace):
            if v < lowest or (v == lowest and t < where):
                lowest, where = v, t
    return where - sample


@numba.njit(cache=True, nogil=True)
def shifted(template, shift):
    """Move a template (n_contacts, n_t) to earlier times by `shift` samples, and let it start at zero."""
    n_t = template.shape[1]
    out = np.empty_like(template)
    for c, trace in enumerate(template):
        start = trace[min(max(shift, 0), n_t - 1)]
        for t in range(n_t):
            out[c, t] = trace[min(max(t + shift, 0), n_t - 1)] - start
    return out


class CellOnProbe:
    """A cell beside a probe: the templates of poses, and which of them are accepted.

    Parameters
    ----------
    currents : numpy.ndarray
        (n_spikes, n_seg, n_t) float32 nA; see `spike_currents`.
    geometry : (start, end, diameter)
        Segments, (n_seg, 3), (n_seg, 3) and (n_seg,) µm, soma at the origin.
    probe_points : numpy.ndarray
        (n_contacts, n_points, 3) µm.
    sigma, source, image_factor
        See `eap`.
    min_amp, check_eap_shape
        See `is_accepted`; µV.
    peak_sample : int
        Where the lowest value of every template lies.
    bounded : bool
        Whether to bound the field before it is computed. The result is the same.
    threads : int
        To find that bound with.
    """

    def __init__(
        self,
        currents,
        geometry,
        probe_points,
        *,
        sigma,
        source,
        image_factor,
        min_amp,
        check_eap_shape,
        peak_sample,
        bounded=True,
        threads=1,
    ):
        self.currents, self.probe_points = (np.ascontiguousarray(array) for array in (currents, probe_points))
        self.geometry = geometry
        self.sigma, self.source, self.image_factor = sigma, source, image_factor
        # float32, as templates are, so that all comparisons are the same
        self.min_amp, self.check_eap_shape, self.peak_sample = np.float32(min_amp), check_eap_shape, peak_sample
        self.isotropic = np.ptp(sigma) == 0
        self.segments = prepare_segments(*geometry, sigma=sigma, source=source)
        self.region = EVERYWHERE
        if bounded and self.isotropic and min_amp > 0 and len(currents):
            medium = {"sigma": float(np.mean(sigma)), "source": source, "factor": 1000.0 * image_factor}
            self.region = loud_region(self.currents, geometry, **medium, threshold=float(self.min_amp), threads=threads)

    def judge(self, poses, usable=None):
        """Return (index of the pose, template) of those of some poses that are accepted, in order.

        `usable`, (n,) bool, leaves out those that are refused for another reason.
        """
        rows = np.arange(len(poses)) if usable is None else np.flatnonzero(usable)
        loud = self._loud(poses[rows], self.region, self.min_amp)
        accepted = accepted_templates(*loud, self.peak_sample, self.min_amp, self.check_eap_shape)
        # Copies, for the array holds all that were tried
        return [(int(rows[k]), template.copy()) for k, template in zip(*accepted, strict=True)]

    def template(self, pose):
        """Return the template (n_contacts, n_t) float32 µV of a pose (`Poses` of one), whether it would be accepted or not."""
        return aligned(self._fields(pose)[0], self.peak_sample)

    def along(self, pose, displacements, centre):
        """Return the templates (n_steps, n_contacts, n_t) float32 µV of a pose (`Poses` of one) that is moved.

        All are shifted in time by what aligns step `centre`, so that latencies along the path are kept.
        """
        fields = self._fields(pose.along(displacements))
        shift = shift_to(fields[centre], self.peak_sample)
        return np.array([shifted(field, shift) for field in fields])

    def _fields(self, poses):
        """Return the potentials (n, n_contacts, n_t) of poses."""
        return self._loud(poses, EVERYWHERE, np.float32(0))[1]

    def _loud(self, poses, region, min_amp):
        """Return the numbers (m,) and potentials (m, n_contacts, n_t) of poses that may be loud enough."""
        rest = (self.currents, self.image_factor, min_amp)
        if self.isotropic:
            cell = (self.segments, region, self.probe_points)
            return loud_templates(*cell, turns(poses.rotations), poses.positions, poses.spikes, *rest)
        # The medium does not turn with the cell, so the cell is turned in it
        start, end, diameter = self.geometry
        fields, numbers = np.empty((len(poses), len(self.probe_points), self.currents.shape[2]), dtype=np.float32), []
        for k, rotation in enumerate(poses.rotations):
            turned = (place(start, rotation, np.zeros(3)), place(end, rotation, np.zeros(3)), diameter)
            cell = (prepare_segments(*turned, sigma=self.sigma, source=self.source), region, self.probe_points)
            pose = (np.eye(3)[np.newaxis], poses.positions[k : k + 1], poses.spikes[k : k + 1])
            for field in loud_templates(*cell, *pose, *rest)[1]:
                fields[len(numbers)] = field
                numbers.append(k)
        return np.array(numbers, dtype=np.int64), fields[: len(numbers)]

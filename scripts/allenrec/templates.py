"""Templates: the extracellular spike of a cell at a pose, and the sampling of poses until enough are accepted."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numba
import numpy as np

from .extracellular import WORK_ROWS, prepare_segments, transfer
from .loudness import EVERYWHERE, loud_region, touches
from .poses import BLOCK, draw_candidates, place, seen_from_cell, turns


@dataclass(frozen=True)
class Templates:
    """Accepted templates of one cell on one probe.

    `templates` (n, n_contacts, n_t) float32 µV, `locations` (n, 3) µm, `rotations` (n, 3) rad, `spike_indices` (n,),
    `candidates` (n,): poses tried for each, its own included; `n_candidates`: all poses tried.
    """

    templates: np.ndarray
    locations: np.ndarray
    rotations: np.ndarray
    spike_indices: np.ndarray
    candidates: np.ndarray
    n_candidates: int

    @property
    def acceptance_rate(self):
        """The share of poses that were accepted."""
        return len(self.templates) / self.n_candidates if self.n_candidates else 0.0


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
    work, row, weights = np.empty((WORK_ROWS, n_seg)), np.empty(n_seg), np.empty(n_seg, dtype=np.float32)
    n_loud = 0
    for k in range(len(positions)):
        for c in range(n_contacts):
            perhaps[c] = touches(region, probe_points[c], matrices[k], positions[k])
        loud = False
        for wanted in (True, False):  # the contacts that may be loud, and then, if one is, the others
            for c in np.flatnonzero(perhaps == wanted):
                for q in range(n_points):
                    points[q, 0], points[q, 1], points[q, 2] = seen_from_cell(probe_points[c, q], matrices[k], positions[k])
                transfer(segments, points, work, row)
                for s in range(n_seg):
                    weights[s] = 1000.0 * image_factor * row[s]  # mV to µV
                trace = templates[n_loud, c]
                weighted_sum(weights, currents[spikes[k]], trace)
                loud = loud or (wanted and drawdown(trace) >= min_amp)
            if not loud:
                break
        if loud:
            numbers[n_loud] = k
            n_loud += 1
    return numbers[:n_loud], templates[:n_loud]


@numba.njit(cache=True, nogil=True)
def weighted_sum(weights, currents, out):
    """The sum over segments of `weights` (n_seg,) times `currents` (n_seg, n_t), into `out` (n_t,), all float32.

    It does not depend on what else is computed, to the last bit; of BLAS this is not true, and the number of its threads
    matters as well. Four segments at a time save most of the loads and stores of the sum.
    """
    n_seg, n_t = currents.shape
    fours = n_seg - n_seg % 4
    out[:] = 0
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


def is_accepted(template, min_amp, check_eap_shape):
    """Whether a template is loud enough (µV) and, if asked for, more negative than positive; as in MEArec."""
    lowest = -template.min()
    return lowest >= min_amp and (not check_eap_shape or lowest >= template.max())


def aligned(template, sample):
    """Shift a template in time so that its lowest value, over all contacts, lies at `sample`, and let it start at zero.

    What a shift leaves open at one end is filled with the value of that end. Where the start moves into the window, the
    potential there is the new baseline.
    """
    n_t = template.shape[1]
    shift = int(np.argmin(template.min(axis=0))) - sample
    indices = np.clip(np.arange(n_t) + shift, 0, n_t - 1)
    return template.take(indices, axis=1) - template[:, indices[:1]]


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
    ):
        self.currents, self.probe_points = (np.ascontiguousarray(array) for array in (currents, probe_points))
        self.geometry = geometry
        self.sigma, self.source, self.image_factor = sigma, source, image_factor
        # float32, as templates are, so that all comparisons are the same
        self.min_amp, self.check_eap_shape, self.peak_sample = np.float32(min_amp), check_eap_shape, peak_sample
        self.isotropic = np.ptp(sigma) == 0
        self.segments = prepare_segments(*geometry, sigma=sigma, source=source)
        self.region = EVERYWHERE
        if bounded and self.isotropic and min_amp > 0:
            medium = {"sigma": float(np.mean(sigma)), "source": source, "factor": 1000.0 * image_factor}
            self.region = loud_region(self.currents, geometry, **medium, threshold=float(self.min_amp))

    def judge(self, poses):
        """Return (index of the pose, template) of those of some poses that are accepted, in order."""
        accepted = []
        for k, template in self._loud(poses):
            template = aligned(template, self.peak_sample)
            if is_accepted(template, self.min_amp, self.check_eap_shape):
                accepted.append((int(k), template))
        return accepted

    def _loud(self, poses):
        """Yield (index of the pose, template) of those that may be loud enough."""
        rest = (self.currents, self.image_factor, self.min_amp)
        if self.isotropic:
            cell = (self.segments, self.region, self.probe_points)
            yield from zip(*loud_templates(*cell, turns(poses.rotations), poses.positions, poses.spikes, *rest), strict=True)
            return
        # The medium does not turn with the cell, so the cell is turned in it
        start, end, diameter = self.geometry
        for k, rotation in enumerate(poses.rotations):
            turned = (place(start, rotation, np.zeros(3)), place(end, rotation, np.zeros(3)), diameter)
            cell = (prepare_segments(*turned, sigma=self.sigma, source=self.source), self.region, self.probe_points)
            pose = (np.eye(3)[np.newaxis], poses.positions[k : k + 1], poses.spikes[k : k + 1])
            for template in loud_templates(*cell, *pose, *rest)[1]:
                yield k, template


def in_order(function, items, threads):
    """Yield `function(item)` for each item, in order; other threads work a little ahead when there are several.

    The items may be endless. Work that is not asked for any more is given up.
    """
    if threads == 1:
        yield from map(function, items)
        return
    pool, items = ThreadPoolExecutor(threads), iter(items)
    try:
        pending = deque(pool.submit(function, item) for item in islice(items, 2 * threads))
        while pending:
            yield pending.popleft().result()
            pending.extend(pool.submit(function, item) for item in islice(items, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def sample_templates(
    currents,
    geometry,
    probe,
    address,
    *,
    n,
    limits,
    rot,
    x_distr,
    beta_distr_params,
    min_amp,
    check_eap_shape,
    max_iterations,
    sigma,
    source,
    image_factor,
    peak_sample,
    threads=1,
    bounded=True,
    progress=lambda accepted: None,
):
    """Try poses until `n` templates are accepted or `n * max_iterations` poses have been tried.

    Candidate k depends on the address and k alone, so a larger `n` begins with the templates of a smaller one; nothing
    depends on the number of threads.

    Parameters
    ----------
    currents : numpy.ndarray
        (n_spikes, n_seg, n_t) nA, as recorded; the stimulus is removed here.
    geometry : (start, end, diameter)
        Segments, (n_seg, 3), (n_seg, 3) and (n_seg,) µm, soma at the origin.
    probe : Probe
    address : tuple
        Seed and address of the candidates.
    limits, rot, x_distr, beta_distr_params
        See `draw_candidates`.
    min_amp, check_eap_shape
        See `is_accepted`; µV.
    sigma, source, image_factor
        See `eap`.
    peak_sample : int
        Where the lowest value of every template lies.
    threads : int
        How many blocks of candidates are worked on at once.
    bounded : bool
        See `CellOnProbe`.
    progress : callable
        Called with 1 for each accepted template.

    Returns
    -------
    Templates
    """
    cell = CellOnProbe(
        spike_currents(currents),
        geometry,
        probe.points,
        sigma=sigma,
        source=source,
        image_factor=image_factor,
        min_amp=min_amp,
        check_eap_shape=check_eap_shape,
        peak_sample=peak_sample,
        bounded=bounded,
    )
    limit = n * max_iterations

    def try_block(number):
        poses = draw_candidates(
            address,
            number,
            limits=limits,
            rot=rot,
            x_distr=x_distr,
            beta_distr_params=beta_distr_params,
            n_spikes=len(currents),
        ).first(limit - number * BLOCK)
        return number, poses, cell.judge(poses)

    accepted, tried = [], 0
    with closing(in_order(try_block, range(-(-limit // BLOCK)), threads)) as blocks:
        for number, poses, found in blocks:
            for k, template in found[: n - len(accepted)]:
                before, tried = tried, number * BLOCK + k + 1
                accepted.append((template, poses.positions[k], poses.rotations[k], poses.spikes[k], tried - before))
                progress(1)
            if len(accepted) == n:
                break
        else:
            tried = limit
    templates, locations, rotations, spikes, candidates = zip(*accepted, strict=True) if accepted else ([],) * 5
    return Templates(
        templates=np.array(templates, dtype=np.float32).reshape(-1, probe.n_contacts, currents.shape[2]),
        locations=np.array(locations, dtype=float).reshape(-1, 3),
        rotations=np.array(rotations, dtype=float).reshape(-1, 3),
        spike_indices=np.array(spikes, dtype=np.int64),
        candidates=np.array(candidates, dtype=np.int64),
        n_candidates=tried,
    )

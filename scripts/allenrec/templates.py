"""Templates: the extracellular spike of a cell that stands beside a probe."""

import numba
import numpy as np

from .extracellular import Segments
from .loudness import loud_region
from .poses import place, seen_from_cells, turns

#: Contacts whose potentials are computed together, so that what is between stays in a fast cache
CONTACTS_AT_ONCE = 128


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
    segments = Segments.prepare(start, end, diameter, sigma=sigma, source=source)
    first = np.zeros(len(probe_points), dtype=np.int64)
    return potentials(segments, probe_points, currents[np.newaxis], first, image_factor)


def potentials(segments, points, currents, spikes, image_factor):
    """Return the potentials (n_contacts, n_t) float32 µV at contacts, each from a spike of its own.

    Parameters
    ----------
    segments : Segments
    points : numpy.ndarray
        (n_contacts, n_points, 3) µm, in the frame of the segments.
    currents : numpy.ndarray
        (n_spikes, n_seg, n_t) float32 nA.
    spikes : numpy.ndarray
        (n_contacts,) indices into `currents`.
    image_factor : float
        See `eap`.

    A row does not depend on the other rows, to the last bit: of BLAS this is not true, and the number of its threads
    matters as well.
    """
    out = np.empty((len(points), currents.shape[2]), dtype=np.float32)
    for first in range(0, len(points), CONTACTS_AT_ONCE):
        some = slice(first, first + CONTACTS_AT_ONCE)
        # mV to µV before the product, so that the large array is touched once
        weights = np.multiply(1000.0 * image_factor, segments.potentials(points[some]), dtype=np.float32, casting="same_kind")
        _weighted_sums(weights, currents, spikes[some], out[some])
    return out


@numba.njit(cache=True, nogil=True)
def _weighted_sums(weights, currents, spikes, out):
    """The sum over segments of `weights[c]` times `currents[spikes[c]]`, for each contact c, into `out`.

    Four segments at a time, which saves most of the loads and stores of the sums.
    """
    n_seg, n_t = currents.shape[1:]
    fours = n_seg - n_seg % 4
    for c in range(len(weights)):
        w, current, total = weights[c], currents[spikes[c]], out[c]
        total[:] = 0
        for s in range(0, fours, 4):
            w0, w1, w2, w3 = w[s], w[s + 1], w[s + 2], w[s + 3]
            i0, i1, i2, i3 = current[s], current[s + 1], current[s + 2], current[s + 3]
            for t in range(n_t):
                total[t] += (w0 * i0[t] + w1 * i1[t]) + (w2 * i2[t] + w3 * i3[t])
        for s in range(fours, n_seg):
            for t in range(n_t):
                total[t] += w[s] * current[s, t]


@numba.njit(cache=True, nogil=True)
def drawdowns(traces):
    """The most that each of the traces (n, n_t) falls from any earlier sample, (n,): no baseline makes it louder."""
    out = np.zeros(len(traces), dtype=traces.dtype)
    for k in range(len(traces)):
        high = traces[k, 0]
        for v in traces[k]:
            high = max(high, v)
            out[k] = max(out[k], high - v)
    return out


def is_accepted(template, min_amp, check_eap_shape):
    """Whether a template is loud enough (µV) and, if asked for, more negative than positive; as in MEArec."""
    lowest = -template.min()
    return lowest >= min_amp and (not check_eap_shape or lowest >= template.max())


def aligned(template, sample):
    """Shift a template in time so that its lowest value, over all contacts, lies at `sample`, and let it start at zero.

    What a shift leaves open at one end is filled with the value of that end. Where the start moves into the window, the
    potential there is the new baseline.
    """
    return shifted(template, int(np.argmin(template.min(axis=0))) - sample)


def shifted(templates, shift):
    """Move templates (..., n_t) to earlier times by `shift` samples, and let them start at zero."""
    n_t = templates.shape[-1]
    indices = np.clip(np.arange(n_t) + shift, 0, n_t - 1)
    return templates.take(indices, axis=-1) - templates[..., indices[:1]]


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
        self.currents, self.geometry, self.probe_points = np.ascontiguousarray(currents), geometry, probe_points
        self.sigma, self.source, self.image_factor = sigma, source, image_factor
        # float32, as templates are, so that all comparisons are the same
        self.min_amp, self.check_eap_shape, self.peak_sample = np.float32(min_amp), check_eap_shape, peak_sample
        self.segments = Segments.prepare(*geometry, sigma=sigma, source=source)
        self.isotropic = np.ptp(sigma) == 0
        self.region = None
        if bounded and self.isotropic and min_amp > 0 and len(currents):
            medium = {"sigma": float(np.mean(sigma)), "source": source, "factor": 1000.0 * image_factor}
            self.region = loud_region(self.currents, geometry, **medium, threshold=min_amp)

    def judge(self, poses, most, usable=True):
        """Return (index of the pose, template) of the accepted ones of some poses, in order, no more than `most`.

        `usable`, (n,) bool, leaves out those that are refused for another reason.

        Most poses end before their template is computed: no contact lies where the cell can be loud, or those that do are
        not loud. What is computed for these is part of the template of the others.
        """
        matrices = turns(poses.rotations)
        if self.region is None:
            perhaps = np.ones((len(matrices), len(self.probe_points)), dtype=bool)
        else:
            perhaps = self.region.touched_by(self.probe_points, matrices, poses.positions)
        perhaps &= np.reshape(usable, (-1, 1))
        pose, contact = np.nonzero(perhaps)
        traces = self._potentials(poses, matrices, pose, contact)
        accepted = []
        for k in np.unique(pose[drawdowns(traces) >= self.min_amp]):
            template = np.empty((len(self.probe_points), traces.shape[1]), dtype=np.float32)
            template[perhaps[k]] = traces[pose == k]
            others = np.flatnonzero(~perhaps[k])
            template[others] = self._potentials(poses, matrices, np.full(len(others), k), others)
            template = aligned(template, self.peak_sample)
            if is_accepted(template, self.min_amp, self.check_eap_shape):
                accepted.append((k, template))
                if len(accepted) == most:
                    break
        return accepted

    def templates(self, poses):
        """Return the templates (n, n_contacts, n_t) float32 µV of poses, whether they would be accepted or not."""
        return np.array([aligned(template, self.peak_sample) for template in self._fields(poses)])

    def along(self, pose, displacements, centre):
        """Return the templates (n_steps, n_contacts, n_t) float32 µV of a pose (`Poses` of one) that is moved.

        All are shifted in time by what aligns step `centre`, so that latencies along the path are kept.
        """
        fields = self._fields(pose.along(displacements))
        shift = int(np.argmin(fields[centre].min(axis=0))) - self.peak_sample
        return shifted(fields, shift)

    def _fields(self, poses):
        """Return the potentials (n, n_contacts, n_t) at all contacts."""
        n, n_contacts = len(poses), len(self.probe_points)
        pose, contact = np.repeat(np.arange(n), n_contacts), np.tile(np.arange(n_contacts), n)
        return self._potentials(poses, turns(poses.rotations), pose, contact).reshape(n, n_contacts, -1)

    def _potentials(self, poses, matrices, pose, contact):
        """Return the potentials (n, n_t) at contacts (n,) when the cell stands at poses (n,), all given by index."""
        points = seen_from_cells(self.probe_points[contact], matrices[pose], poses.positions[pose])
        spikes = poses.spikes[pose]
        if self.isotropic:
            return potentials(self.segments, points, self.currents, spikes, self.image_factor)
        # The medium does not turn with the cell: both are turned to where the axes of the medium are
        start, end, diameter = self.geometry
        out = np.empty((len(pose), self.currents.shape[2]), dtype=np.float32)
        for k in np.unique(pose):
            rows, turn = pose == k, (poses.rotations[k], np.zeros(3))
            segments = Segments.prepare(place(start, *turn), place(end, *turn), diameter, sigma=self.sigma, source=self.source)
            turned = place(points[rows].reshape(-1, 3), *turn).reshape(points[rows].shape)
            out[rows] = potentials(segments, turned, self.currents, spikes[rows], self.image_factor)
        return out

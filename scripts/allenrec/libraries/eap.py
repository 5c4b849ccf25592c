"""Templates: the extracellular action potentials of a cell beside a probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np
from numpy.typing import NDArray

from .acceptance import Limits, accepted_templates, aligned, shift_to, shifted
from .amplitude_bound import (
    CUBES_PER_CONTACT,
    EVERYWHERE,
    MAX_CUBES,
    AboveThreshold,
    region_above_threshold,
    touches,
    widened,
)
from .components import Components, components_of, weighted_sums
from .contacts import Contacts, Workspace, contacts_with, mean_weights
from .discs import no_pairs
from .forward_model import Segments, prepare_segments
from .rotations import rotation_matrices

if TYPE_CHECKING:
    from allenrec.settings.libraries import Acceptance

    from .layers import Images
    from .medium import Medium
    from .poses import Geometry, Poses

#: The threshold that every template reaches, µV
NO_THRESHOLD = np.float32(0)


def spike_currents(imem: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the membrane currents of spikes without the stimulus, float32, same shape (n_spikes, n_seg, n_t) and unit.

    The recorded currents sum to the current that the stimulating electrode injects, so their field contains the monopole of
    that electrode. Also, a cell is not at rest between the spikes of a train. The injected current is constant during the step;
    so the currents at the first sample of each window are subtracted. The currents that remain are those of the spike alone:
    they sum to zero at every sample, and their field starts at zero.
    """
    return imem - imem[:, :, :1]


def eap(
    currents: NDArray[np.float32], geometry: Geometry, probe_points: NDArray[np.float64] | Contacts, medium: Medium
) -> NDArray[np.float32]:
    """Return the extracellular action potential of one spike of a cell in a pose.

    Parameters
    ----------
    currents : numpy.ndarray
        (n_seg, n_t) nA: one of the spikes that `spike_currents` returns.
    geometry : Geometry
        The segments of the cell in its pose, see `Geometry.placed`.
    probe_points : numpy.ndarray or Contacts
        The contacts, or points (n_contacts, n_points, 3) µm over which each contact takes the mean.
    medium : Medium

    Returns
    -------
    numpy.ndarray
        (n_contacts, n_t) float32 µV.
    """
    segments = prepare_segments(*geometry, sigma=medium.sigma, source=medium.source)
    pose = (np.eye(3)[np.newaxis], np.zeros((1, 3)), np.zeros(1, dtype=np.int64))
    exact = Components(np.eye(len(currents)), currents[np.newaxis])
    rest = (exact, medium.image_factor, NO_THRESHOLD)
    potentials: NDArray[np.float32] = templates_above_threshold(
        segments, EVERYWHERE, EVERYWHERE, as_contacts(probe_points), *pose, *rest, medium.images
    )[1]
    return potentials[0]


def as_contacts(points: NDArray[np.float64] | Contacts) -> Contacts:
    """Return contacts, or contacts with the given points."""
    return points if isinstance(points, Contacts) else contacts_with(points)


@numba.njit(cache=True, nogil=True)
def templates_above_threshold(
    segments: Segments,
    region: AboveThreshold,
    around: AboveThreshold,
    contacts: Contacts,
    matrices: NDArray[np.float64],
    positions: NDArray[np.float64],
    spikes: NDArray[np.int64],
    components: Components,
    image_factor: float,
    min_amp: np.float32,
    images: Images,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the indices (m,) and potentials (m, n_contacts, n_t) float32 µV of poses that reach a threshold at a contact.

    Most poses are refused before all contacts are computed: no contact has a point in the region, or the contacts that have one
    stay below the threshold. Parameters are arrays, numbers and named tuples of them, because the function is compiled.

    Parameters
    ----------
    segments, contacts, region, around
        Contacts are in the frame of the probe, others in that of the cell; `around` is the region `widened` by their radius.
    matrices, positions, spikes : numpy.ndarray
        Poses: (n, 3, 3), see `rotations.rotation_matrices`, (n, 3) µm, and (n,) indices of spikes.
    components : Components
        The components of the spikes' currents, which are zero at the first sample.
    image_factor, min_amp
        For the factor see `Medium`. A pose whose `drawdown` is below the threshold, µV, at every contact is refused.
    images : Images
        The images of contacts in a slice. The region ignores them, so with images it has to be `EVERYWHERE`.
    """
    n_contacts, n_t = len(contacts.points), components.temporal.shape[2]
    n_seg, n_components = components.spatial.shape
    numbers = np.empty(len(positions), dtype=np.int64)
    templates = np.empty((len(positions), n_contacts, n_t), dtype=np.float32)
    reachable = np.empty(n_contacts, dtype=np.bool_)
    work = Workspace(np.empty((7, n_seg)), np.empty((5, contacts.points.shape[1])), no_pairs())
    of_segments, of_components = np.empty((n_contacts, n_seg)), np.empty((n_contacts, n_components))
    weights = np.empty((n_contacts, n_components), dtype=np.float32)
    rows, n_above = np.empty(n_contacts, dtype=np.int64), 0
    for k in range(len(positions)):
        _mark_reachable(region, around, contacts, matrices[k], positions[k], reachable)
        above = min_amp <= 0
        for wanted in (True, False):  # the contacts that may be above threshold, and then, if one is, the others
            n = _find(wanted, reachable, rows)
            mean_weights(segments, contacts, rows[:n], matrices[k], positions[k], work, of_segments)
            _add_images(segments, contacts, rows[:n], matrices[k], positions[k], images, work, of_segments)
            weighted_sums(of_segments, components.spatial, rows[:n], of_components)
            for i in range(n):
                for m in range(n_components):
                    weights[i, m] = 1000.0 * image_factor * of_components[rows[i], m]  # mV to µV
            weighted_sums(weights, components.temporal[spikes[k]], rows[:n], templates[n_above])
            for c in rows[:n]:
                above = above or drawdown(templates[n_above, c]) >= min_amp
            if not above:
                break
        if above:
            numbers[n_above] = k
            n_above += 1
    return numbers[:n_above], templates[:n_above]


@numba.njit(cache=True, nogil=True, inline="always")
def _mark_reachable(
    region: AboveThreshold,
    around: AboveThreshold,
    contacts: Contacts,
    matrix: NDArray[np.float64],
    position: NDArray[np.float64],
    out: NDArray[np.bool_],
) -> None:
    """Write into `out` (n_contacts,) whether each contact has a point in the region; most lie outside `around` already."""
    n_contacts, n_points = contacts.points.shape[0], contacts.points.shape[1]
    for c in range(n_contacts):
        near = touches(around, contacts.middles, c, c + 1, matrix, position)
        out[c] = near and touches(region, contacts.points[c], contacts.first[-2], n_points, matrix, position)


@numba.njit(cache=True, nogil=True, inline="always")
def _find(wanted: bool, values: NDArray[np.bool_], out: NDArray[np.int64]) -> int:
    """Write the indices of the values (n,) that are as wanted into `out`, and return their number."""
    n = 0
    for k in range(len(values)):
        if values[k] == wanted:
            out[n] = k
            n += 1
    return n


@numba.njit(cache=True, nogil=True, inline="always")
def _add_images(
    segments: Segments,
    contacts: Contacts,
    chosen: NDArray[np.int64],
    matrix: NDArray[np.float64],
    position: NDArray[np.float64],
    images: Images,
    work: Workspace,
    out: NDArray[np.float64],
) -> None:
    """Add to the weights `out` (n, n_seg) those of the images of contacts; see `mean_weights`."""
    for j in range(len(images.weights)):
        of_image = np.empty((len(chosen), out.shape[1]))  # made only here, because most media have no images
        moved = np.empty(3)
        for axis in range(3):  # moving a contact is moving the cell the other way
            moved[axis] = position[axis] - images.shifts[j, axis]
        mean_weights(segments, contacts, chosen, matrix, moved, work, of_image)
        for i in range(len(chosen)):
            for s in range(out.shape[1]):
                out[i, s] += images.weights[j] * of_image[i, s]


@numba.njit(cache=True, nogil=True, inline="always")
def drawdown(trace: NDArray[np.float32]) -> np.float32:
    """Return the largest fall of a trace (n_t,) from any earlier sample: whatever its baseline, no amplitude is larger."""
    high, fall = trace[0], trace[0] - trace[0]  # zero of the type of the trace
    for v in trace:
        high = max(high, v)
        fall = max(fall, high - v)
    return fall


class CellOnProbe:
    """A cell beside a probe: it computes the templates of poses and tells which of them are accepted.

    Parameters
    ----------
    currents : numpy.ndarray
        (n_spikes, n_seg, n_t) float32 nA; see `spike_currents`.
    geometry : Geometry
        Segments, soma at the origin.
    contacts : Contacts or numpy.ndarray
        The contacts, or (n_contacts, n_points, 3) µm, the points over which each takes the mean.
    medium : Medium
    acceptance : allenrec.settings.libraries.Acceptance
        It sets the limits on amplitude and shape, see `Limits`.
    peak_sample : int
        The sample at which every template has its lowest value.
    dt : float
        The time between samples, ms.
    bounded : bool
        Whether to bound the amplitudes before templates are computed. The result is the same.
    threads : int
        The number of threads that compute the bound.
    """

    def __init__(
        self,
        currents: NDArray[np.float32],
        geometry: Geometry,
        contacts: Contacts | NDArray[np.float64],
        medium: Medium,
        acceptance: Acceptance,
        peak_sample: int,
        dt: float = 2**-5,
        *,
        bounded: bool = True,
        threads: int = 1,
    ) -> None:
        self.currents, self.contacts = np.ascontiguousarray(currents), as_contacts(contacts)
        self.components = components_of(self.currents)
        self.geometry, self.medium = geometry, medium
        self.limits, self.peak_sample = Limits.of(acceptance, dt), peak_sample
        self.segments = self._prepared(geometry)
        self.region = EVERYWHERE
        if bounded and medium.turns_with_cell and self.limits.min_amp > 0 and len(currents):
            max_cubes = min(MAX_CUBES, CUBES_PER_CONTACT * len(self.contacts.points))
            min_amp = float(self.limits.min_amp)
            self.region = region_above_threshold(self.components, geometry, medium, min_amp, threads, max_cubes)
        self.around = widened(self.region, self.contacts.radius)

    def judge(self, poses: Poses, usable: NDArray[np.bool_] | None = None) -> list[tuple[int, NDArray[np.float32]]]:
        """Return the accepted poses in their order, each as its index and its template.

        Poses where `usable`, (n,) bool, is False are left out; they are refused for another reason.
        """
        rows = np.arange(len(poses)) if usable is None else np.flatnonzero(usable)
        candidates = self._potentials(poses[rows], self.region, self.around, self.limits.min_amp)
        accepted = accepted_templates(*candidates, self.peak_sample, self.limits)
        # Templates are copied, because the array also holds those that were refused
        return [(int(rows[k]), template.copy()) for k, template in zip(*accepted, strict=True)]

    def template(self, pose: Poses) -> NDArray[np.float32]:
        """Return the template (n_contacts, n_t) float32 µV of a pose (`Poses` of one), whether it would be accepted or not."""
        template: NDArray[np.float32] = aligned(self._potentials(pose)[1][0], self.peak_sample)
        return template

    def along(self, pose: Poses, displacements: NDArray[np.float64], centre: int) -> NDArray[np.float32]:
        """Return the templates (n_steps, n_contacts, n_t) float32 µV of a pose (`Poses` of one) that is moved.

        `displacements` (n_steps, 3) µm are its steps. All are shifted by the same number of samples, which aligns step
        `centre`, so that latencies along the path are kept.
        """
        potentials = self._potentials(pose.along(displacements))[1]
        traces = potentials.reshape(-1, potentials.shape[2])
        return shifted(traces, shift_to(potentials[centre], self.peak_sample)).reshape(potentials.shape)

    def _potentials(
        self,
        poses: Poses,
        region: AboveThreshold = EVERYWHERE,
        around: AboveThreshold = EVERYWHERE,
        min_amp: np.float32 = NO_THRESHOLD,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the indices (m,) and potentials (m, n_contacts, n_t) of the poses that reach a threshold at some contact."""
        rest, images = (self.components, self.medium.image_factor, min_amp), self.medium.images
        if self.medium.turns_with_cell:
            matrices = rotation_matrices(poses.rotations)
            cell = (self.segments, region, around, self.contacts)
            result: tuple[NDArray[np.int64], NDArray[np.float32]]
            result = templates_above_threshold(*cell, matrices, poses.positions, poses.spikes, *rest, images)
            return result
        # An anisotropic medium or a slice does not turn with the cell, so the segments are turned and not the contacts
        potentials = np.empty((len(poses), len(self.contacts.points), self.currents.shape[2]), dtype=np.float32)
        numbers: list[int] = []
        for k, rotation in enumerate(poses.rotations):
            geometry, position = self.geometry.placed(rotation, np.zeros(3)), poses.positions[k : k + 1]
            if self.medium.layers is not None and self.medium.layers.settings.outside == "fold":
                geometry, position = self.medium.layers.folded(self.geometry.placed(rotation, position[0])), np.zeros((1, 3))
            segments = self._prepared(geometry)
            pose = (np.eye(3)[np.newaxis], position, poses.spikes[k : k + 1])
            cell = (segments, region, around, self.contacts)
            for potential in templates_above_threshold(*cell, *pose, *rest, images)[1]:
                potentials[len(numbers)] = potential
                numbers.append(k)
        return np.array(numbers, dtype=np.int64), potentials[: len(numbers)]

    def _prepared(self, geometry: Geometry) -> Segments:
        """Return segments in the form that the kernel takes."""
        return prepare_segments(*geometry, sigma=self.medium.sigma, source=self.medium.source)

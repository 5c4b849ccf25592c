"""Templates: the extracellular spike of a cell at a pose, and the sampling of poses until enough are accepted."""

from dataclasses import dataclass

import numpy as np

from .extracellular import contact_transfer_matrix
from .poses import BLOCK, draw_candidates, place


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
    matrix = contact_transfer_matrix(start, end, diameter, probe_points, sigma=sigma, source=source)
    # mV to µV before the product, so that the large array is touched once
    return (1000.0 * image_factor * matrix).astype(np.float32) @ currents


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
    shifted = template[:, np.clip(np.arange(n_t) + shift, 0, n_t - 1)]
    return shifted - shifted[:, :1]


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
    progress=lambda accepted: None,
):
    """Try poses until `n` templates are accepted or `n * max_iterations` poses have been tried.

    Candidate k depends on the address and k alone, so a larger `n` begins with the templates of a smaller one.

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
    progress : callable
        Called with 1 for each accepted template.

    Returns
    -------
    Templates
    """
    currents = spike_currents(currents)
    start, end, diameter = geometry
    accepted, tried, before = [], 0, 0
    while len(currents) and len(accepted) < n and tried < n * max_iterations:
        block = draw_candidates(
            address,
            tried // BLOCK,
            limits=limits,
            rot=rot,
            x_distr=x_distr,
            beta_distr_params=beta_distr_params,
            n_spikes=len(currents),
        )
        starts = place(start, block.rotations, block.positions)
        ends = place(end, block.rotations, block.positions)
        for k in range(min(BLOCK, n * max_iterations - tried)):
            tried += 1
            template = eap(
                currents[block.spikes[k]],
                starts[k],
                ends[k],
                diameter,
                probe.points,
                sigma=sigma,
                source=source,
                image_factor=image_factor,
            )
            # No shift makes it louder than this; most poses end here.
            if template.max() - template.min() < min_amp:
                continue
            template = aligned(template, peak_sample)
            if is_accepted(template, min_amp, check_eap_shape):
                pose = (block.positions[k], block.rotations[k], block.spikes[k])
                accepted.append((template, *pose, tried - before))
                before = tried
                progress(1)
                if len(accepted) == n:
                    break
    templates, locations, rotations, spikes, candidates = zip(*accepted, strict=True) if accepted else ([],) * 5
    return Templates(
        templates=np.array(templates, dtype=np.float32).reshape(-1, probe.n_contacts, currents.shape[2]),
        locations=np.array(locations, dtype=float).reshape(-1, 3),
        rotations=np.array(rotations, dtype=float).reshape(-1, 3),
        spike_indices=np.array(spikes, dtype=np.int64),
        candidates=np.array(candidates, dtype=np.int64),
        n_candidates=tried,
    )

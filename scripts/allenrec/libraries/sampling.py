"""Sampling: poses are tried until there are enough whose templates are accepted."""

from contextlib import closing
from dataclasses import dataclass
from itertools import chain

import numpy as np

from allenrec.common.parallel import in_order

from .poses import BLOCK, Poses, turns


@dataclass(frozen=True)
class Sampled:
    """Accepted poses of one cell on one probe, with their templates.

    `poses` (n); `templates`, a list of (n_contacts, n_t) float32 µV; `paths` (n, n_steps, 3) µm, displacements of the soma (one
    step, zero, if it does not drift); `candidates` (n,): poses tried for each since the one accepted before it, its own
    included; `n_candidates`: all poses tried.
    """

    poses: Poses
    templates: list
    paths: np.ndarray
    candidates: np.ndarray
    n_candidates: int


@dataclass(frozen=True)
class _Accepted:
    candidate: int
    pose: Poses
    template: np.ndarray
    path: np.ndarray


def no_path(candidate, pose):
    """The path of a cell that does not drift."""
    return np.zeros((1, 3))


def sample_templates(
    cell,
    draw,
    *,
    n,
    most_poses,
    usable=lambda poses: None,
    bin_of=lambda position, template: 0,
    n_bins=1,
    path_of=no_path,
    n_steps=1,
    threads=1,
    progress=lambda accepted: None,
):
    """Try poses until `n` templates are accepted or `most_poses` poses have been tried.

    Candidate k depends on its number alone, so a larger `n` begins with the templates of a smaller one; nothing depends on
    the number of threads.

    Parameters
    ----------
    cell : allenrec.libraries.eap.CellOnProbe
    draw : callable
        Number of a block to its `Poses`, `BLOCK` of them.
    n, most_poses : int
    usable : callable
        `Poses` to (n,) bool: which of them may be taken at all; None for all.
    bin_of : callable
        Position (3,) and template to the number of its bin, or None for no bin. All bins get the same share of `n`, the first
        ones one more if it does not divide; template k comes from bin `k % n_bins` as long as all can be filled.
    n_bins : int
    path_of : callable
        Number of a candidate and its pose (`Poses` of one) to displacements (n_steps, 3) µm, or None if the pose is refused.
    n_steps : int
    threads : int
        How many blocks of candidates are worked on at once.
    progress : callable
        Called with 1 for each accepted template.

    Returns
    -------
    Sampled
    """
    quotas = [n // n_bins + (number < n % n_bins) for number in range(n_bins)]
    found = [[] for _ in quotas]

    def try_block(number):
        poses = draw(number)[: most_poses - number * BLOCK]
        accepted = []
        for k, template in cell.judge(poses, usable(poses)):
            candidate, pose = number * BLOCK + k, poses[k : k + 1]
            path = path_of(candidate, pose)
            if path is not None:
                accepted.append(_Accepted(candidate, pose, template, path))
        return accepted

    tried = 0
    with closing(in_order(try_block, range(-(-most_poses // BLOCK)), threads)) as blocks:
        for accepted in chain.from_iterable(blocks):
            number = bin_of(accepted.pose.positions[0], accepted.template)
            if number is None or len(found[number]) == quotas[number]:
                continue
            found[number].append(accepted)
            progress(1)
            if sum(map(len, found)) == n:
                tried = accepted.candidate + 1
                break
        else:
            tried = most_poses
    return _gathered(found, tried, n_steps)


def _gathered(found, tried, n_steps):
    """Take from the bins in turn."""
    ranked = sorted((rank, number) for number, of_bin in enumerate(found) for rank in range(len(of_bin)))
    accepted = [found[number][rank] for rank, number in ranked]
    numbers = np.array([one.candidate for one in accepted], dtype=np.int64)
    order = np.argsort(numbers)
    since = np.empty_like(numbers)
    since[order] = np.diff(numbers[order], prepend=-1)
    poses = [one.pose for one in accepted]
    return Sampled(
        poses=Poses(
            positions=np.array([pose.positions[0] for pose in poses], dtype=float).reshape(-1, 3),
            rotations=np.array([pose.rotations[0] for pose in poses], dtype=float).reshape(-1, 3),
            spikes=np.array([pose.spikes[0] for pose in poses], dtype=np.int64),
        ),
        templates=[one.template for one in accepted],
        paths=np.array([one.path for one in accepted], dtype=float).reshape(-1, n_steps, 3),
        candidates=since,
        n_candidates=tried,
    )


def bins_of(quantity, edges, contacts):
    """Return the function that tells the bin of a template: between which `edges` its amplitude (µV, "amplitude") or the
    distance of its soma to the nearest contact (µm, "distance") lies; None if between none."""

    def bin_of(position, template):
        if quantity == "amplitude":
            value = -template.min()
        else:
            value = np.linalg.norm(contacts - position, axis=1).min()
        number = int(np.searchsorted(edges, value, side="right")) - 1
        return number if 0 <= number < len(edges) - 1 else None

    return bin_of


def distances(positions, contacts):
    """Return the distances (n,) µm from somata at `positions` (n, 3) to the nearest of `contacts` (n_contacts, 3)."""
    return np.linalg.norm(positions[:, np.newaxis] - contacts, axis=2).min(axis=1)


def share_behind(poses, geometry, contacts):
    """Return (n,): how much of a cell's membrane lies behind the plane of the contacts, seen from its soma, from 0 to 1."""
    start, end, diameter = geometry
    # The first axis along which the contacts do not extend is the normal of their plane
    normal = int(np.argmin(np.round(np.ptp(contacts, axis=0), 6)))
    area = diameter * np.linalg.norm(end - start, axis=1)
    height = poses.positions[:, normal] - contacts[:, normal].mean()
    relative = turns(poses.rotations)[:, normal] @ (0.5 * (start + end)).T
    behind = (height[:, np.newaxis] + relative) * np.where(height >= 0, 1, -1)[:, np.newaxis] < 0
    return behind @ (area / area.sum())

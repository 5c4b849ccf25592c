"""Sampling: poses are tried until enough templates are accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allenrec.common.parallel import map_in_order

from .poses import BLOCK, Geometry, Poses
from .rotations import rotation_matrices

if TYPE_CHECKING:
    from allenrec.settings.libraries import Bins

    from .eap import CellOnProbe

BinOf = Callable[[NDArray[np.float64], NDArray[np.float32]], int | None]


@dataclass(frozen=True)
class Sampled:
    """The accepted poses of one cell on one probe, with their templates.

    `poses` (n); `templates`, (n_contacts, n_t) float32 µV each; `paths` (n, n_steps, 3) µm, displacements of the soma (one
    step, zero, if it does not drift); `candidates` (n,): the number of poses tried for each since the one accepted before it,
    its own included; `n_candidates`: the number of all poses tried.
    """

    poses: Poses
    templates: Iterable[NDArray[np.float32]]
    paths: NDArray[np.float64]
    candidates: NDArray[np.int64]
    n_candidates: int


@dataclass(frozen=True)
class _Accepted:
    candidate: int
    pose: Poses
    template: NDArray[np.float32]
    path: NDArray[np.float64]


@dataclass(frozen=True)
class Requirements:
    """The requirements on a pose in addition to those on its template; by default there are none.

    `usable` maps `Poses` to (n,) bool, which of them may be taken at all, or None for all. `bin_of` maps a position (3,) and a
    template to the number of its bin, or None for no bin; there are `n_bins`. `path_of` maps the number of a candidate and its
    pose (`Poses` of one) to displacements (`n_steps`, 3) µm, or None if the pose is refused.
    """

    usable: Callable[[Poses], NDArray[np.bool_] | None] = lambda poses: None
    bin_of: BinOf = lambda position, template: 0
    n_bins: int = 1
    path_of: Callable[[int, Poses], NDArray[np.float64] | None] = lambda candidate, pose: np.zeros((1, 3))
    n_steps: int = 1


def sample_templates(
    cell: CellOnProbe,
    draw: Callable[[int], Poses],
    *,
    n: int,
    max_poses: int,
    requirements: Requirements | None = None,
    threads: int = 1,
    progress: Callable[[int], object] = lambda accepted: None,
) -> Sampled:
    """Try poses until `n` templates are accepted or `max_poses` poses have been tried.

    Candidate k depends on its number alone, so a larger `n` begins with the templates of a smaller one; nothing depends on
    the number of threads.

    Parameters
    ----------
    cell : CellOnProbe
    draw : callable
        Maps the number of a block to its `Poses`, `BLOCK` of them.
    n, max_poses : int
    requirements : Requirements, optional
        All bins get the same share of `n`; the first ones get one more if `n` is not a multiple of `n_bins`. Template k comes
        from bin `k % n_bins` as long as all bins can be filled.
    threads : int
        The number of blocks of candidates that are worked on at once.
    progress : callable
        Called with 1 for each accepted template.
    """
    need = requirements or Requirements()
    quotas = [n // need.n_bins + (number < n % need.n_bins) for number in range(need.n_bins)]
    found: list[list[_Accepted]] = [[] for _ in quotas]

    def try_block(number: int) -> list[_Accepted]:
        poses = draw(number)[: max_poses - number * BLOCK]
        accepted = []
        for k, template in cell.judge(poses, need.usable(poses)):
            candidate, pose = number * BLOCK + k, poses[k : k + 1]
            path = need.path_of(candidate, pose)
            if path is not None:
                accepted.append(_Accepted(candidate, pose, template, path))
        return accepted

    tried = 0
    with closing(map_in_order(try_block, range(-(-max_poses // BLOCK)), threads)) as blocks:
        for accepted in chain.from_iterable(blocks):
            number = need.bin_of(accepted.pose.positions[0], accepted.template)
            if number is None or len(found[number]) == quotas[number]:
                continue
            found[number].append(accepted)
            progress(1)
            if sum(map(len, found)) == n:
                tried = accepted.candidate + 1
                break
        else:
            tried = max_poses
    return _gathered(found, tried, need.n_steps)


def _gathered(found: list[list[_Accepted]], tried: int, n_steps: int) -> Sampled:
    """Join what was found, taking from the bins in turn."""
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


def bin_function(bins: Bins, contacts: NDArray[np.float64]) -> BinOf:
    """Return the function that tells the bin of a template, for `Requirements.bin_of`.

    Parameters
    ----------
    bins : allenrec.settings.libraries.Bins
        The edges, of the amplitude (µV) or of the distance from the soma to the nearest contact (µm).
    contacts : numpy.ndarray
        (n_contacts, 3) µm.
    """

    def bin_of(position: NDArray[np.float64], template: NDArray[np.float32]) -> int | None:
        value = -template.min() if bins.of == "amplitude" else distances(position[np.newaxis], contacts)[0]
        number = int(np.searchsorted(bins.edges, value, side="right")) - 1
        return number if 0 <= number < len(bins.edges) - 1 else None

    return bin_of


def distances(positions: NDArray[np.float64], contacts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances (n,) µm from somata at `positions` (n, 3) to the nearest of `contacts` (n_contacts, 3)."""
    result: NDArray[np.float64] = np.linalg.norm(positions[:, np.newaxis] - contacts, axis=2).min(axis=1)
    return result


def share_behind(poses: Poses, geometry: Geometry, contacts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share (n,) of a cell's membrane that lies behind the plane of the contacts, seen from its soma, 0 to 1."""
    # The first axis along which the contacts do not extend is the normal of their plane
    normal = int(np.argmin(np.round(np.ptp(contacts, axis=0), 6)))
    area = geometry.diameter * np.linalg.norm(geometry.end - geometry.start, axis=1)
    height = poses.positions[:, normal] - contacts[:, normal].mean()
    relative = rotation_matrices(poses.rotations)[:, normal] @ (0.5 * (geometry.start + geometry.end)).T
    behind = (height[:, np.newaxis] + relative) * np.where(height >= 0, 1, -1)[:, np.newaxis] < 0
    return behind @ (area / area.sum())

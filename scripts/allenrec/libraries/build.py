"""The templates of one cell on one probe, as the settings of a library say: poses sampled or taken, drifting or not."""

from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pandas as pd

from allenrec.common.errors import UserError
from allenrec.common.parallel import in_order
from allenrec.probes import load_probe

from .eap import CellOnProbe, spike_currents
from .library_file import write_library
from .poses import draw_path, draw_poses, grid_displacements, position_limits, upright_axis
from .sampling import Sampled, bins_of, distances, sample_templates, share_behind

PACKAGES = ("numpy", "numba", "scipy", "h5py", "MEAutility", "probeinterface")

#: The index of a spike that is the mean of all
MEAN_SPIKE = -1


def build_cell_library(
    path, currents, cell, settings, *, name, seed, given=None, digests=None, threads=1, progress=lambda accepted: None
):
    """Compute the templates of one cell on one probe, and write them.

    Parameters
    ----------
    path : path
    currents : allenrec.intracellular.intracellular_file.Currents
    cell : dict
        The row of the cell with all its metadata.
    settings : allenrec.settings.Library
    name : str
        Of the library; with the seed and the model it is the address of all random numbers.
    seed : int
    given : (Poses, numpy.ndarray), optional
        Poses to take instead of sampled ones, and displacements (n, n_steps, 3) µm, one zero for those that do not drift.
    digests : dict, optional
        SHA-256 of further files that went into the templates, by the key that names each.
    threads : int
        Nothing depends on it but the time.
    progress : callable
        Called with 1 for each template.

    Returns
    -------
    str
        What came of it, for people.

    Raises
    ------
    UserError
        If there are fewer than `n` templates and `on_shortfall` is "fail", if `n` has no number for the cell type, or a given
        pose names a spike that is not there.
    """
    model_id, probe = currents.attributes["model_id"], load_probe(settings.probe, settings.ncontacts)
    beside = _cell_on_probe(currents, probe, settings, threads)
    if given is None:
        n = templates_of_type(settings.n, cell, name)
        report = progress if not settings.drifting else lambda accepted: None
        sampled = _sampled(beside, currents, cell, settings, probe, (seed, "poses", name, model_id), n, threads, report)
        share = len(sampled.poses) / max(sampled.n_candidates, 1)
        outcome = f"{len(sampled.poses)} of {n} templates from {sampled.n_candidates} poses ({share:.2%} accepted)"
        if len(sampled.poses) < n and settings.on_shortfall == "fail":
            raise UserError(
                f"model {model_id}: {outcome}; lower libraries.{name}.min_amp, bring xlim nearer, raise max_iterations, or set "
                f"on_shortfall: take"
            )
    else:
        sampled = _taken(beside, *given, model_id)
        n = len(sampled.poses)
        outcome = f"{n} templates at the poses that were given"
    templates, paths, centre = sampled.templates, None, 0
    if settings.drifting:
        templates, paths, centre = _drifting(beside, sampled, settings.drift_grid, threads)
    if settings.drifting or given is not None:
        templates = _reported(templates, progress)
    known = currents.attributes["digests"] | (digests or {})
    _write(path, templates, sampled, paths, centre, currents, cell, settings, probe, n_wanted=n, seed=seed, digests=known)
    return f"model {model_id}: {outcome}"


def _cell_on_probe(currents, probe, settings, threads):
    """The cell beside the probe, its medium and its acceptance as the settings say."""
    return CellOnProbe(
        _spikes(currents, settings.spike),
        (currents.start, currents.end, currents.diameter),
        probe.points,
        sigma=settings.sigma,
        source=settings.source,
        image_factor=probe.image_factor(settings.image_factor),
        min_amp=settings.min_amp,
        check_eap_shape=settings.check_eap_shape,
        peak_sample=int(currents.attributes["stimulus"]["cut_out"][0] / float(currents.attributes["dt"])),
        threads=threads,
    )


def _drifting(beside, sampled, grid, threads):
    """Return the templates of each pose along its path, the paths (n, n_steps, 3) µm, and which step is the pose itself."""
    paths = sampled.paths
    centre = int(np.argmin(np.abs(paths).sum(axis=(0, 2))))
    if grid:
        displacements, centre = displacements_of(grid)
        paths = np.broadcast_to(displacements, (len(sampled.poses), *displacements.shape))
    numbers = range(len(sampled.poses))
    return in_order(lambda k: beside.along(sampled.poses[k : k + 1], paths[k], centre), numbers, threads), paths, centre


def _write(path, templates, sampled, paths, centre, currents, cell, settings, probe, *, n_wanted, seed, digests):
    """Write the templates with all that is known of them."""
    poses, n = sampled.poses, len(sampled.poses)
    cell = cell | {
        "n_templates": n,
        "n_candidates": sampled.n_candidates,
        "acceptance_rate": n / max(sampled.n_candidates, 1),
    }
    write_library(
        path,
        templates,
        {
            "locations": poses.positions if paths is None else poses.positions[:, np.newaxis] + paths,
            "rotations": poses.rotations,
            "celltypes": np.full(n, cell["cell_type"], dtype=object),
            "model_ids": np.full(n, cell["model_id"], dtype=object),
            "spike_indices": poses.spikes if settings.spike == "random" else np.full(n, MEAN_SPIKE),
            "candidates": sampled.candidates,
        },
        pd.DataFrame([cell]),
        shape=(n, *(() if paths is None else paths.shape[1:2]), probe.n_contacts, currents.imem.shape[2]),
        centre=centre,
        probe=probe,
        params=settings.model_dump()
        | {
            "n": n_wanted,
            "dt": float(currents.attributes["dt"]),
            "cut_out": currents.attributes["stimulus"]["cut_out"],
            "image_factor": probe.image_factor(settings.image_factor),
            "seed": seed,
            "cell_models_folder": "allen_models",
            "templates_folder": "results/libraries",
        },
        provenance={
            "config": settings.model_dump(mode="json"),
            "digests": digests,
            "versions": currents.attributes["versions"] | {package: version(package) for package in PACKAGES},
            "seed": seed,
        },
    )


def _spikes(currents, which):
    """The currents (n_spikes, n_seg, n_t) that templates are made of: those of each spike, or of their mean alone."""
    imem = spike_currents(currents.imem)
    return imem.mean(axis=0, keepdims=True) if which == "mean" and len(imem) else imem


def templates_of_type(n, cell, name):
    """Return how many templates a cell shall have: `n`, or what it says of the cell type.

    Raises
    ------
    UserError
        If it says nothing of it.
    """
    if isinstance(n, int):
        return n
    if cell["cell_type"] not in n:
        raise UserError(f"libraries.{name}.n: no number for cell type {cell['cell_type']!r} (model {cell['model_id']})")
    return n[cell["cell_type"]]


def displacements_of(grid):
    """Return the displacements (n_steps, 3) µm of `allenrec.settings.DriftGrid`, and which of them is zero."""
    axis = next(axis for axis in "xyz" if getattr(grid, axis) is not None)
    return grid_displacements(axis, *getattr(grid, axis), grid.step)


def _sampled(beside, currents, cell, settings, probe, address, n, threads, progress):
    """Sample poses as the settings say."""
    contacts = probe.positions
    limits = position_limits(
        contacts,
        xlim=settings.xlim,
        ylim=settings.ylim,
        zlim=settings.zlim,
        overhang=settings.overhang,
        offset=settings.offset,
    )
    upright = upright_axis(currents.start, currents.end, currents.section, angle=_known_angle(cell))

    def draw(block):
        return draw_poses(
            address,
            block,
            limits=limits,
            rot=settings.rot,
            x_distr=settings.x_distr,
            beta_distr_params=settings.beta_distr_params,
            n_spikes=len(beside.currents),
            upright=upright,
            tilt=settings.tilt,
        )

    def usable(poses):
        good = np.ones(len(poses), dtype=bool)
        if settings.min_distance > 0:
            good &= distances(poses.positions, contacts) >= settings.min_distance
        if settings.max_behind < 1 and probe.on_plane:
            good &= share_behind(poses, beside.geometry, contacts) <= settings.max_behind
        return good

    def path_of(candidate, pose):
        path = draw_path(
            address,
            candidate,
            pose.positions[0],
            limits=limits,
            reach=np.array([settings.drift_xlim, settings.drift_ylim, settings.drift_zlim]),
            min_drift=settings.min_drift,
            max_drift=settings.max_drift,
            within_bounds=settings.drift_within_bounds,
            n_steps=settings.drift_steps,
        )
        if path is not None and settings.check_for_drift_amp and len(beside.judge(pose.along(path[[0, -1]]))) < 2:
            return None
        return path

    bins = settings.bins
    return sample_templates(
        beside,
        draw,
        n=n if len(beside.currents) else 0,
        most_poses=n * settings.max_iterations if len(beside.currents) else 0,
        usable=usable,
        **({"bin_of": bins_of(bins.of, bins.edges, contacts), "n_bins": len(bins.edges) - 1} if bins else {}),
        **({"path_of": path_of, "n_steps": settings.drift_steps} if settings.drifting and not settings.drift_grid else {}),
        threads=threads,
        progress=progress,
    )


def _reported(templates, progress):
    for template in templates:
        yield template
        progress(1)


def _known_angle(cell):
    """The angle of the pia in the cell table, as BMTK gives it; None if there is none."""
    value = cell.get("rotation_angle_zaxis", "")
    try:
        return float(value) if value else None
    except ValueError:
        raise UserError(f"model {cell['model_id']}: rotation_angle_zaxis {value!r} is not a number (rad)") from None


def _taken(beside, poses, paths, model_id):
    """Take poses as they are."""
    if len(beside.currents) == 1 and (poses.spikes == MEAN_SPIKE).all():
        poses = replace(poses, spikes=np.zeros_like(poses.spikes))
    last = len(beside.currents) - 1
    wrong = (poses.spikes > last) | (poses.spikes < 0)
    if wrong.any() and last >= 0:
        raise UserError(f"model {model_id}: a given pose has spike {poses.spikes[wrong][0]}; stored are 0 to {last}")
    if last < 0:
        poses, paths = poses[:0], paths[:0]
    return Sampled(
        poses=poses,
        templates=(beside.template(poses[k : k + 1]) for k in range(len(poses))),
        paths=paths,
        candidates=np.ones(len(poses), dtype=np.int64),
        n_candidates=len(poses),
    )

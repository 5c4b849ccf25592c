"""The library of one cell on one probe. Poses are drawn or given, and cells drift or not, as the settings say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allenrec.common.errors import UserError, shown
from allenrec.common.parallel import map_in_order
from allenrec.probes import Probe, load_probe
from allenrec.settings.libraries import EXPORT_KEYS, IMPORT_KEYS
from allenrec.settings.libraries import Library as LibrarySettings

from .contacts import contacts_of
from .eap import CellOnProbe, spike_currents
from .library_file import LibraryInfo, TemplateRows, write_library
from .medium import medium_of
from .poses import Geometry, Poses, draw_path, draw_poses, grid_displacements, position_limits, upright_axis
from .sampling import Requirements, Sampled, bin_function, distances, sample_templates, share_behind

if TYPE_CHECKING:
    from allenrec.common.files import AnyPath
    from allenrec.common.random_streams import StreamKey
    from allenrec.intracellular.intracellular_file import Currents

    from .medium import Medium

#: The packages whose versions are written as provenance
PACKAGES = ("numpy", "numba", "scipy", "h5py", "MEAutility", "probeinterface")

#: The index of a spike that is the mean of all
MEAN_SPIKE = -1

#: A function that is called with 1 for each template
Progress = Callable[[int], object]

#: Poses, and displacements (n, n_steps, 3) µm
GivenPoses = tuple[Poses, NDArray[np.float64]]


def build_cell_library(
    path: AnyPath,
    currents: Currents,
    cell: Mapping[str, Any],
    settings: LibrarySettings,
    *,
    name: str,
    seed: int,
    given: GivenPoses | None = None,
    digests: Mapping[str, str] | None = None,
    probe: Probe | None = None,
    threads: int = 1,
    progress: Progress = lambda accepted: None,
) -> str:
    """Compute the templates of one cell on one probe, and write them.

    Parameters
    ----------
    path : path
        The file to write.
    currents : allenrec.intracellular.intracellular_file.Currents
    cell : dict
        The row of the cell with all its metadata.
    settings : Library
    name : str
        The name of the library; with the seed and the model it is the stream key of all random numbers.
    seed : int
    given : (Poses, numpy.ndarray), optional
        Poses to take instead of drawn ones, and displacements (n, n_steps, 3) µm, a single zero if they do not drift.
    digests : mapping, optional
        SHA-256 of further files that went into the templates, by the key that names each.
    probe : Probe, optional
        The probe of the settings, if it is loaded already.
    threads : int
        The number of threads; the result does not depend on it.
    progress : callable
        Called with 1 for each template.

    Returns
    -------
    str
        A line for the log: how many templates there are, of how many poses.

    Raises
    ------
    UserError
        If templates are missing and `on_shortfall` is "fail", `n` lacks the cell type, or a given pose names no stored spike.
    """
    probe = probe or load_probe(str(settings.probe), settings.ncontacts)
    task = _Task(currents, cell, settings, probe, name, seed, digests or {}, threads)
    sampled, n, outcome = task.sample(given, progress)
    templates, paths, centre = sampled.templates, None, 0
    if settings.drifting:
        paths, centre = task.paths(sampled)
        templates = task.along(sampled.poses, paths, centre)
    if settings.drifting or given:
        templates = _counted(templates, progress)
    n_samples, rows = currents.imem.shape[2], task.rows(sampled, paths)
    write_library(path, templates, rows, task.info(sampled, n), n_samples=n_samples, centre=centre)
    return f"model {task.model_id}: {outcome}"


def templates_of_type(n: int | Mapping[str, int], cell: Mapping[str, Any], name: str) -> int:
    """Return the requested number of templates of a cell: `n`, or the number for its cell type.

    Raises
    ------
    UserError
        If there is no number for the cell type.
    """
    if isinstance(n, int):
        return n
    if cell["cell_type"] not in n:
        raise UserError(f"libraries.{name}.n: no number for cell type {shown(cell['cell_type'])} (model {cell['model_id']})")
    return n[cell["cell_type"]]


@dataclass(frozen=True)
class _Task:
    """The templates of one cell on one probe."""

    currents: Currents
    cell: Mapping[str, Any]
    settings: LibrarySettings
    probe: Probe
    name: str
    seed: int
    digests: Mapping[str, str]
    threads: int

    @property
    def model_id(self) -> str:
        """The model of the cell."""
        return self.currents.info.model_id

    @property
    def dt(self) -> float:
        """The time between samples, ms."""
        return self.currents.info.settings.dt

    @property
    def cut_out(self) -> tuple[float, float]:
        """The time before and after the peak, ms."""
        return self.currents.info.settings.cut_out

    @property
    def provenance(self) -> dict[str, Any]:
        """The settings, and the digests and versions of the cell and of this stage."""
        info = self.currents.info
        return {
            "library": self.name,
            "config": self.settings.model_dump(mode="json", exclude=EXPORT_KEYS | IMPORT_KEYS),
            "digests": info.digests | dict(self.digests),
            "versions": info.versions | {package: version(package) for package in PACKAGES},
            "seed": self.seed,
        }

    @property
    def stream_key(self) -> StreamKey:
        """The key of the random numbers of this cell's poses."""
        return (self.seed, "poses", self.name, self.model_id)

    @cached_property
    def medium(self) -> Medium:
        """The medium around this probe."""
        return medium_of(self.settings, self.probe, self.name)

    @property
    def geometry(self) -> Geometry:
        """The segments of the cell."""
        return Geometry(self.currents.start, self.currents.end, self.currents.diameter)

    @property
    def limits(self) -> NDArray[np.float64]:
        """The limits of soma positions, (3, 2) µm."""
        return position_limits(self.probe.positions, self.settings)

    @cached_property
    def cell_on_probe(self) -> CellOnProbe:
        """The cell beside the probe, with the currents of its spikes or of their mean."""
        imem = spike_currents(self.currents.imem)
        if self.settings.spike == "mean" and len(imem):
            imem = imem.mean(axis=0, keepdims=True)
        return CellOnProbe(
            imem,
            self.geometry,
            contacts_of(self.probe),
            self.medium,
            self.settings,
            peak_sample=self.currents.info.settings.window_samples[0],
            dt=self.dt,
            threads=self.threads,
        )

    def sample(self, given: GivenPoses | None, progress: Progress) -> tuple[Sampled, int, str]:
        """Return the sampled poses, drawn or given, the number of templates that were requested, and a line for the log."""
        if given is not None:
            sampled = self.take(*given)
            n = len(sampled.poses)
            return sampled, n, f"{n} templates at the poses that were given"
        n = templates_of_type(self.settings.n, self.cell, self.name)
        # Of drifting templates, each is counted when it is computed along its path.
        sampled = self.draw(n, (lambda accepted: None) if self.settings.drifting else progress)
        return sampled, n, _outcome(self, sampled, n)

    def draw(self, n: int, progress: Progress) -> Sampled:
        """Draw poses until `n` templates are accepted; a cell without spikes has none."""
        settings, n_spikes = self.settings, len(self.cell_on_probe.currents)
        limits = self.limits
        upright = upright_axis(self.geometry, self.currents.section, angle=_known_angle(self.cell))
        return sample_templates(
            self.cell_on_probe,
            lambda block: draw_poses(self.stream_key, block, settings, limits=limits, n_spikes=n_spikes, upright=upright),
            n=n if n_spikes else 0,
            max_poses=n * settings.max_iterations if n_spikes else 0,
            requirements=self._requirements(),
            threads=self.threads,
            progress=progress,
        )

    def _requirements(self) -> Requirements:
        """Return the requirements on poses that are drawn."""
        bins, need = self.settings.bins, Requirements(usable=self._usable)
        if bins:
            need = replace(need, bin_of=bin_function(bins, self.probe.positions), n_bins=len(bins.edges) - 1)
        if self.settings.drifting and not self.settings.drift_grid:
            need = replace(need, path_of=self._path_of, n_steps=self.settings.drift_steps)
        return need

    def _usable(self, poses: Poses) -> NDArray[np.bool_]:
        """Return which poses are within a slice and far enough from the contacts, with enough of the cell in front of them."""
        settings, good = self.settings, np.ones(len(poses), dtype=bool)
        if settings.medium:
            good &= self._within_slice(poses, np.zeros((1, 3)))
        if settings.min_distance > 0:
            good &= distances(poses.positions, self.probe.positions) >= settings.min_distance
        if settings.max_behind < 1 and self.probe.on_plane:
            good &= share_behind(poses, self.geometry, self.probe.positions) <= settings.max_behind
        return good

    def _within_slice(self, poses: Poses, displacements: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which poses (n) stay in the slice, if there is one, where they are moved by displacements (n_steps, 3) µm."""
        layers = self.medium.layers
        if layers is None:
            return np.ones(len(poses), dtype=bool)
        if self.settings.drift_grid:
            displacements = grid_displacements(self.settings.drift_grid)[0]
        beyond = layers.outside(poses.along(displacements), self.geometry).reshape(len(poses), -1)
        within: NDArray[np.bool_] = (beyond == 0).all(axis=1)
        return within

    def _path_of(self, candidate: int, pose: Poses) -> NDArray[np.float64] | None:
        """Return the path on which a candidate drifts, or None if there is no good one."""
        path = draw_path(self.stream_key, candidate, pose.positions[0], self.limits, self.settings)
        if path is None or not self._within_slice(pose, path[[0, -1]])[0]:
            return None
        if not self.settings.check_for_drift_amp:
            return path
        ends = self.cell_on_probe.judge(pose.along(path[[0, -1]]))
        return path if len(ends) == 2 else None

    def take(self, poses: Poses, paths: NDArray[np.float64]) -> Sampled:
        """Take given poses as they are; a cell without spikes has no templates."""
        n_spikes = len(self.cell_on_probe.currents)
        if n_spikes == 1 and (poses.spikes == MEAN_SPIKE).all():
            poses = replace(poses, spikes=np.zeros_like(poses.spikes))
        wrong = (poses.spikes >= n_spikes) | (poses.spikes < 0)
        if wrong.any() and n_spikes:
            stored = f"stored are 0 to {n_spikes - 1}"
            raise UserError(f"model {self.model_id}: a given pose has spike {poses.spikes[wrong][0]}; {stored}")
        leaving = ~self._within_slice(poses, paths)
        if leaving.any():
            which = f"given pose {int(np.argmax(leaving)) + 1} leaves the slice of libraries.{self.name}.medium"
            raise UserError(f"model {self.model_id}: {which}; leave it out, or set medium.outside to fold")
        if not n_spikes:
            poses, paths = poses[:0], paths[:0]
        return Sampled(
            poses=poses,
            templates=(self.cell_on_probe.template(poses[k : k + 1]) for k in range(len(poses))),
            paths=paths,
            candidates=np.ones(len(poses), dtype=np.int64),
            n_candidates=len(poses),
        )

    def paths(self, sampled: Sampled) -> tuple[NDArray[np.float64], int]:
        """Return the displacements (n, n_steps, 3) µm along the paths of templates, and the step that is the pose itself."""
        if self.settings.drift_grid:
            displacements, centre = grid_displacements(self.settings.drift_grid)
            return np.broadcast_to(displacements, (len(sampled.poses), *displacements.shape)), centre
        return sampled.paths, int(np.argmin(np.abs(sampled.paths).sum(axis=(0, 2))))

    def along(self, poses: Poses, paths: NDArray[np.float64], centre: int) -> Iterator[NDArray[np.float32]]:
        """Yield the templates (n_steps, n_contacts, n_t) of each pose along its path."""
        cell = self.cell_on_probe
        templates: Iterator[NDArray[np.float32]]
        templates = map_in_order(lambda k: cell.along(poses[k : k + 1], paths[k], centre), range(len(poses)), self.threads)
        return templates

    def rows(self, sampled: Sampled, paths: NDArray[np.float64] | None) -> TemplateRows:
        """Return the `TemplateRows`."""
        poses, n = sampled.poses, len(sampled.poses)
        return TemplateRows(
            locations=poses.positions if paths is None else poses.positions[:, np.newaxis] + paths,
            rotations=poses.rotations,
            celltypes=np.full(n, self.cell["cell_type"], dtype=object),
            model_ids=np.full(n, self.cell["model_id"], dtype=object),
            spike_indices=poses.spikes if self.settings.spike == "random" else np.full(n, MEAN_SPIKE),
            candidates=sampled.candidates,
        )

    def info(self, sampled: Sampled, n_wanted: int) -> LibraryInfo:
        """Return the `LibraryInfo`."""
        n, n_candidates = len(sampled.poses), sampled.n_candidates
        counts = {"n_templates": n, "n_candidates": n_candidates, "acceptance_rate": n / max(n_candidates, 1)}
        params = self.settings.model_dump(exclude=EXPORT_KEYS | IMPORT_KEYS) | {
            "n": n_wanted,
            "dt": self.dt,
            "cut_out": self.cut_out,
            "image_factor": self.medium.image_factor,
            "seed": self.seed,
            "cell_models_folder": "allen_models",
            "templates_folder": "results/libraries",
        }
        cells = {column: [value] for column, value in (dict(self.cell) | counts).items()}
        return LibraryInfo.on_probe(self.probe, cells, params, self.provenance)


def _outcome(task: _Task, sampled: Sampled, n: int) -> str:
    """Return how many templates were found; raise a `UserError` if there are too few and the settings say so."""
    found, tried = len(sampled.poses), sampled.n_candidates
    outcome = f"{found} of {n} templates from {tried} poses ({found / max(tried, 1):.2%} accepted)"
    medium = task.settings.medium
    if found < n and medium and medium.outside == "refuse":
        reach = np.linalg.norm(np.concatenate([task.geometry.start, task.geometry.end]), axis=1).max()
        outcome += f"; poses that leave the slice of {medium.thickness:g} µm are refused, and this cell reaches {reach:.0f} µm "
        outcome += "from its soma: medium.outside: fold takes them"
    if found < n and task.settings.on_shortfall == "fail":
        raise UserError(
            f"model {task.model_id}: {outcome}; lower libraries.{task.name}.min_amp, bring xlim nearer, raise max_iterations, "
            f"or set on_shortfall: take"
        )
    return outcome


def _counted(templates: Iterable[NDArray[np.float32]], progress: Progress) -> Iterator[NDArray[np.float32]]:
    """Yield templates and report each."""
    for template in templates:
        yield template
        progress(1)


def _known_angle(cell: Mapping[str, Any]) -> float | None:
    """Return the angle of the pia in the cell table, rad, as BMTK gives it; None if there is none."""
    value = cell.get("rotation_angle_zaxis", "")
    try:
        return float(value) if value else None
    except ValueError:
        raise UserError(f"model {cell['model_id']}: rotation_angle_zaxis {shown(value)} is not a number (rad)") from None

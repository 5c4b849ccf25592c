"""Probes: contacts and the points on them where potentials are evaluated, from MEAutility and probeinterface, and back.

The frame is MEAutility's: contacts in the y-z plane (a probe may have another), z along the shank, x the distance from the
probe. Channels come in the order of the contacts.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import MEAutility
import numpy as np
import probeinterface
import yaml
from filelock import FileLock

from allenrec.common.errors import Unavailable, UserError

GOLDEN_RATIO = (1 + 5**0.5) / 2
#: The axes of the planes that MEAutility and its readers know
PLANES = {"xy": [0, 1], "xz": [0, 2], "yz": [1, 2]}
#: What probeinterface gives lengths in, µm
UNITS = {"um": 1.0, "mm": 1e3, "m": 1e6}
#: µm. By how much contacts of one plane may leave it, by rounding
FLAT = 1e-3
#: Of a description of MEAutility, what is written beside positions and shape
KEPT = ("electrode_name", "description", "dim", "pitch", "stagger", "model")
#: What badly formed content makes MEAutility and probeinterface raise
MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError)


@dataclass(frozen=True)
class Probe:
    """A probe: `positions` (n_contacts, 3) of contact centres, `points` (n_contacts, n_points, 3) on the contacts, both
    µm; its description `info` for MEArec's readers; `on_plane`, whether the contacts sit in an insulating plane; and
    `layout`, the exact contacts in their plane as a `probeinterface.Probe`, µm."""

    name: str
    positions: np.ndarray
    points: np.ndarray
    info: dict
    on_plane: bool
    layout: probeinterface.Probe

    @property
    def n_contacts(self):
        """How many contacts there are."""
        return len(self.positions)

    def image_factor(self, setting="auto"):
        """The factor of the method of images: `setting`, or 2 on an insulating plane and 1 else."""
        if setting == "auto":
            return 2.0 if self.on_plane else 1.0
        return float(setting)


def load_probe(name, ncontacts):
    """Load a probe with points on its contacts.

    Parameters
    ----------
    name : str
        Of a MEAutility probe; or the path of a file, of MEAutility (.yaml, .yml) or probeinterface (.json); or
        manufacturer/probe of probeinterface's library, which fetches it once and keeps it.
    ncontacts : int
        Points on each contact; 1 means its centre.

    Returns
    -------
    Probe

    Raises
    ------
    UserError
        If there is no such probe, it cannot be fetched, or it is not one flat probe with contacts of known shapes.
    """
    suffix = Path(name).suffix.lower()
    if suffix in (".yaml", ".yml"):
        return _from_meautility(name, _read_yaml(name), ncontacts)
    if suffix == ".json":
        return _from_probeinterface(name, _read_json(name), ncontacts)
    if "/" in name:
        return _from_probeinterface(name, _fetch(name), ncontacts)
    mea = MEAutility.return_mea(name)
    if mea is None:
        raise UserError(f"{name}: not a probe of MEAutility, which has {', '.join(MEAutility.return_mea_list())}")
    return _from_meautility(name, mea.info, ncontacts)


def _read_yaml(path):
    """The description of a probe in a file of MEAutility's format."""
    try:
        info = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML: {_one_line(error)}") from None
    if not isinstance(info, dict) or not ("pos" in info or {"dim", "pitch"} <= info.keys()):
        raise UserError(f"{path}: not a probe of MEAutility, which has `pos`, or `dim` and `pitch`")
    return {"electrode_name": Path(path).stem} | info


def _read_json(path):
    """The one probe in a file of probeinterface's format."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {_one_line(error)}") from None
    probes = content.get("probes") if isinstance(content, dict) else None
    if not isinstance(probes, list):
        raise UserError(f"{path}: not a file of probeinterface, which has `probes`")
    if len(probes) != 1:
        raise UserError(f"{path}: holds {len(probes)} probes; a library has one, so give each a file of its own")
    if not (isinstance(probes[0], dict) and probes[0].get("contact_positions")):
        raise UserError(f"{path}: the probe has no contacts (`contact_positions`)")
    try:
        return probeinterface.Probe.from_dict(probes[0])
    except MALFORMED as error:
        raise UserError(f"{path}: not a sound probe of probeinterface: {_one_line(error)}") from None


def _fetch(name):
    """A probe of probeinterface's library, from the folder where it keeps them, or else from the web."""
    folder = probeinterface.library.get_cache_folder()
    try:
        manufacturer, model = name.split("/")
        folder.mkdir(parents=True, exist_ok=True)
        # One job at a time: probeinterface's file is there before it is whole.
        with FileLock(folder / "allenrec.lock"):
            return probeinterface.get_probe(manufacturer, model)
    except (OSError, *MALFORMED) as error:
        raise Unavailable(
            f"{name}: not to be had from probeinterface's library ({_one_line(error)}); look at the name and the network, "
            "or give the path of its JSON file"
        ) from None


def _one_line(error):
    text = f"no {error}" if isinstance(error, KeyError) else str(error)
    return " ".join(text.split()) or type(error).__name__


def _from_meautility(name, info, ncontacts):
    plane = info.get("plane", "yz")
    if plane not in PLANES:
        raise UserError(f"{name}: plane {plane!r} must be one of {', '.join(PLANES)}")
    try:
        mea = MEAutility.return_mea(info=info)
        positions = np.asarray(mea.positions, dtype=float)
        if info.get("sortlist") is not None and sorted(info["sortlist"]) != list(range(len(positions))):
            raise ValueError(f"sortlist must hold each of 0 to {len(positions) - 1} once")
        layout = probeinterface.Probe(model_name=str(info["electrode_name"]))
        layout.set_contacts(positions[:, PLANES[plane]], shapes=mea.shape, shape_params=_shape_params(mea.shape, mea.size))
    except MALFORMED as error:
        raise UserError(f"{name}: not a sound probe of MEAutility: {_one_line(error)}") from None
    kept = {key: info[key] for key in KEPT if key in info}
    return _probe(name, layout, plane, _depth(name, positions, plane), ncontacts, info=kept, on_plane=mea.type == "mea")


def _shape_params(shape, size):
    """The shape of MEAutility's contacts in probeinterface's words; MEAutility has half the lengths."""
    if shape not in ("circle", "square", "rect"):
        raise ValueError(f"contacts of shape {shape!r}; known are circle, square and rect")
    if shape == "rect":
        return {"width": 2.0 * size[0], "height": 2.0 * size[1]}
    return {"radius": float(size)} if shape == "circle" else {"width": 2.0 * size}


def _from_probeinterface(name, probe, ncontacts):
    if probe.contact_sides is not None and len(set(probe.contact_sides)) > 1:
        raise UserError(f"{name}: contacts on two sides; put those of one side into a file of their own")
    if probe.si_units not in UNITS:
        raise UserError(f"{name}: si_units {probe.si_units!r} must be one of {', '.join(UNITS)}")
    scale = UNITS[probe.si_units]
    try:
        outlines = scale * np.concatenate(probe.get_contact_vertices())
        # Two coordinates are ours in the y-z plane, three are ours as they are.
        normal = 0 if probe.ndim == 2 else int(np.argmin(np.ptp(outlines, axis=0)))
        plane = "xyz".replace("xyz"[normal], "")
        depth = 0.0 if probe.ndim == 2 else _depth(name, outlines, plane)
        layout = _in_plane(probe, [0, 1] if probe.ndim == 2 else PLANES[plane], scale)
    except MALFORMED as error:
        raise UserError(f"{name}: not a sound probe of probeinterface: {_one_line(error)}") from None
    info = {"electrode_name": probe.model_name or probe.name or Path(name).stem}
    return _probe(name, layout, plane, depth, ncontacts, info=info, on_plane=True)


def _in_plane(probe, columns, scale):
    """A probe of probeinterface in its plane, in µm."""
    content = probe.to_dict() | {
        "ndim": 2,
        "si_units": "um",
        "contact_positions": scale * np.asarray(probe.contact_positions, dtype=float)[:, columns],
        "contact_plane_axes": np.asarray(probe.contact_plane_axes, dtype=float)[:, :, columns],
        "contact_shape_params": [
            {key: scale * value for key, value in params.items() if value is not None} for params in probe.contact_shape_params
        ],
    }
    if probe.probe_planar_contour is not None:
        content["probe_planar_contour"] = scale * np.asarray(probe.probe_planar_contour, dtype=float)[:, columns]
    return probeinterface.Probe.from_dict(content)


def _depth(name, points, plane):
    """Where the plane of points (n, 3) cuts the axis that stands on it."""
    (normal,) = {0, 1, 2} - set(PLANES[plane])
    if np.ptp(points[:, normal]) > FLAT:
        raise UserError(f"{name}: all contacts must lie in one plane of two axes, but {'xyz'[normal]} is not the same for all")
    return float(points[0, normal])


def _probe(name, layout, plane, depth, ncontacts, *, info, on_plane):
    """A probe from its contacts in the plane, which stands at `depth` µm on the third axis."""
    half = half_sizes(layout)
    if not np.isfinite(layout.contact_positions).all() or not (half > 0).all():
        raise UserError(f"{name}: contacts must have finite positions, and sizes above 0")
    axes = np.eye(3)[PLANES[plane]]
    positions = layout.contact_positions @ axes + depth * (1 - axes.sum(axis=0))
    offsets = [
        contact_points(shape, size[0] if shape == "circle" else size, ncontacts) @ own_axes @ axes
        for shape, size, own_axes in zip(layout.contact_shapes, half, layout.contact_plane_axes, strict=True)
    ]
    # Channels have the order of contacts: what a probe is wired to plays no part in a simulation.
    layout.set_device_channel_indices(np.arange(len(positions)))
    return Probe(
        name=name,
        positions=positions,
        points=positions[:, np.newaxis] + np.array(offsets),
        info={
            **info,
            **_common_shape(layout, half),
            "plane": plane,
            "type": "mea" if on_plane else "wire",
            # Where each channel is, whatever a reader makes of the rest: MEAutility applies `sortlist` to the grid of
            # `dim`, but probeinterface to positions that are in order already; and without `center` MEAutility moves a
            # probe to its own middle.
            "pos": positions,
            "sortlist": None,
            "center": False,
        },
        on_plane=on_plane,
        layout=layout,
    )


def half_sizes(layout):
    """Return half the width and half the height of each contact of a `probeinterface.Probe`, (n_contacts, 2)."""
    sides = {"circle": ("radius", "radius"), "square": ("width", "width"), "rect": ("width", "height")}
    contacts = zip(layout.contact_shapes, layout.contact_shape_params, strict=True)
    sizes = np.array([[params[side] for side in sides[shape]] for shape, params in contacts], dtype=float)
    return np.where(layout.contact_shapes[:, np.newaxis] == "circle", sizes, sizes / 2)


def _common_shape(layout, half):
    """The one shape and size that MEArec's files have for all contacts.

    Rectangles, and contacts that differ, are written as squares of their mean area: `read_mearec` of probeinterface (up to
    0.4.2 at least) ends in a TypeError at the word `rect`, and so does SpikeInterface's. What they are is in the layout.
    """
    shapes = layout.contact_shapes
    if len(set(shapes)) == 1 and shapes[0] != "rect" and (half == half[0]).all():
        return {"shape": str(shapes[0]), "size": float(half[0, 0])}
    areas = np.where(shapes == "circle", np.pi, 4.0) * half.prod(axis=1)
    return {"shape": "square", "size": float(np.sqrt(areas.mean()) / 2)}


def layout_to_text(layout):
    """Return a `probeinterface.Probe` as the text of a file of probeinterface; equal probes give equal texts."""
    content = {"specification": "probeinterface", "version": probeinterface.__version__}
    return json.dumps(content | {"probes": [layout.to_dict(array_as_list=True)]})


def layout_from_text(text):
    """Read back what `layout_to_text` gave."""
    return probeinterface.Probe.from_dict(json.loads(text)["probes"][0])


def describe_probe(probe):
    """Return what a table of probes says about one: text and numbers, lengths in µm, extents between centres."""
    layout = probe.layout
    sizes = 2 * half_sizes(layout)
    width, height = np.ptp(layout.contact_positions, axis=0)
    return {
        "probe": probe.name,
        "channels": probe.n_contacts,
        "shape": " ".join(sorted(set(layout.contact_shapes))),
        "contact_um": " ".join(sorted({f"{w:g}" if w == h else f"{w:g}x{h:g}" for w, h in sizes})),
        "width_um": round(float(width), 3),
        "height_um": round(float(height), 3),
        "shanks": layout.get_shank_count(),
        "plane": probe.info["plane"],
        "type": probe.info["type"],
    }


def contact_points(shape, size, n):
    """Return `n` points spread evenly over a contact, always the same.

    Golden-ratio sets: a Vogel spiral on a disc, a Kronecker lattice on a rectangle; both shifted so that their mean is the
    centre. An average over them converges like 1/n, over random points like 1/sqrt(n).

    Parameters
    ----------
    shape : {"circle", "square", "rect"}
    size : float or (float, float)
        µm. Radius of a circle; half the side of a square; half width and half height of a rectangle.
    n : int

    Returns
    -------
    numpy.ndarray
        (n, 2) µm, along the two main axes of the probe's plane.
    """
    k = np.arange(n)
    if shape == "circle":
        radius, angle = size * np.sqrt((k + 0.5) / n), 2 * np.pi * k / GOLDEN_RATIO
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    elif shape in ("square", "rect"):
        half = np.broadcast_to(np.asarray(size, dtype=float), 2)
        points = (2 * np.stack([(k + 0.5) / n, (k / GOLDEN_RATIO) % 1], axis=1) - 1) * half
    else:
        raise ValueError(f"contacts of shape {shape!r}; known are circle, square and rect")
    return points - points.mean(axis=0)

"""A probe: its contacts, the points on them where potentials are evaluated, and its description for readers of files.

The frame is MEAutility's: contacts in the y-z plane (a probe may have another), z along the shank, x the distance from the
probe. Channels come in the order of the contacts.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import probeinterface
from numpy.typing import ArrayLike, NDArray

from allenrec.common.errors import UserError, has_control_characters, shown

from .contact_mean import point_sets

GOLDEN_RATIO = (1 + 5**0.5) / 2
#: The axes of the planes that MEAutility and its readers know
PLANES = {"xy": [0, 1], "xz": [0, 2], "yz": [1, 2]}
#: Largest coordinate and largest size of a contact, µm
FARTHEST = 1e6
#: The texts of a description that are written into files, and the most characters of one, or of an id of a contact or a shank
NAMES, MOST_TEXT = ("electrode_name", "description", "model"), 1000
#: The exceptions that MEAutility and probeinterface raise for malformed content
MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, NameError)


@dataclass(frozen=True)
class Probe:
    """A probe with points on its contacts.

    `positions` (n_contacts, 3) µm, the centres of the contacts; `points` (n_contacts, n_points, 3) µm, spread evenly over the
    contacts; `point_sets`, sets of points for the mean over a contact, see `contact_mean`, or the centres alone; `outer_radius`
    µm, of a circle around the largest contact, 0 for the centres alone; `info`, its description for MEArec's readers;
    `on_plane`, whether the contacts sit in an insulating plane; `layout`, the exact contacts in their plane as a
    `probeinterface.Probe`, µm.
    """

    name: str
    positions: NDArray[np.float64]
    points: NDArray[np.float64]
    point_sets: tuple[NDArray[np.float64], ...]
    outer_radius: float
    info: dict[str, Any]
    on_plane: bool
    layout: probeinterface.Probe

    @property
    def n_contacts(self) -> int:
        """The number of contacts."""
        return len(self.positions)

    @property
    def disc_radii(self) -> NDArray[np.float64]:
        """The radii (n_contacts,) µm of contacts that are discs, and 0 for others, or if the centres alone are asked for."""
        discs = (self.layout.contact_shapes == "circle") & (self.outer_radius > 0)
        return np.where(discs, half_sizes(self.layout)[:, 0], 0.0)

    @property
    def normal(self) -> int:
        """The axis across the plane of the contacts, 0 to 2."""
        (normal,) = {0, 1, 2} - set(PLANES[self.info["plane"]])
        return normal

    def image_factor(self, setting: Literal["auto"] | float = "auto") -> float:
        """Return the factor of the method of images: `setting`, or for "auto" 2 on an insulating plane and 1 elsewhere."""
        if setting == "auto":
            return 2.0 if self.on_plane else 1.0
        return float(setting)


def probe_from_layout(
    name: str,
    layout: probeinterface.Probe,
    plane: str,
    depth: float,
    ncontacts: int,
    *,
    info: dict[str, Any],
    on_plane: bool,
) -> Probe:
    """Make a probe of contacts in a plane.

    Parameters
    ----------
    name : str
    layout : probeinterface.Probe
        The contacts in their plane, µm. Its wiring is replaced: channels have the order of contacts.
    plane : {"xy", "xz", "yz"}
    depth : float
        Where the plane stands on the third axis, µm.
    ncontacts : int
        The number of points on each contact.
    info : dict
        Further keys of MEAutility's description.
    on_plane : bool
        Whether the contacts sit in an insulating plane.

    Raises
    ------
    UserError
        If positions are not finite or sizes not above 0, if they are too large, or if a name cannot be written into files.
    """
    half = half_sizes(layout)
    _check_texts(name, layout, info)
    if not np.isfinite(layout.contact_positions).all() or not (half > 0).all():
        raise UserError(f"{name}: contacts must have finite positions, and sizes above 0")
    if max(np.abs(layout.contact_positions).max(), half.max(), abs(depth)) > FARTHEST:
        raise UserError(f"{name}: contacts must have positions and sizes of at most {FARTHEST:g} µm")
    axes = np.eye(3)[PLANES[plane]]
    positions = layout.contact_positions @ axes + depth * (1 - axes.sum(axis=0))
    offsets = [
        contact_points(shape, size[0] if shape == "circle" else size, ncontacts) @ own_axes @ axes
        for shape, size, own_axes in zip(layout.contact_shapes, half, layout.contact_plane_axes, strict=True)
    ]
    sets, outer_radius = _placed_sets(layout, half, axes, positions, ncontacts)
    layout.set_device_channel_indices(np.arange(len(positions)))
    points = positions[:, np.newaxis] + np.array(offsets)
    # These three give each channel its place in every reader: MEAutility applies `sortlist` to the grid of `dim`, but
    # probeinterface to positions that are in order already; and without `center` MEAutility moves a probe to its own middle.
    place = {"pos": positions, "sortlist": None, "center": False}
    kind = {"plane": plane, "type": "mea" if on_plane else "wire"}
    return Probe(
        name, positions, points, sets, outer_radius, info | _common_shape(layout, half) | kind | place, on_plane, layout
    )


def _check_texts(name: str, layout: probeinterface.Probe, info: Mapping[str, Any]) -> None:
    """Raise a `UserError` if a name of a probe, its contacts or its shanks cannot be written into every file."""
    named = {key: info[key] for key in NAMES if info.get(key) is not None}
    ids = {
        key: list(values)
        for key in ("contact_ids", "shank_ids")
        if (values := getattr(layout, key)) is not None and len(values)
    }
    for key, values in ({key: [value] for key, value in named.items()} | ids).items():
        for value in values:
            text = str(value)
            if (key in named and not isinstance(value, str | int)) or len(text) > MOST_TEXT or has_control_characters(text):
                raise UserError(
                    f"{name}: {key} {shown(text)} must be text of at most {MOST_TEXT} characters, without control ones"
                )


def _placed_sets(
    layout: probeinterface.Probe, half: NDArray[np.float64], axes: NDArray[np.float64], positions: NDArray[np.float64], n: int
) -> tuple[tuple[NDArray[np.float64], ...], float]:
    """Return the `point_sets` and the `outer_radius` of a probe."""
    if n == 1:
        return (positions[:, np.newaxis],), 0.0
    largest = half.max(axis=0)
    contacts = zip(layout.contact_shapes, half, layout.contact_plane_axes, strict=True)
    of_contacts = [[points @ own @ axes for points in point_sets(shape, size, n, largest)] for shape, size, own in contacts]
    sets = []
    for of_set in zip(*of_contacts, strict=True):
        # Discs and rectangles have different numbers of points; a probe with both has some points several times
        size = math.lcm(*map(len, of_set))
        sets.append(positions[:, np.newaxis] + np.array([np.tile(points, (size // len(points), 1)) for points in of_set]))
    outer = np.where(layout.contact_shapes == "circle", half[:, 0], np.linalg.norm(half, axis=1))
    return tuple(sets), float(outer.max())


def half_sizes(layout: probeinterface.Probe) -> NDArray[np.float64]:
    """Return half the width and half the height of each contact of a `probeinterface.Probe`, (n_contacts, 2)."""
    sides = {"circle": ("radius", "radius"), "square": ("width", "width"), "rect": ("width", "height")}
    contacts = zip(layout.contact_shapes, layout.contact_shape_params, strict=True)
    sizes = np.array([[params[side] for side in sides[shape]] for shape, params in contacts], dtype=float)
    return np.where(layout.contact_shapes[:, np.newaxis] == "circle", sizes, sizes / 2)


def _common_shape(layout: probeinterface.Probe, half: NDArray[np.float64]) -> dict[str, str | float]:
    """Return the shape and size of contacts, of which MEArec's files have only one for all contacts.

    Rectangles, and contacts that differ, are written as squares of their mean area: `read_mearec` of probeinterface (up to
    0.4.2 at least) ends in a TypeError at the word `rect`, and so does SpikeInterface's. The layout has the true shapes.
    """
    shapes = layout.contact_shapes
    if len(set(shapes)) == 1 and shapes[0] != "rect" and (half == half[0]).all():
        return {"shape": str(shapes[0]), "size": float(half[0, 0])}
    areas = np.where(shapes == "circle", np.pi, 4.0) * half.prod(axis=1)
    return {"shape": "square", "size": float(np.sqrt(areas.mean()) / 2)}


def layout_to_text(layout: probeinterface.Probe) -> str:
    """Return a `probeinterface.Probe` as the text of a probeinterface file; equal probes give equal texts."""
    content = {"specification": "probeinterface", "version": probeinterface.__version__}
    return json.dumps(content | {"probes": [layout.to_dict(array_as_list=True)]})


def layout_from_text(text: str) -> probeinterface.Probe:
    """Return the `probeinterface.Probe` in a text of `layout_to_text`."""
    return probeinterface.Probe.from_dict(json.loads(text)["probes"][0])


def describe_probe(probe: Probe) -> dict[str, Any]:
    """Return the row of a probe in the table of probes: text and numbers, lengths in µm, extents between centres."""
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


def contact_points(shape: str, size: ArrayLike, n: int) -> NDArray[np.float64]:
    """Return `n` points spread evenly over a contact, always the same.

    These are golden-ratio sets: a Vogel spiral on a disc (Vogel 1979, Math Biosci 44:179), a Kronecker lattice on a rectangle,
    both shifted so that their mean is the centre. An average over them converges like 1/n, one over random points like
    1/sqrt(n).

    Parameters
    ----------
    shape : {"circle", "square", "rect"}
    size : float or (float, float)
        The radius of a circle, half the side of a square, or half the width and half the height of a rectangle, µm.
    n : int

    Returns
    -------
    numpy.ndarray
        (n, 2) µm, along the two main axes of the probe's plane.

    Raises
    ------
    ValueError
        If the shape is unknown.
    """
    k = np.arange(n)
    half = np.broadcast_to(np.asarray(size, dtype=float), 2)
    if shape == "circle":
        radius, angle = half[0] * np.sqrt((k + 0.5) / n), 2 * np.pi * k / GOLDEN_RATIO
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    elif shape in ("square", "rect"):
        points = (2 * np.stack([(k + 0.5) / n, (k / GOLDEN_RATIO) % 1], axis=1) - 1) * half
    else:
        raise ValueError(f"contacts of shape {shown(shape)}; known are circle, square and rect")
    return points - points.mean(axis=0)


def one_line(error: Exception) -> str:
    """Return the text of an exception of MEAutility, probeinterface, YAML or JSON in one line."""
    text = f"no {error}" if isinstance(error, KeyError) else str(error)
    return " ".join(text.split()) or type(error).__name__

"""The sources of probes: MEAutility and probeinterface, by name or by file.

A new source has an entry in `allenrec.common.probe_names` and a reader here, with the same key.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import probeinterface
from numpy.typing import NDArray

from allenrec.common.errors import Unavailable, UserError, shown
from allenrec.common.plain_files import load_yaml, read_text, without_repeats
from allenrec.common.probe_names import PROBE_FORMS, meautility_files, probe_names, recording_of, source_of
from allenrec.common.real_recordings import open_recording

from .probe import MALFORMED, PLANES, Probe, one_line, probe_from_layout

#: The units of length that probeinterface knows, µm
UNITS = {"um": 1.0, "mm": 1e3, "m": 1e6}
#: The largest distance of contacts from their common plane, by rounding, µm
FLAT = 1e-3
#: The largest number of contacts in a grid; MEAutility needs minutes for more
MOST_CONTACTS = 100_000
#: The keys of MEAutility's description that are written beside positions and shape
COPIED_KEYS = ("electrode_name", "description", "dim", "pitch", "stagger", "model")
#: What is said of a file that is none of MEAutility's
NOT_MEAUTILITY = "not a probe of MEAutility, which has `pos`, or `dim` and `pitch`"


def load_probe(name: str, ncontacts: int) -> Probe:
    """Load a probe with points on its contacts.

    Parameters
    ----------
    name : str
        The name of a MEAutility probe; the path of a file of MEAutility (.yaml, .yml) or of probeinterface (.json); or
        manufacturer/probe of probeinterface's library, which downloads it once and keeps it; or recording:path of a recording
        that SpikeInterface opens.
    ncontacts : int
        The number of points on each contact; 1 means its centre.

    Returns
    -------
    Probe

    Raises
    ------
    UserError
        If there is no such probe, it cannot be downloaded, or it is not one flat probe with contacts of known shapes.

    Examples
    --------
    >>> from allenrec.probes import load_probe
    >>> load_probe("Neuronexus-32", 10).points.shape
    (32, 10, 3)
    """
    source = source_of(name)
    if source is None:
        raise UserError(f"{name}: not a probe, which is {PROBE_FORMS}; known names are {', '.join(probe_names())}")
    return READERS[source](name, ncontacts)


def as_probe(layout: probeinterface.Probe, ncontacts: int) -> Probe:
    """Return a probe of probeinterface with points on its contacts; x and y of a flat one become y and z.

    Raises
    ------
    UserError
        If it is not one flat probe with contacts of known shapes.
    """
    return _from_probeinterface(layout.model_name or layout.name or "probe", layout, ncontacts)


def _from_name(name: str, ncontacts: int) -> Probe:
    """Load one of MEAutility's probes. `MEAutility.return_mea` would read the files of all of them."""
    return probe_from_meautility(name, load_yaml(meautility_files()[name], NOT_MEAUTILITY), ncontacts)


def _from_yaml(path: str, ncontacts: int) -> Probe:
    """Load a probe from a file in MEAutility's format."""
    info = load_yaml(path, NOT_MEAUTILITY)
    if not ("pos" in info or {"dim", "pitch"} <= info.keys()):
        raise UserError(f"{path}: {NOT_MEAUTILITY}")
    return probe_from_meautility(path, {"electrode_name": Path(path).stem} | info, ncontacts)


def _from_json(path: str, ncontacts: int) -> Probe:
    """Load the one probe of a file in probeinterface's format."""
    try:
        content = json.loads(read_text(path), object_pairs_hook=lambda pairs: without_repeats(path, pairs))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {one_line(error)}") from None
    probes = content.get("probes") if isinstance(content, dict) else None
    if not isinstance(probes, list):
        raise UserError(f"{path}: not a file of probeinterface, which has `probes`")
    if len(probes) != 1:
        raise UserError(f"{path}: holds {len(probes)} probes; a library has one, so give each a file of its own")
    if not (isinstance(probes[0], dict) and probes[0].get("contact_positions")):
        raise UserError(f"{path}: the probe has no contacts (`contact_positions`)")
    try:
        probe = probeinterface.Probe.from_dict(probes[0])
    except MALFORMED as error:
        raise UserError(f"{path}: not a valid probe of probeinterface: {one_line(error)}") from None
    return _from_probeinterface(path, probe, ncontacts)


def _from_library(name: str, ncontacts: int) -> Probe:
    """Load a probe of probeinterface's library, from the folder where it keeps them, or else from the web."""
    from filelock import FileLock  # loads asyncio, which no other source needs

    folder = probeinterface.library.get_cache_folder()
    try:
        manufacturer, model = name.split("/")
        folder.mkdir(parents=True, exist_ok=True)
        # One job at a time, because probeinterface's file exists before it is complete.
        with FileLock(folder / "allenrec.lock"):
            probe = probeinterface.get_probe(manufacturer, model)
    except (OSError, *MALFORMED) as error:
        raise Unavailable(
            f"{name}: cannot be loaded from probeinterface's library ({one_line(error)}); check the name and the network, "
            "or give the path of its JSON file"
        ) from None
    return _from_probeinterface(name, probe, ncontacts)


def _from_recording(name: str, ncontacts: int) -> Probe:
    """Load the probe of a recording, in the order of its channels."""
    path, extractor, arguments = recording_of(name) or (name, None, {})
    recording = open_recording(path, extractor, arguments)
    probes = recording.get_probes() if recording.has_probe() else []
    if len(probes) != 1:
        raise UserError(
            f"{path}: the recording has {len(probes) or 'no'} probes; a library needs one: write the name or file of a probe "
            f"whose contacts are in the order of the {recording.get_num_channels()} channels"
        )
    return _from_probeinterface(path, probes[0], ncontacts)


#: The reader of each entry of `allenrec.common.probe_names.PROBE_SOURCES`: the name and the number of points on a contact to
#: a `Probe`
READERS: dict[str, Callable[[str, int], Probe]] = {
    "recording": _from_recording,
    "MEAutility": _from_name,
    "MEAutility file": _from_yaml,
    "probeinterface file": _from_json,
    "probeinterface library": _from_library,
}


def probe_from_meautility(name: str, info: Mapping[str, Any], ncontacts: int) -> Probe:
    """Make a probe of MEAutility's description, `info`, with points on its contacts.

    Raises
    ------
    UserError
        If it is not one flat probe with contacts of known shapes.
    """
    import MEAutility  # jobs that load no probe do without it

    plane = info.get("plane", "yz")
    if not isinstance(plane, str) or plane not in PLANES:
        raise UserError(f"{name}: plane {shown(plane)} must be one of {', '.join(PLANES)}")
    _check_grid(name, info)
    try:
        mea = MEAutility.return_mea(info=info)
        positions = np.asarray(mea.positions, dtype=float)
        if info.get("sortlist") is not None and sorted(info["sortlist"]) != list(range(len(positions))):
            raise ValueError(f"sortlist must hold each of 0 to {len(positions) - 1} once")
        layout = probeinterface.Probe(model_name=str(info["electrode_name"]))
        layout.set_contacts(positions[:, PLANES[plane]], shapes=mea.shape, shape_params=_shape_params(mea.shape, mea.size))
    except MALFORMED as error:
        raise UserError(f"{name}: not a valid probe of MEAutility: {one_line(error)}") from None
    copied = {key: info[key] for key in COPIED_KEYS if key in info}
    depth = _depth(name, positions, plane)
    return probe_from_layout(name, layout, plane, depth, ncontacts, info=copied, on_plane=mea.type == "mea")


def _check_grid(name: str, info: Mapping[str, Any]) -> None:
    """Raise a `UserError` if the grid of a probe of MEAutility, `dim`, is none, or has too many contacts to be laid out."""
    if "pos" in info or info.get("dim") is None:
        return
    # One number is that of rows and of columns; more than two are those of the contacts of each column
    counts = info["dim"] if isinstance(info["dim"], list) else [info["dim"]] * 2
    whole = counts and all(type(count) is int and count > 0 for count in counts)
    if not whole or (math.prod if len(counts) <= 2 else sum)(counts) > MOST_CONTACTS:
        raise UserError(f"{name}: dim {shown(info['dim'])} must be numbers of contacts, at most {MOST_CONTACTS} altogether")


def _shape_params(shape: str, size: Any) -> dict[str, float]:
    """Return the size of MEAutility's contacts in probeinterface's words; MEAutility has half the lengths."""
    if shape not in ("circle", "square", "rect"):
        raise ValueError(f"contacts of shape {shown(shape)}; known are circle, square and rect")
    if shape == "rect":
        return {"width": 2.0 * size[0], "height": 2.0 * size[1]}
    return {"radius": float(size)} if shape == "circle" else {"width": 2.0 * size}


def _from_probeinterface(name: str, probe: probeinterface.Probe, ncontacts: int) -> Probe:
    """Make a probe of probeinterface's; x and y of a flat one become y and z."""
    if probe.contact_sides is not None and len(set(probe.contact_sides)) > 1:
        raise UserError(f"{name}: contacts on two sides; put those of one side into a file of their own")
    if probe.si_units not in UNITS:
        raise UserError(f"{name}: si_units {shown(probe.si_units)} must be one of {', '.join(UNITS)}")
    scale = UNITS[probe.si_units]
    try:
        outlines = scale * np.concatenate(probe.get_contact_vertices())
        # A probe with three coordinates keeps them.
        normal = 0 if probe.ndim == 2 else int(np.argmin(np.ptp(outlines, axis=0)))
        plane = "xyz".replace("xyz"[normal], "")
        depth = 0.0 if probe.ndim == 2 else _depth(name, outlines, plane)
        layout = _in_plane(probe, [0, 1] if probe.ndim == 2 else PLANES[plane], scale)
    except MALFORMED as error:
        raise UserError(f"{name}: not a valid probe of probeinterface: {one_line(error)}") from None
    info = {"electrode_name": probe.model_name or probe.name or Path(name).stem}
    return probe_from_layout(name, layout, plane, depth, ncontacts, info=info, on_plane=True)


def _in_plane(probe: probeinterface.Probe, columns: list[int], scale: float) -> probeinterface.Probe:
    """Return a probe of probeinterface in its plane, in µm.

    `probeinterface.Probe.to_2d` would lose the ids and axes of contacts and the shanks.
    """
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


def _depth(name: str, points: NDArray[np.float64], plane: str) -> float:
    """Return where the plane of points (n, 3) cuts the axis perpendicular to it."""
    (normal,) = {0, 1, 2} - set(PLANES[plane])
    if np.ptp(points[:, normal]) > FLAT:
        raise UserError(f"{name}: all contacts must lie in one plane of two axes, but {'xyz'[normal]} is not the same for all")
    return float(points[0, normal])

"""Probes: against MEAutility and probeinterface themselves, and read by MEArec, probeinterface and SpikeInterface."""

import json

import h5py
import MEArec
import MEAutility
import numpy as np
import probeinterface
import pytest
import spikeinterface.extractors
import yaml

from allenrec.common.errors import UserError
from allenrec.common.probe_names import PROBE_SOURCES, probe_names
from allenrec.figures.probes import overview
from allenrec.figures.style import save
from allenrec.libraries.from_arrays import library_from_arrays, template_rows
from allenrec.libraries.library_file import read_library
from allenrec.probes import describe_probe, half_sizes, layout_from_text, layout_to_text, load_probe
from allenrec.probes.sources import READERS
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.generated_recording import GeneratedRecording
from allenrec.recordings.plan import plan_recording
from allenrec.settings import load_settings
from allenrec.settings.recordings import Recording

GRID = [[0.0, 0.0], [20.0, 0.0], [0.0, 31.0], [25.0, 40.0]]


def write_yaml(path, **changes):
    """A MEAutility file of four contacts; a key is left out where the change is None."""
    info = {"electrode_name": "mine", "pos": GRID, "shape": "circle", "size": 7.5, "plane": "yz", "type": "mea"} | changes
    path.write_text(yaml.safe_dump({key: value for key, value in info.items() if value is not None}))
    return str(path)


def new_probe(shapes="circle", shape_params=None, positions=GRID, units="um", **contacts):
    """A probe of probeinterface."""
    positions = np.array(positions, dtype=float)
    probe = probeinterface.Probe(ndim=positions.shape[1], si_units=units, model_name="M1", manufacturer="nobody")
    probe.set_contacts(positions, shapes=shapes, shape_params=shape_params or {"radius": 6.0}, **contacts)
    return probe


def write_json(path, *probes):
    group = probeinterface.ProbeGroup()
    for probe in probes:
        group.add_probe(probe)
    probeinterface.write_probeinterface(path, group)
    return str(path)


def assert_same_contacts(probe, expected):
    """Positions, axes, shapes and sizes, contact by contact."""
    np.testing.assert_allclose(probe.contact_positions, expected.contact_positions, atol=1e-9)
    np.testing.assert_allclose(probe.contact_plane_axes, expected.contact_plane_axes, atol=1e-9)
    assert list(probe.contact_shapes) == list(expected.contact_shapes)
    for ours, theirs in zip(probe.contact_shape_params, expected.contact_shape_params, strict=True):
        assert ours == pytest.approx(theirs)


def write_files(folder, probe):
    """A library of five templates on a probe, and a recording of it; their paths."""
    n_t, rng = 224, np.random.default_rng(0)
    templates = np.zeros((5, probe.n_contacts, n_t), dtype=np.float32)
    shape = -np.exp(-0.5 * ((np.arange(n_t) - 64) / 8) ** 2)
    templates[np.arange(5), rng.integers(probe.n_contacts, size=5)] = 80 * shape
    path, locations = folder / "templates.h5", rng.uniform(-50, 50, (5, 3))
    library_from_arrays(path, templates, template_rows(locations, ["spiny"] * 5), probe, dt=2.0**-5, cut_out=(2.0, 5.0))
    library = read_library(path)
    spiketrains = {"duration": 1.0, "n_exc": 2, "n_inh": 0}
    settings = Recording.model_validate(
        {"library": "l", "spiketrains": spiketrains, "templates": {"min_dist": 0.0}, "recordings": {"filter": False}}
    )
    plan = plan_recording(library, settings, seed=0, name="r")
    write_mearec(folder / "recording.h5", GeneratedRecording(plan, library, settings, {"config": {}}))
    return folder / "templates.h5", folder / "recording.h5"


# -- what MEAutility has


@pytest.mark.parametrize("name", probe_names())
def test_probes_of_meautility_are_as_it_has_them(name):
    mea, probe = MEAutility.return_mea(name), load_probe(name, 40)
    assert np.array_equal(probe.positions, mea.positions)
    assert probe.on_plane == (mea.type == "mea") and probe.info["plane"] == mea.plane
    for contact, points in zip(mea.electrodes, probe.points, strict=True):
        offsets = points - contact.position
        normal = np.cross(*contact.main_axes)
        assert np.abs(offsets @ normal).max() == 0 and np.abs(offsets.mean(axis=0)).max() < 1e-9
        along = np.abs(offsets @ np.transpose(contact.main_axes))
        # The points of an even lattice reach to the edge of a contact, less a part of their distance.
        reach = np.linalg.norm(offsets, axis=1).max() if contact.shape == "circle" else along.max()
        assert 0.9 * contact.size < reach < 1.05 * contact.size
    described = describe_probe(probe)
    assert described["channels"] == mea.number_electrodes and described["shape"] == mea.shape
    assert described["contact_um"] == f"{2 * mea.size:g}" and described["shanks"] == 1


@pytest.mark.parametrize("name", [name for name in probe_names() if len(MEAutility.return_mea(name).positions) < 100])
def test_readers_get_every_small_probe_of_meautility(name, tmp_path):
    mea = MEAutility.return_mea(name)
    for path in write_files(tmp_path, load_probe(name, 1)):
        probe = probeinterface.read_mearec(path)
        columns = ["xyz".index(axis) for axis in mea.plane]
        assert np.array_equal(probe.contact_positions, mea.positions[:, columns])
        assert set(probe.contact_shapes) == {mea.shape}
        size = {"radius": mea.size} if mea.shape == "circle" else {"width": 2 * mea.size}
        assert list(probe.contact_shape_params) == [size] * len(mea.positions)


@pytest.mark.parametrize("plane", ["xy", "xz", "yz"])
@pytest.mark.parametrize("shape", ["circle", "square", "rect"])
def test_yaml_of_meautility(shape, plane, tmp_path):
    size = [4.0, 9.0] if shape == "rect" else 7.5
    path = write_yaml(tmp_path / "mine.yaml", shape=shape, size=size, plane=plane, type="wire")
    mea = MEAutility.return_mea(info=yaml.safe_load((tmp_path / "mine.yaml").read_text()))
    probe = load_probe(path, 50)
    assert np.array_equal(probe.positions, mea.positions) and probe.image_factor() == 1.0
    along = np.abs((probe.points - probe.positions[:, np.newaxis]) @ np.transpose(mea.main_axes))
    expected = np.broadcast_to(size, 2)
    np.testing.assert_allclose(along.max(axis=(0, 1)), expected, rtol=0.07)
    np.testing.assert_allclose(half_sizes(probe.layout), [expected] * 4)
    inside = [contact.are_points_inside(contact.position + 0.93 * offset) for contact, offset in zip(
        mea.electrodes, probe.points - probe.positions[:, np.newaxis], strict=True)]  # fmt: skip
    assert np.all(inside)


def test_positions_of_a_yaml_are_centred_or_not_as_it_says(tmp_path):
    """MEAutility centres a probe unless told otherwise; and its own `offset` is along the normal."""
    centred = load_probe(write_yaml(tmp_path / "a.yaml"), 1)
    as_given = load_probe(write_yaml(tmp_path / "b.yml", center=False, offset=5), 1)
    assert np.array_equal(as_given.positions, [[5, y, z] for y, z in GRID])
    np.testing.assert_allclose(centred.positions.mean(axis=0), 0, atol=1e-12)
    for probe in (centred, as_given):
        assert np.array_equal(MEAutility.return_mea(info=probe.info).positions, probe.positions)


def test_sorted_channels_stay_where_meautility_puts_them(tmp_path):
    """Both MEArec and probeinterface apply a `sortlist` that they find, so there is none in the files."""
    order = [2, 0, 3, 1]
    path = write_yaml(tmp_path / "mine.yaml", sortlist=order)
    mea = MEAutility.return_mea(info=yaml.safe_load((tmp_path / "mine.yaml").read_text()))
    plain = load_probe(write_yaml(tmp_path / "plain.yaml"), 1)
    probe = load_probe(path, 1)
    assert np.array_equal(probe.positions, mea.positions)
    assert np.array_equal(probe.positions[order], plain.positions)
    library, recording = write_files(tmp_path, probe)
    loaded = MEArec.load_templates(library, return_h5_objects=False)
    assert np.array_equal(MEAutility.return_mea(info=loaded.info["electrodes"]).positions, mea.positions)
    locations = spikeinterface.extractors.read_mearec(recording)[0].get_channel_locations()
    assert np.array_equal(locations, mea.positions[:, 1:])


# -- what probeinterface has

TURNED = np.array([[[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]] for a in (0.0, 0.3, 0.8, 1.2)])
PROBES = {
    "circle": lambda: new_probe(),
    "square": lambda: new_probe("square", {"width": 12.0}),
    "rect": lambda: new_probe("rect", {"width": 6.0, "height": 20.0}),
    "turned": lambda: new_probe("rect", {"width": 6.0, "height": 20.0}, plane_axes=TURNED),
    "two shanks": lambda: new_probe(shank_ids=["a", "a", "b", "b"], contact_ids=["p", "q", "r", "s"]),
    "sizes differ": lambda: new_probe(shape_params=[{"radius": r} for r in (5.0, 6.0, 7.0, 8.0)]),
    "shapes differ": lambda: new_probe(
        ["circle", "square", "rect", "rect"],
        [{"radius": 5.0}, {"width": 9.0}, {"width": 4.0, "height": 8.0}, {"width": 8.0, "height": 4.0}],
    ),
}


@pytest.mark.parametrize("kind", PROBES)
def test_json_of_probeinterface_and_what_its_file_says_later(kind, tmp_path):
    """Positions stay as the file has them: x and y are ours in the y-z plane."""
    expected = PROBES[kind]()
    probe = load_probe(write_json(tmp_path / "mine.json", PROBES[kind]()), 60)
    assert np.array_equal(probe.positions, np.column_stack([np.zeros(4), expected.contact_positions]))
    assert probe.on_plane and probe.image_factor() == 2.0 and probe.image_factor(1.5) == 1.5
    for points, outline, (y, z) in zip(probe.points, expected.get_contact_vertices(), GRID, strict=True):
        assert np.ptp(points[:, 0]) == 0
        low, high = outline.min(axis=0), outline.max(axis=0)
        np.testing.assert_allclose(points[:, 1:].min(axis=0), low, atol=0.12 * (high - low).max())
        np.testing.assert_allclose(points[:, 1:].max(axis=0), high, atol=0.12 * (high - low).max())
        np.testing.assert_allclose(points.mean(axis=0), [0, y, z], atol=1e-9)
    library, recording = write_files(tmp_path, probe)
    for stored in (read_library(library).probe, read_exactly(recording), layout_from_text(layout_to_text(probe.layout))):
        assert_same_contacts(stored, expected)
        assert list(stored.contact_ids) == list(expected.contact_ids) and stored.model_name == "M1"
        assert (stored.shank_ids is None) if expected.shank_ids is None else list(stored.shank_ids) == list("aabb")


def read_exactly(path):
    with read_recording(path) as recording:
        return recording.probe


@pytest.mark.parametrize("kind", PROBES)
def test_spikeinterface_reads_the_geometry_that_was_written(kind, tmp_path):
    """Through its own reader: positions of every probe, shapes as far as MEArec's layout has them; then all of it."""
    expected = PROBES[kind]()
    _, path = write_files(tmp_path, load_probe(write_json(tmp_path / "mine.json", PROBES[kind]()), 1))
    recording, _ = spikeinterface.extractors.read_mearec(path)
    assert np.array_equal(recording.get_channel_locations(), expected.contact_positions)
    if kind in ("circle", "square", "two shanks"):
        assert_same_contacts(recording.get_probe(), expected)
    else:
        # One shape for all, and none that probeinterface's reader stumbles over: a square of the mean area.
        areas = [np.pi * p["radius"] ** 2 if "radius" in p else p["width"] * p.get("height", p["width"])
                 for p in expected.contact_shape_params]  # fmt: skip
        assert set(recording.get_probe().contact_shapes) == {"square"}
        assert recording.get_probe().contact_shape_params[0]["width"] == pytest.approx(np.sqrt(np.mean(areas)))
    with read_recording(path) as ours:
        recording.set_probe(ours.probe)
    assert_same_contacts(recording.get_probe(), expected)
    assert np.array_equal(recording.get_channel_locations(), expected.contact_positions)


@pytest.mark.parametrize("kind", ["yaml", "json"])
@pytest.mark.parametrize("shape", ["circle", "square", "rect"])
def test_a_stored_probe_is_a_file_of_probeinterface(shape, kind, tmp_path):
    """Readers that know nothing of us: what is in `probe`, written to a file, is read by probeinterface."""
    sizes = {"circle": {"radius": 6.0}, "square": {"width": 12.0}, "rect": {"width": 6.0, "height": 20.0}}
    expected = new_probe(shape, sizes[shape])
    half = {"circle": 6.0, "square": 6.0, "rect": [3.0, 10.0]}[shape]
    if kind == "yaml":
        probe = load_probe(write_yaml(tmp_path / "mine.yaml", shape=shape, size=half, center=False), 1)
    else:
        probe = load_probe(write_json(tmp_path / "mine.json", new_probe(shape, sizes[shape])), 1)
    for path in write_files(tmp_path, probe):
        with h5py.File(path) as file:
            (tmp_path / "stored.json").write_text(file["probe"].asstr()[()])
        (stored,) = probeinterface.read_probeinterface(tmp_path / "stored.json").probes
        assert_same_contacts(stored, expected)
        assert np.array_equal(probeinterface.read_mearec(path).contact_positions, expected.contact_positions)


@pytest.mark.parametrize(("units", "factor"), [("mm", 1e-3), ("m", 1e-6)])
def test_other_units_become_micrometres(units, factor, tmp_path):
    small = new_probe("rect", {"width": 6 * factor, "height": 20 * factor}, np.array(GRID) * factor, units)
    small.set_planar_contour(factor * np.array([[-20, 80], [10, -50], [40, 80]]))
    probe = load_probe(write_json(tmp_path / "mine.json", small), 1)
    assert_same_contacts(probe.layout, PROBES["rect"]())
    assert probe.layout.si_units == "um"
    np.testing.assert_allclose(probe.layout.probe_planar_contour, [[-20, 80], [10, -50], [40, 80]])


def test_wiring_leaves_channels_in_the_order_of_the_contacts(tmp_path):
    wired = new_probe()
    wired.set_device_channel_indices([3, -1, 0, 1])
    _, path = write_files(tmp_path, load_probe(write_json(tmp_path / "mine.json", wired), 1))
    recording, _ = spikeinterface.extractors.read_mearec(path)
    assert np.array_equal(recording.get_channel_locations(), GRID)
    with read_recording(path) as ours:
        assert list(ours.probe.device_channel_indices) == [0, 1, 2, 3]


@pytest.mark.parametrize("plane", ["xy", "xz", "yz"])
def test_three_coordinates_are_ours_as_they_are(plane, tmp_path):
    expected = PROBES["turned"]()
    solid = expected.to_3d(plane)
    solid.move(np.array([1.0, 2.0, 3.0]))
    probe = load_probe(write_json(tmp_path / "mine.json", solid.copy()), 30)
    assert np.array_equal(probe.positions, solid.contact_positions) and probe.info["plane"] == plane
    columns = ["xyz".index(axis) for axis in plane]
    assert np.array_equal(probe.layout.contact_plane_axes, TURNED)
    along = np.einsum("cij,cpj->cpi", TURNED, (probe.points - probe.positions[:, np.newaxis])[:, :, columns])
    np.testing.assert_allclose(np.abs(along).max(axis=1), [[3.0, 10.0]] * 4, rtol=0.07)
    _, path = write_files(tmp_path, probe)
    locations = spikeinterface.extractors.read_mearec(path)[0].get_channel_locations()
    assert np.array_equal(locations, solid.contact_positions[:, columns])


def test_probe_of_the_library_comes_from_the_web_once(tmp_path, monkeypatch):
    """The web's part is played by a function; probeinterface's folder is another one."""
    fetched = []

    def download(manufacturer, probe_name, tag=None):
        fetched.append(f"{manufacturer}/{probe_name}")
        folder = tmp_path / "main" / manufacturer
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / f"{probe_name}.json", PROBES["two shanks"]())

    monkeypatch.setattr(probeinterface.library, "get_cache_folder", lambda: tmp_path)
    monkeypatch.setattr(probeinterface.library, "download_probeinterface_file", download)
    for _ in range(2):
        probe = load_probe("nobody/M1", 1)
        assert_same_contacts(probe.layout, PROBES["two shanks"]())
    assert fetched == ["nobody/M1"]
    (tmp_path / "main" / "nobody" / "M1.json").write_text("{")
    with pytest.raises(UserError, match=r"^nobody/M1: cannot be loaded from probeinterface's library"):
        load_probe("nobody/M1", 1)


def test_probe_of_the_library_that_cannot_be_fetched(tmp_path, monkeypatch):
    def download(*_, **__):
        raise OSError("Name or service not known\n")

    monkeypatch.setattr(probeinterface.library, "get_cache_folder", lambda: tmp_path)
    monkeypatch.setattr(probeinterface.library, "download_probeinterface_file", download)
    text = refusal("imec/NP1010")
    assert text.startswith("imec/NP1010: cannot be loaded") and "Name or service not known" in text and "JSON" in text


# -- mistakes


def refusal(name):
    """Return the message that a user reads; it is always one line."""
    with pytest.raises(UserError) as caught:
        load_probe(name, 1)
    text = str(caught.value)
    assert text.splitlines() == [text]
    return text


BAD_YAML = {
    "of another kind": ({"pos": None}, "`pos`, or `dim` and `pitch`"),
    "unknown plane": ({"plane": "zy"}, "plane 'zy' must be one of xy, xz, yz"),
    "plane in a list": ({"plane": ["yz"]}, "plane ['yz'] must be one of xy, xz, yz"),
    "grid of no numbers": ({"pos": None, "dim": "many", "pitch": 20}, "dim 'many' must be numbers of contacts"),
    "grid below nothing": ({"pos": None, "dim": [-1, 4], "pitch": 20}, "dim [-1, 4] must be numbers of contacts"),
    "grid of billions": ({"pos": None, "dim": [10**5, 10**5], "pitch": 20}, "at most 100000 altogether"),
    "columns of billions": ({"pos": None, "dim": [10**9, 1, 1], "pitch": 20}, "at most 100000 altogether"),
    "name that is a list": ({"electrode_name": ["a"]}, "electrode_name \"['a']\" must be text"),
    "NUL in its description": ({"description": "a\0b"}, "description 'a\\x00b' must be text"),
    "name of 5000 characters": ({"model": "x" * 5000}, "must be text of at most 1000 characters"),
    "contacts of a kilometre": ({"size": 1e9}, "positions and sizes of at most 1e+06 µm"),
    "unknown shape": ({"shape": "hexagon"}, "'hexagon'; known are circle, square and rect"),
    "one size for a rectangle": ({"shape": "rect"}, "rect"),
    "size that is a word": ({"size": "big"}, "'big'"),
    "pitch of 40 digits": ({"pos": None, "dim": [2, 2], "pitch": 10**40}, "not a valid probe"),
    "size of nothing": ({"size": 0.0}, "sizes above 0"),
    "not flat": ({"pos": [[0, 0, 0], [3, 0, 20]]}, "x is not the same for all"),
    "one place twice": ({"pos": [[0, 0], [0, 0]]}, "unique"),
    "no contacts": ({"pos": []}, "not a valid probe"),
    "four coordinates": ({"pos": [[0, 0, 0, 0], [0, 0, 0, 1]]}, "2D or 3D"),
    "words for positions": ({"pos": [["a", "b"], ["c", "d"]]}, "not a valid probe"),
    "channel twice": ({"sortlist": [0, 1, 1, 2]}, "sortlist must hold each of 0 to 3 once"),
    "order of too many": ({"sortlist": [0, 1, 2, 3, 4]}, "not a valid probe"),
}


@pytest.mark.parametrize(("changes", "expected"), BAD_YAML.values(), ids=BAD_YAML)
def test_bad_yaml(changes, expected, tmp_path):
    text = refusal(write_yaml(tmp_path / "mine.yaml", **changes))
    assert text.startswith(f"{tmp_path / 'mine.yaml'}: ") and expected in text


@pytest.mark.parametrize(
    "content", ["", "[1, 2]", "just text", "a: [1", "\0", "pos: [[0, 0]]\npos: [[1, 1]]\n", "a: &a [1, *a]\n"]
)
def test_file_that_is_no_yaml_of_a_probe(content, tmp_path):
    (tmp_path / "mine.yaml").write_text(content)
    refusal(str(tmp_path / "mine.yaml"))


def changed(**changes):
    """The content of a probeinterface file with values of its probe changed; a key is left out where it is None."""
    probe = PROBES["rect"]().to_dict(array_as_list=True) | changes
    return {"specification": "probeinterface", "probes": [{k: v for k, v in probe.items() if v is not None}]}


BAD_JSON = {
    "of another kind": ({"a": 1}, "which has `probes`"),
    "a list": ([1], "which has `probes`"),
    "no probe": ({"probes": []}, "holds 0 probes"),
    "no contacts": (changed(contact_positions=[]), "no contacts"),
    "no positions": (changed(contact_positions=None), "no contacts"),
    "no shapes": (changed(contact_shapes=None), "no 'contact_shapes'"),
    "shank name of two lines": (changed(shank_ids=["a\nb", "c", "c", "c"]), "shank_ids 'a\\nb' must be text"),
    "long contact id": (changed(contact_ids=["x" * 5000, "a", "b", "c"]), "must be text of at most 1000 characters"),
    "unknown shape": (changed(contact_shapes=["star"] * 4), "['circle', 'square', 'rect']"),
    "no height": (changed(contact_shape_params=[{"width": 3.0}] * 4), "no 'height'"),
    "size of nothing": (changed(contact_shape_params=[{"width": 0.0, "height": 1.0}] * 4), "sizes above 0"),
    "position that is no number": (changed(contact_positions=[[0, 0], [1, 1], [2, 2], [float("nan"), 3]]), "finite"),
    "unknown unit": (changed(si_units="inch"), "si_units 'inch' must be one of um, mm, m"),
    "one place twice": (changed(contact_positions=[[0, 0]] * 4), "unique"),
    "three coordinates in a plane": (changed(contact_positions=[[0, 0, 1]] * 4), "not a valid probe"),
}


@pytest.mark.parametrize(("content", "expected"), BAD_JSON.values(), ids=BAD_JSON)
def test_bad_json(content, expected, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    text = refusal(str(path))
    assert text.startswith(f"{path}: ") and expected in text


def test_probes_that_a_library_cannot_have(tmp_path):
    second = PROBES["circle"]()
    second.move([100, 0])
    text = refusal(write_json(tmp_path / "a.json", PROBES["circle"](), second))
    assert "holds 2 probes" in text
    sides = np.array(["front", "front", "back", "back"])
    assert "two sides" in refusal(write_json(tmp_path / "b.json", new_probe(contact_sides=sides)))
    bent = PROBES["circle"]().to_3d("yz")
    bent.rotate(20, axis=[0, 0, 1])
    assert "one plane of two axes" in refusal(write_json(tmp_path / "c.json", bent))
    (tmp_path / "d.json").write_text("{")
    assert "cannot be read as JSON" in refusal(str(tmp_path / "d.json"))


def test_names_and_files_that_are_not_there(tmp_path):
    for name in ("mine.yaml", "mine.json"):
        assert "No such file" in refusal(str(tmp_path / name))
    assert ", ".join(probe_names()) in refusal("Neuronexus32")


# -- the configuration


def test_each_source_has_a_reader():
    """A name that the configuration takes is one that `load_probe` can read."""
    assert list(READERS) == list(PROBE_SOURCES)


def check(probe):
    return load_settings({"libraries": {"lib": {"probe": probe}}}).libraries["lib"]


def test_configuration_takes_all_four_forms(tmp_path, monkeypatch):
    """It neither downloads nor opens anything."""
    monkeypatch.setattr(probeinterface, "get_probe", None)
    files = [tmp_path / name for name in ("a.yaml", "b.yml", "c.json", "D.JSON")]
    for path in files:
        path.touch()
        assert check(str(path)).probe_file == str(path)
    for name in ("Neuronexus-32", "neuronexus/A1x32-Poly3-10mm-50-177", "imec/NP1010", "imec/PRB_1_4_0480_1"):
        assert check(name).probe_file is None


def test_configuration_names_what_is_wrong(tmp_path):
    (tmp_path / "mine.prb").touch()
    (tmp_path / "mine").touch()
    for probe, expected in {
        "Neuropixel-128": "is not a probe; did you mean 'Neuropixels-128'? known are Neuronexus-32, ",
        "": "is not a probe; known are Neuronexus-32, ",
        str(tmp_path / "no.yaml"): "no such file",
        str(tmp_path / "no.json"): "no such file",
        str(tmp_path / "mine.prb"): "must end in .yaml, .yml, .json if it is a file",
        str(tmp_path / "mine"): "must end in .yaml, .yml, .json if it is a file",
        "config/mine.prb": "must end in .yaml, .yml, .json if it is a file",
        "imec/a/b": "must end in .yaml, .yml, .json if it is a file",
        "imec/": "is not a probe; known are ",
    }.items():
        with pytest.raises(UserError) as caught:
            check(probe)
        text = str(caught.value)
        assert text.startswith("config: libraries.lib.probe: ") and expected in text and text.splitlines() == [text]


# -- the picture


def test_picture_has_each_probe_with_its_contacts(tmp_path):
    """Contacts in their true shape and place; what is longer than a panel is cut, what is wider is drawn smaller."""
    wide = new_probe(positions=[[0, 0], [1000, 0]], shank_ids=["a", "b"])
    names = ["Neuropixels-384", "monotrode", write_json(tmp_path / "turned.json", PROBES["turned"]()),
             write_json(tmp_path / "wide.json", wide), *probe_names()[:5]]  # fmt: skip
    probes = [load_probe(name, 1) for name in names]
    figure = overview(probes, {"monotrode": "single"})
    panels = [axes for axes in figure.axes if axes.collections]
    assert len(panels) == len(probes) and f"{len(probes)} probes" in figure.get_suptitle()
    for axes, probe in zip(panels, probes, strict=True):
        drawn = [path.vertices[:-1] for path in axes.collections[0].get_paths()]
        for ours, expected in zip(drawn, probe.layout.get_contact_vertices(), strict=True):
            assert np.array_equal(ours, expected)
        assert axes.get_aspect() == 1.0
        texts = " ".join(text.get_text() for text in axes.texts)
        assert probe.name[-20:] in texts and f"{probe.n_contacts} channel" in texts
        assert ("library single" in texts) == (probe.name == "monotrode")
        assert ("lower part of 3820 µm" in texts) == (probe.name == "Neuropixels-384")
        low, high = np.concatenate(drawn).min(axis=0), np.concatenate(drawn).max(axis=0)
        assert axes.get_xlim()[0] < low[0] and high[0] < axes.get_xlim()[1] and axes.get_ylim()[0] < low[1]
        assert high[1] < axes.get_ylim()[1] or "lower part" in texts
    save(figure, tmp_path / "a.png")
    save(overview(probes, {"monotrode": "single"}), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()

"""The mean over a contact against dense quadrature, an analytic mean, and given points."""

import numpy as np
import probeinterface
import pytest

from allenrec.libraries.contacts import contacts_of, contacts_with
from allenrec.libraries.eap import eap
from allenrec.libraries.forward_model import transfer_matrix
from allenrec.libraries.medium import Medium
from allenrec.libraries.poses import Geometry
from allenrec.probes import FINE_FROM, load_probe, probe_from_layout

#: Shapes of contacts, and half their sizes, µm
SHAPES = {
    "circle of 15 µm": ("circle", {"radius": 7.5}, (7.5, 7.5)),
    "circle of 30 µm": ("circle", {"radius": 15.0}, (15.0, 15.0)),
    "square of 12 µm": ("square", {"width": 12.0}, (6.0, 6.0)),
    "square of 20 µm": ("square", {"width": 20.0}, (10.0, 10.0)),
    "rectangle": ("rect", {"width": 8.0, "height": 24.0}, (4.0, 12.0)),
}
CURRENTS = np.array([[0, 1]], dtype=np.float32)


def probe_of(shape, params, ncontacts=10, turn=0.0):
    layout = probeinterface.Probe(ndim=2)
    layout.set_contacts([[0, 0], [0, 60]], shapes=shape, shape_params=params)
    layout.rotate_contacts(turn)
    return probe_from_layout("made", layout, "yz", 0.0, ncontacts, info={}, on_plane=False)


def dense(shape, half, n=40):
    """Points (m, 3) on a contact at the origin, and their weights: Gauss-Legendre, on a disc with even angles."""
    x, w = np.polynomial.legendre.leggauss(n)
    if shape == "circle":
        turn = 2 * np.pi * np.arange(3 * n) / (3 * n)
        radius = half[0] * np.sqrt((x + 1) / 2)
        yz, weights = np.multiply.outer(radius, np.exp(1j * turn)).ravel(), np.repeat(w, 3 * n)
    else:
        yz, weights = np.add.outer(half[0] * x, 1j * half[1] * x).ravel(), np.outer(w, w).ravel()
    return np.stack([np.zeros(len(yz)), yz.real, yz.imag], axis=1), weights / weights.sum()


def gap(shape, half, points):
    """The distances (n,) of points (n, 3) to a contact at the origin."""
    if shape == "circle":
        beside = np.maximum(np.linalg.norm(points[:, 1:], axis=1) - half[0], 0)
    else:
        beside = np.linalg.norm(np.maximum(np.abs(points[:, 1:]) - half, 0), axis=1)
    return np.hypot(points[:, 0], beside)


@pytest.mark.parametrize("name", SHAPES)
def test_mean_is_exact_to_a_thousandth_from_5_um_on(name):
    """Short and long segments in all directions, as near as they may be and farther."""
    shape, params, half = SHAPES[name]
    contacts, (points, weights) = contacts_of(probe_of(shape, params)), dense(shape, half)
    rng = np.random.default_rng(0)
    errors = []
    while len(errors) < 150:
        middle = rng.normal(size=3) * rng.choice([6.0, 12.0, 25.0, 60.0])
        along = rng.normal(size=3) * rng.choice([0.5, 5.0, 20.0])
        ends = np.array([middle - along, middle + along])
        nearest = gap(shape, np.array(half), ends[0] + np.linspace(0, 1, 200)[:, np.newaxis] * (ends[1] - ends[0])).min()
        if nearest < 5 or (len(errors) < 75 and nearest > 9):
            continue
        segment = Geometry(ends[:1], ends[1:], np.array([0.5]))
        ours = eap(CURRENTS, segment, contacts, Medium())[0, 1] / 1000
        errors.append(ours / (weights @ transfer_matrix(*segment, points)[:, 0]) - 1)
    assert np.abs(errors).max() < 1e-3


@pytest.mark.parametrize("turn", [0.0, 17.0])
@pytest.mark.parametrize("sigma", [0.3, (0.3, 0.2, 0.4)])
@pytest.mark.parametrize("name", SHAPES)
def test_expansion_of_the_mean_has_the_error_of_its_next_order(name, sigma, turn):
    """Derivatives up to the fourth leave an error that falls with the sixth power of the distance, in radii: 1e-6 from 6 on.

    Contacts are turned in their plane by some degrees: all directions are main axes of a square.
    """
    shape, params, half = SHAPES[name]
    probe, (points, weights) = probe_of(shape, params, turn=turn), dense(shape, half)
    points[:, 1:] = points[:, 1:] @ probe.layout.contact_plane_axes[0]
    contacts = contacts_of(probe)
    radius = contacts.beyond[0] / FINE_FROM[0]
    contacts = contacts._replace(beyond=np.zeros_like(contacts.beyond))  # the expansion at every distance
    rng = np.random.default_rng(1)
    for distance, most in ((3.0, 1e-4), (6.0, 2e-6), (12.0, 2e-7)):
        for length in (0.0, 10.0, 30.0) * 4:
            towards = rng.normal(size=3)
            towards /= np.linalg.norm(towards)
            along = np.cross(towards, rng.normal(size=3))
            along *= 0.5 * length / np.linalg.norm(along)
            middle = distance * radius * towards  # the point of the segment that is nearest
            segment = Geometry((middle - along)[np.newaxis], (middle + along)[np.newaxis], np.array([0.1]))
            ours = eap(CURRENTS, segment, contacts, Medium(sigma=sigma))[0, 1] / 1000
            expected = weights @ transfer_matrix(*segment, points, sigma=sigma)[:, 0]
            # An anisotropic medium squeezes distances, here by a quarter at most
            assert ours == pytest.approx(expected, rel=most if sigma == 0.3 else 4 * most)


@pytest.mark.parametrize("aside", [3.0, 9.0, 16.0])
@pytest.mark.parametrize("height", [24.0, 45.0, 90.0])
def test_contact_that_reaches_into_the_cylinder_of_a_soma_takes_the_mean_over_points(height, aside):
    """Beyond the end of a thick segment, distances to its axis are held at its radius on a part of the contact only."""
    shape, params, half = SHAPES["circle of 15 µm"]
    points, weights = dense(shape, half)
    soma = Geometry(np.array([[height, aside, 0.0]]), np.array([[height + 20.0, aside, 0.0]]), np.array([20.0]))
    ours = eap(CURRENTS, soma, contacts_of(probe_of(shape, params)), Medium())[0, 1] / 1000
    assert ours == pytest.approx(weights @ transfer_matrix(*soma, points)[:, 0], rel=1e-3)


@pytest.mark.parametrize("name", SHAPES)
def test_mean_is_exact_to_a_thousandth_where_the_edge_of_a_thick_segment_crosses_the_contact(name):
    """Short and long, thick segments whose axes point at the contact, or pass beside it, from 5 µm on."""
    shape, params, half = SHAPES[name]
    contacts, (points, weights) = contacts_of(probe_of(shape, params)), dense(shape, half, 60)
    rng = np.random.default_rng(2)
    errors = []
    while len(errors) < 400:
        diameter, length = rng.choice([4.0, 8.0, 12.0, 16.0, 20.0]), rng.choice([1.0, 5.0, 10.0, 20.0])
        towards = rng.normal(size=3)
        towards *= rng.uniform(5, 35) / np.linalg.norm(towards)
        along = towards / np.linalg.norm(towards) + rng.choice([0.1, 0.4, 1.0, 3.0]) * rng.normal(size=3)
        along *= 0.5 * length / np.linalg.norm(along)
        ends = np.array([towards - along, towards + along])
        if gap(shape, np.array(half), ends[0] + np.linspace(0, 1, 60)[:, np.newaxis] * (ends[1] - ends[0])).min() < 5:
            continue
        segment = Geometry(ends[:1], ends[1:], np.array([diameter]))
        ours = eap(CURRENTS, segment, contacts, Medium())[0, 1] / 1000
        errors.append(ours / (weights @ transfer_matrix(*segment, points)[:, 0]) - 1)
    assert np.abs(errors).max() < 1e-3


@pytest.mark.parametrize("radius", [2.5, 7.5, 12.0, 15.0, 30.0])
def test_mean_over_a_disc_is_exact_to_a_hundred_thousandth_from_5_um_on(radius):
    """In front, beside the rim, and where a segment passes by: the quadrature of `discs` against dense points."""
    contacts, (points, weights) = contacts_of(probe_of("circle", {"radius": radius})), dense("circle", (radius, radius), 60)
    rng = np.random.default_rng(3)
    errors = []
    while len(errors) < 200:
        middle = rng.normal(size=3) * rng.choice([6.0, radius, 2 * radius])
        along = rng.normal(size=3) * rng.choice([0.5, 5.0, 20.0])
        ends = np.array([middle - along, middle + along])
        heights = ends[:, 0]
        beside = np.linalg.norm((ends[0] + np.linspace(0, 1, 200)[:, np.newaxis] * (ends[1] - ends[0]))[:, 1:], axis=1)
        in_front = heights.prod() > 0 and np.abs(heights).min() >= 5
        # Nearer than three radii, beyond which the expansion has its own error
        if not (in_front or beside.min() - radius >= 5) or np.hypot(np.abs(heights).max(), beside.max()) > 2.9 * radius:
            continue
        segment = Geometry(ends[:1], ends[1:], np.array([0.01]))
        ours = eap(CURRENTS, segment, contacts, Medium())[0, 1] / 1000
        errors.append(ours / (weights @ transfer_matrix(*segment, points)[:, 0]) - 1)
    assert np.abs(errors).max() < 1e-5


@pytest.mark.parametrize(("radius", "height"), [(7.5, 5.0), (7.5, 8.0), (7.5, 16.0), (7.5, 30.0), (3.0, 5.0), (20.0, 5.0)])
def test_mean_over_a_disc_is_the_analytic_one(radius, height):
    """The mean of 1/r over a disc of radius R seen from a height h on its axis is 2 (sqrt(h² + R²) - h) / R²."""
    place = np.array([[height, 0.0, 0.0]])
    ours = eap(CURRENTS, Geometry(place, place, np.array([0.1])), contacts_of(probe_of("circle", {"radius": radius})), Medium())
    expected = 2 * (np.hypot(height, radius) - height) / radius**2 / (4 * np.pi * 0.3) * 1000
    assert ours[0, 1] == pytest.approx(expected, rel=1e-3)


def test_one_point_is_the_centre_and_more_are_the_least_number_where_sources_are_near():
    one = contacts_of(load_probe("Neuronexus-32", 1))
    assert one.points.shape == (32, 1, 3) and np.array_equal(one.points[:, 0], load_probe("Neuronexus-32", 10).positions)
    sizes = {n: np.diff(contacts_of(load_probe("Neuronexus-32", n)).first) for n in (2, 10, 100)}
    assert list(sizes[10]) == list(sizes[2]) == [16, 36, 104] and sizes[100][1] >= 100


def test_probe_with_discs_and_rectangles_takes_the_mean_over_each():
    layout = probeinterface.Probe(ndim=2)
    shapes = [{"radius": 7.5}, {"width": 6.0, "height": 30.0}]
    layout.set_contacts([[0, 0], [0, 60]], shapes=["circle", "rect"], shape_params=shapes)
    contacts = contacts_of(probe_from_layout("mixed", layout, "yz", 0.0, 10, info={}, on_plane=False))
    for begin, end in zip(contacts.first[:-1], contacts.first[1:], strict=True):
        offsets = (contacts.points[:, begin:end] - contacts.middles[:, np.newaxis])[..., 1:]
        assert (offsets**2).mean(axis=1) == pytest.approx(np.array([[7.5**2 / 4] * 2, [3**2 / 3, 15**2 / 3]]))


def test_given_points_are_taken_wherever_the_cell_is():
    points = load_probe("tetrode", 7).points
    for height in (5.0, 200.0):
        place = points[:1, 0] + np.array([[height, 0.0, 0.0]])
        ours = eap(CURRENTS, Geometry(place, place, np.array([0.1])), contacts_with(points), Medium())
        expected = transfer_matrix(place, place, [0.1], points.reshape(-1, 3)).reshape(4, 7).mean(axis=1)
        np.testing.assert_allclose(ours[:, 1], 1000 * expected, rtol=1e-6)

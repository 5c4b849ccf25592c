"""The forward kernel against LFPy, numerical integration and analytic fields."""

import re

import LFPy
import lfpykit
import llvmlite.binding as llvm
import numba
import numpy as np
import pytest
from scipy import integrate
from support import WHEEL_MODELS

from allenrec.libraries.forward_model import (
    WORK_ROWS,
    add_logarithms,
    contact_transfer_matrix,
    prepare_segments,
    transfer,
    transfer_matrix,
)
from allenrec.libraries.poses import draw_rotations, place
from allenrec.probes import contact_points, load_probe


def lfpy_matrix(start, end, diameter, points, method, sigma=0.3):
    """Return the same transfer matrix from LFPy's electrode."""
    ends = [np.stack([s, e], axis=1) for s, e in zip(start.T, end.T, strict=True)]
    geometry = lfpykit.CellGeometry(x=ends[0], y=ends[1], z=ends[2], d=diameter)
    x, y, z = points.T
    return LFPy.RecExtElectrode(geometry, x=x, y=y, z=z, sigma=sigma, method=method).get_transformation_matrix()


@pytest.mark.parametrize("model", WHEEL_MODELS)
def test_line_source_equals_lfpy_on_a_hundred_poses(model, currents):
    """All contacts of Neuronexus-32 with 10 points each, to 1e-9 of each entry."""
    cell = currents[model]
    points = load_probe("Neuronexus-32", 10).points.reshape(-1, 3)
    rng = np.random.default_rng(1)
    for _ in range(100):
        rotation = draw_rotations(rng, 1, "3drot")[0]
        position = rng.uniform([0, -50, -150], [80, 50, 150])
        start, end = place(cell.start, rotation, position), place(cell.end, rotation, position)
        ours = transfer_matrix(start, end, cell.diameter, points)
        np.testing.assert_allclose(ours, lfpy_matrix(start, end, cell.diameter, points, "linesource"), rtol=1e-9)


@pytest.mark.parametrize(("source", "method"), [("point", "pointsource"), ("root_as_point", "root_as_point")])
def test_other_sources_equal_lfpy(source, method, currents):
    cell = currents["473863510"]
    points = np.random.default_rng(2).uniform(-100, 100, (200, 3))
    ours = transfer_matrix(cell.start, cell.end, cell.diameter, points, source=source)
    theirs = lfpy_matrix(cell.start, cell.end, cell.diameter, points, method)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_points_inside_a_segment_are_held_at_its_radius():
    start, end, diameter = np.array([[0.0, 0, 0]]), np.array([[20.0, 0, 0]]), np.array([4.0])
    points = np.array([[10.0, 0, 0], [10.0, 1, 0], [0.0, 0, 0], [20.0, 0.5, 0]])
    ours = transfer_matrix(start, end, diameter, points)
    np.testing.assert_allclose(ours, lfpy_matrix(start, end, diameter, points, "linesource"), rtol=1e-9)
    assert np.isfinite(ours).all()


@pytest.mark.parametrize("length", [1.0, 30.0, 200.0])
def test_points_close_to_the_axis(length):
    """Beside a segment the integral is asinh(u / r) + asinh(v / r), u and v along the axis to its ends, without differences."""
    rng = np.random.default_rng(4)
    direction = rng.standard_normal(3)
    direction /= np.linalg.norm(direction)
    across = np.cross(direction, [1.0, 0, 0])
    across /= np.linalg.norm(across)
    start = rng.uniform(-300, 300, 3)
    u, r = rng.uniform(0, length, 1000), 10 ** rng.uniform(-1, 1, 1000)
    points = start + u[:, np.newaxis] * direction + r[:, np.newaxis] * across
    expected = (np.arcsinh(u / r) + np.arcsinh((length - u) / r)) / (4 * np.pi * 0.3 * length)
    ours = transfer_matrix([start], [start + length * direction], [0.2 * 0.999], points)
    np.testing.assert_allclose(ours[:, 0], expected, rtol=1e-9)


def test_logarithm():
    """It equals NumPy's for numbers close to 1, and up to the largest that a product of ratios can be."""
    rng = np.random.default_rng(5)
    x = np.concatenate([[1.0], 1 + 10 ** rng.uniform(-15, 0, 10_000), np.exp(rng.uniform(0, 700, 10_000))])
    ours = np.zeros_like(x)
    add_logarithms(x.copy(), np.empty_like(x), ours)
    np.testing.assert_allclose(ours, np.log(x), rtol=1e-15)


@pytest.mark.skipif(not llvm.get_host_cpu_features().get("avx"), reason="vector instructions of other processors")
def test_innermost_loop_is_made_of_vector_instructions(currents):
    """It is compiled anew, because a cached function has no assembly; without vectors the kernel is several times slower."""
    cell = currents["473863510"]
    segments = prepare_segments(cell.start, cell.end, cell.diameter)
    compiled = numba.njit(error_model="numpy")(transfer.py_func)
    n = len(cell.diameter)
    compiled(segments, np.zeros((10, 3)), np.empty((WORK_ROWS, n)), np.empty(n))
    (assembly,) = compiled.inspect_asm().values()
    assert len(re.findall(r"vsqrtpd\s+%?[yz]mm", assembly)) >= 2


def test_anisotropic_line_equals_the_integral_over_point_sources():
    """The potential of a point in an anisotropic medium, integrated numerically along the segment."""
    sigma = np.array([0.3, 0.25, 0.5])
    rng = np.random.default_rng(3)
    for _ in range(20):
        start, end, point = rng.uniform(-20, 20, 3), rng.uniform(-20, 20, 3), rng.uniform(30, 60, 3)

        def potential(s, start=start, end=end, point=point):
            x, y, z = point - (start + s * (end - start))
            sx, sy, sz = sigma
            return 1 / (4 * np.pi * np.sqrt(sy * sz * x**2 + sx * sz * y**2 + sx * sy * z**2))

        expected, _ = integrate.quad(potential, 0, 1, epsabs=0, epsrel=1e-12)
        ours = transfer_matrix([start], [end], [1.0], [point], sigma=sigma)
        assert ours[0, 0] == pytest.approx(expected, rel=1e-10)


def test_far_away_a_segment_is_a_point():
    ours = transfer_matrix([[0, 0, -5]], [[0, 0, 5]], [1.0], [[3000.0, 4000.0, 0]], sigma=0.3)
    assert ours[0, 0] == pytest.approx(1 / (4 * np.pi * 0.3 * 5000), rel=1e-6)


def test_segment_without_length_is_a_point():
    ours = transfer_matrix([[0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 10]], [1.0, 1.0], [[0.0, 3.0, 4.0]])
    assert ours[0, 0] == pytest.approx(1 / (4 * np.pi * 0.3 * 5))


@pytest.mark.parametrize("n", [1, 10, 16, 17, 100])
def test_mean_over_a_contact_is_the_mean_over_its_points(n, currents):
    """The logarithm of a product against the mean of logarithms, over more points than one product holds."""
    cell = currents["472912177"]
    points = load_probe("tetrode", n).points + np.array([20.0, 0, 0])
    ours = contact_transfer_matrix(cell.start, cell.end, cell.diameter, points)
    single = transfer_matrix(cell.start, cell.end, cell.diameter, points.reshape(-1, 3))
    np.testing.assert_allclose(ours, single.reshape(4, n, -1).mean(axis=1), rtol=1e-11)


def test_disc_average_approaches_the_analytic_one():
    """The mean of 1/r over a disc of radius R seen from a height h on its axis is 2 (sqrt(h² + R²) - h) / R²."""
    radius, height = 8.0, 10.0
    expected = 2 * (np.hypot(height, radius) - height) / radius**2 / (4 * np.pi * 0.3)
    errors = []
    for n in (10, 1000):
        disc = np.concatenate([contact_points("circle", radius, n), np.full((n, 1), height)], axis=1)
        ours = contact_transfer_matrix([[0, 0, 0]], [[0, 0, 0]], [0.1], disc[np.newaxis])
        errors.append(abs(ours[0, 0] / expected - 1))
    assert errors[0] < 0.01 and errors[1] < 1e-4


@pytest.mark.parametrize(("shape", "size"), [("circle", 7.5), ("square", 6.0), ("rect", [3.0, 9.0])])
def test_contact_points_lie_on_the_contact_and_are_centred(shape, size):
    points = contact_points(shape, size, 50)
    assert np.allclose(points.mean(axis=0), 0, atol=1e-12)
    assert len(np.unique(points.round(9), axis=0)) == 50
    if shape == "circle":
        assert np.linalg.norm(points, axis=1).max() < 1.1 * size
        # uniform over the disc: the mean squared radius is R² / 2
        assert (points**2).sum(axis=1).mean() == pytest.approx(size**2 / 2, rel=0.05)
    else:
        half = np.broadcast_to(size, 2)
        assert (np.abs(points) < 1.1 * half).all()
        assert (points**2).mean(axis=0) == pytest.approx(half**2 / 3, rel=0.1)
    assert np.array_equal(points, contact_points(shape, size, 50))


def test_unknown_source_is_refused():
    with pytest.raises(ValueError, match="line, point, root_as_point"):
        transfer_matrix([[0, 0, 0]], [[0, 0, 1]], [1.0], [[0, 0, 5]], source="soma")

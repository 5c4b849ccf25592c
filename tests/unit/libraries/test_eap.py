"""Templates: where they start, which are accepted, how often, and the bound that spares computing most of them."""

from itertools import count, islice

import numpy as np
import pytest
from scipy import stats
from scipy.signal import butter, sosfiltfilt
from support import WHEEL_MODELS

from allenrec.common.parallel import map_in_order
from allenrec.libraries.acceptance import Limits, aligned, deep_contacts, is_accepted
from allenrec.libraries.amplitude_bound import EVERYWHERE, region_above_threshold, touches
from allenrec.libraries.components import components_of
from allenrec.libraries.contacts import contacts_of
from allenrec.libraries.eap import CellOnProbe, drawdown, eap, spike_currents
from allenrec.libraries.forward_model import transfer_matrix
from allenrec.libraries.medium import Medium
from allenrec.libraries.poses import Geometry, draw_poses, grid_displacements, position_limits
from allenrec.libraries.sampling import sample_templates
from allenrec.probes import load_probe
from allenrec.settings.libraries import Acceptance, DriftGrid, PoseSampling
from allenrec.waveforms.as_recorded import as_recorded, features_both_ways, recorded

#: The share of candidates above 30 µV and of valid shape, Neuronexus-32, x 10 to 80 µm, 3drot, measured independently
ACCEPTANCE = {"473863510": 0.18, "473863035": 0.10, "472363762": 0.08, "472912177": 0.025, "473862421": 0.003}


#: The medium of contacts in an insulating plane
PLANE = Medium(image_factor=2.0)


def geometry_of(cell):
    return Geometry(cell.start, cell.end, cell.diameter)


def beside(cell, probe, *, bounded=True, min_amp=30.0, check_eap_shape=True, max_pre_peak=0.5, **medium):
    """A cell beside a probe, with the default settings but for the changes."""
    medium = Medium(**{"image_factor": 2.0} | medium)
    acceptance = Acceptance(min_amp=min_amp, check_eap_shape=check_eap_shape, max_pre_peak=max_pre_peak)
    return CellOnProbe(
        spike_currents(cell.imem), geometry_of(cell), contacts_of(probe), medium, acceptance, 64, bounded=bounded
    )


def sample(cell, model, n, max_iterations=1000, name="test", probe=None, threads=1, rot="3drot", **changes):
    probe = probe or load_probe("Neuronexus-32", 10)
    settings = PoseSampling(rot=rot)
    limits = position_limits(probe.positions, settings)
    return sample_templates(
        beside(cell, probe, **changes),
        lambda block: draw_poses((0, name, model), block, settings, limits=limits, n_spikes=len(cell.imem)),
        n=n,
        max_poses=n * max_iterations,
        threads=threads,
    )


@pytest.mark.parametrize("model", ACCEPTANCE)
def test_acceptance_rates(model, currents):
    """4000 candidates; the reference is given to one or two digits and from other spikes of the cells, so a third of it
    and four standard errors are allowed."""
    sampled = sample(currents[model], model, n=4000, max_iterations=1)
    assert sampled.n_candidates == 4000
    expected = ACCEPTANCE[model]
    bound = expected / 3 + 4 * np.sqrt(expected * (1 - expected) / 4000)
    assert abs(len(sampled.templates) / 4000 - expected) < bound


def test_template_is_the_field_of_the_currents_without_the_stimulus(currents):
    """Written out with LFPykit's electrode: field of the recorded currents, minus its value at the first sample."""
    import lfpykit

    cell = currents["473863510"]
    probe = load_probe("Neuronexus-32", 10)
    placed = geometry_of(cell).placed(np.array([0.4, 1.0, -2.0]), np.array([20.0, 5.0, 30.0]))
    currents = spike_currents(cell.imem)[2]
    ours = eap(currents, placed, probe.points, PLANE)
    x, y, z = (np.stack(pair, axis=1) for pair in zip(placed.start.T, placed.end.T, strict=True))
    points = probe.points.reshape(-1, 3).T
    electrode = lfpykit.RecExtElectrode(
        lfpykit.CellGeometry(x=x, y=y, z=z, d=cell.diameter), x=points[0], y=points[1], z=points[2], sigma=0.3
    )
    field = electrode.get_transformation_matrix() @ cell.imem[2].astype(float)
    field = 2 * 1000 * field.reshape(32, 10, -1).mean(axis=1)
    np.testing.assert_allclose(ours, field - field[:, :1], atol=1e-3)  # µV; the spike has tens


def test_currents_add_up_to_zero_and_templates_start_at_zero(currents):
    for cell in map(currents.__getitem__, WHEEL_MODELS):
        removed = spike_currents(cell.imem)
        assert np.abs(cell.imem.sum(axis=1) - cell.amplitude).max() < 1e-5
        assert np.abs(removed.sum(axis=1)).max() < 1e-5  # nA
        assert not removed[:, :, 0].any()
    sampled = sample(currents["473863510"], "473863510", n=20)
    assert not np.array(sampled.templates)[:, :, 0].any()


def test_accepted_templates_keep_the_limits_and_peak_where_they_should(currents):
    sampled = sample(currents["472363762"], "472363762", n=30, min_amp=35.0)
    templates = np.array(sampled.templates)
    lowest, highest = templates.min(axis=(1, 2)), templates.max(axis=(1, 2))
    assert (-lowest >= 35).all() and (-lowest >= highest).all()
    assert (templates.min(axis=1).argmin(axis=1) == 64).all()
    assert sampled.candidates.sum() <= sampled.n_candidates
    assert (sampled.poses.positions[:, 0] >= 10).all() and (sampled.poses.positions[:, 0] <= 80).all()
    assert len(np.unique(sampled.poses.rotations, axis=0)) == 30  # MEArec repeats a dozen


def test_stored_poses_give_the_templates_again(currents):
    """Location, rotation and spike index of a template are all that is needed to make it."""
    cell = currents["473863035"]
    sampled = sample(cell, "473863035", n=5)
    probe = load_probe("Neuronexus-32", 10)
    for k in range(5):
        placed = geometry_of(cell).placed(sampled.poses.rotations[k], sampled.poses.positions[k])
        again = eap(spike_currents(cell.imem)[sampled.poses.spikes[k]], placed, contacts_of(probe), PLANE)
        np.testing.assert_allclose(aligned(again, 64), sampled.templates[k], atol=1e-3)  # µV, float32


def test_larger_library_begins_with_the_smaller_one(currents):
    small, large = (sample(currents["473863510"], "473863510", n=n) for n in (7, 20))
    for name in ("templates", "candidates", "paths"):
        assert np.array_equal(getattr(small, name), getattr(large, name)[:7])
    for name in ("positions", "rotations", "spikes"):
        assert np.array_equal(getattr(small.poses, name), getattr(large.poses, name)[:7])
    other = sample(currents["473863510"], "473863510", n=7, name="another")
    assert not np.intersect1d(small.poses.positions, other.poses.positions).size


def assert_same(a, b):
    """Both samplings accepted the same poses, with the same templates to the last bit."""
    for name in ("templates", "candidates"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
    for name in ("positions", "rotations", "spikes"):
        assert np.array_equal(getattr(a.poses, name), getattr(b.poses, name)), name
    assert a.n_candidates == b.n_candidates


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"min_amp": 8.0},
        {"source": "root_as_point", "min_amp": 60.0},
        {"source": "point", "check_eap_shape": False},
        {"image_factor": 1.0, "sigma": 0.2, "rot": "zrot"},
    ],
)
@pytest.mark.parametrize("model", ACCEPTANCE)
def test_bound_decides_nothing(model, changes, currents):
    """2000 candidates with the bound on the field and without."""
    some = {"n": 2000, "max_iterations": 1} | changes
    assert_same(*(sample(currents[model], model, bounded=bounded, **some) for bounded in (True, False)))


def test_bound_decides_nothing_on_many_contacts(currents):
    probe = load_probe("Neuropixels-384", 10)
    some = {"n": 200, "max_iterations": 1, "probe": probe}
    assert_same(*(sample(currents["473863510"], "473863510", bounded=bounded, **some) for bounded in (True, False)))


@pytest.mark.parametrize("threshold", [10.0, 30.0, 100.0])
@pytest.mark.parametrize("model", ACCEPTANCE)
def test_a_cell_is_below_threshold_outside_the_region(model, threshold, currents):
    """At points all around, and close to segments; drawdowns of all spikes written out in double precision."""
    cell = currents[model]
    spikes = spike_currents(cell.imem)
    geometry = geometry_of(cell)
    region = region_above_threshold(components_of(spikes), geometry, PLANE, threshold, threads=9)
    rng = np.random.default_rng(0)
    middles = 0.5 * (cell.start + cell.end)
    radii = 10 ** rng.uniform(-1, 2, (1000, 1))
    points = rng.standard_normal((1000, 3)) * radii + middles[rng.integers(len(middles), size=1000)]
    inside = np.array([touches(region, points, k, k + 1, np.eye(3), np.zeros(3)) for k in range(len(points))])
    field = 2000 * np.tensordot(spikes, transfer_matrix(*geometry, points), axes=(1, 1))  # (spikes, samples, points)
    drawdowns = (np.maximum.accumulate(field, axis=1) - field).max(axis=(0, 1))
    assert (drawdowns[~inside] < threshold).all()
    assert inside[drawdowns >= threshold].all()
    assert not inside.all()  # a region that is everywhere would be no help


def test_everywhere_is_everywhere():
    points = np.array([[1e5, -1e5, 1e5]])
    assert touches(EVERYWHERE, points, 0, len(points), np.eye(3), np.zeros(3))


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_templates_do_not_depend_on_threads(threads, currents):
    one, several = (sample(currents["473863510"], "473863510", n=40, threads=k) for k in (1, threads))
    assert_same(one, several)
    none = [sample(currents["473862421"], "473862421", n=3, max_iterations=50, min_amp=1e6, threads=k) for k in (1, threads)]
    assert_same(*none)


def test_work_in_threads_comes_in_order_and_may_be_endless():
    for threads in (1, 2, 5):
        assert list(islice(map_in_order(lambda x: x * x, count(), threads), 50)) == [x * x for x in range(50)]
        with pytest.raises(ZeroDivisionError):
            list(map_in_order(lambda x: 1 / (3 - x), range(10), threads))


def test_anisotropic_medium_does_not_turn_with_the_cell(currents):
    """Turned by hand in a medium that is kept, a cell gives the same templates."""
    cell, sigma = currents["473863510"], (0.3, 0.2, 0.5)
    sampled = sample(cell, "473863510", n=3, sigma=sigma)
    probe = load_probe("Neuronexus-32", 10)
    for k in range(3):
        placed = geometry_of(cell).placed(sampled.poses.rotations[k], sampled.poses.positions[k])
        medium = Medium(sigma=sigma, image_factor=2.0)
        again = eap(spike_currents(cell.imem)[sampled.poses.spikes[k]], placed, contacts_of(probe), medium)
        np.testing.assert_allclose(aligned(again, 64), sampled.templates[k], atol=1e-3)  # µV, float32


def test_drawdown_is_the_largest_fall():
    rng = np.random.default_rng(0)
    for trace in rng.standard_normal((20, 50)).astype(np.float32):
        assert drawdown(trace) == max(trace[i] - trace[k] for k in range(50) for i in range(k + 1))


def test_iteration_limit_counts_candidates(currents):
    sampled = sample(currents["473863510"], "473863510", n=10, max_iterations=3, min_amp=1e6)
    assert sampled.n_candidates == 30
    assert sampled.templates == [] and sampled.paths.size == 0


def test_positions_of_accepted_templates_are_a_fair_part_of_all(currents):
    """Accepted or not depends on the pose alone: along the shank, where the probe is uniform, positions stay uniform."""
    sampled = sample(currents["473863510"], "473863510", n=300)
    inner = sampled.poses.positions[np.abs(sampled.poses.positions[:, 2]) < 100, 2]
    assert stats.kstest(inner, stats.uniform(-100, 200).cdf).pvalue > 1e-4


def waves(*heights):
    """A template of 7 ms: at each contact, waves of some heights (µV), 1 ms apart, the first one 2 ms after the start."""
    time = np.arange(224) * 2**-5
    shapes = [[np.exp(-0.5 * ((time - 2 - k) / 0.12) ** 2) * h for k, h in enumerate(of_contact)] for of_contact in heights]
    return np.array([np.sum(of_contact, axis=0) for of_contact in shapes], dtype=np.float32)


def scipy_bandpassed(template):
    """A template after 300 to 6000 Hz, forward and backward, in the middle of silence."""
    sections = butter(3, (300, 6000), btype="bandpass", fs=32000, output="sos")
    return sosfiltfilt(sections, np.pad(template.astype(float), ((0, 0), (3000, 3000))), axis=1)


@pytest.mark.parametrize(
    ("template", "check_eap_shape", "max_pre_peak", "accepted"),
    [
        (waves([0, -40]), True, 0.5, True),
        (waves([0, -29]), False, None, False),  # too small
        (waves([0, -40], [0, 44]), True, 0.5, False),  # another contact is more positive
        (waves([0, -40], [0, 36]), True, 0.5, True),
        (waves([0, -40], [0, 44]), False, 0.5, True),
        (waves([24, -40]), True, 0.5, False),  # positive first
        (waves([24, -40]), True, None, True),
        (waves([24, -40]), True, 1.0, True),
        (waves([48, -40]), False, 1.0, False),
        (waves([48, -40]), False, None, True),
        (waves([0, -40, 24]), True, 0.5, True),  # a peak after the trough
        (waves([0, -40], [30, 0]), True, 0.5, True),  # the peak at another contact
    ],
)
def test_acceptance_judges_the_shape_after_the_filter(template, check_eap_shape, max_pre_peak, accepted):
    limits = Limits.of(Acceptance(min_amp=30, check_eap_shape=check_eap_shape, max_pre_peak=max_pre_peak), 2**-5)
    assert is_accepted(template, limits) == accepted
    filtered = scipy_bandpassed(template)
    deepest = filtered[filtered.min(axis=1).argmin()]
    before = deepest[: deepest.argmin()].max() / -deepest.min()
    high = check_eap_shape and filtered.max() > -filtered.min()
    early = max_pre_peak is not None and before > max_pre_peak
    assert (template.min() <= -30 and not high and not early) == accepted


def test_shape_is_judged_at_few_contacts_as_at_all(currents):
    """Contacts are left out only where the filter cannot leave anything that counts."""
    probe = load_probe("Neuropixels-128", 1)
    cell = beside(currents["473863035"], probe, check_eap_shape=False, max_pre_peak=None)
    poses = draw_poses((0, "few"), 0, PoseSampling(), limits=position_limits(probe.positions, PoseSampling()), n_spikes=1)
    how, few = as_recorded(2**-5), 0
    for _, template in cell.judge(poses):
        every, chosen = recorded(template, how), recorded(deep_contacts(template, how), how)
        assert chosen.min() == every.min() and (chosen.max() > -chosen.min()) == (every.max() > -every.min())
        few += len(chosen) < len(every) / 2
    assert few > 0


def test_accepted_templates_keep_their_shape_after_the_filter(currents):
    """With and without the limits; the limits are those of the features of the accepted ones."""
    probe = load_probe("Neuronexus-32", 10)
    ratios = {}
    for limit in (None, 0.25):
        sampled = sample(currents["473863035"], "473863035", n=40, max_pre_peak=limit)
        table = features_both_ways(np.array(sampled.templates), probe.positions, 2**-5)
        ratios[limit] = table["pre_peak_to_trough_ratio_filtered"]
    assert (ratios[0.25] <= 0.25).all() and (ratios[None] > 0.25).any()


def test_alignment_moves_the_peak_and_starts_at_zero():
    template = np.tile(np.arange(20, dtype=np.float32), (2, 1))
    template[1, 5] = -90
    later = aligned(template, 8)  # three samples later: the start is repeated
    assert later[1, 8] == -90 and not later[:, :4].any() and later[0, 19] == 16
    earlier = aligned(template, 3)  # two samples earlier: sample 2 is the new start and zero, the end is repeated
    assert earlier[1, 3] == -92 and not earlier[:, 0].any() and earlier[0, 1] == 1 and (earlier[0, 17:] == 17).all()


def test_step_at_zero_is_the_template_and_latency_along_the_path_is_kept(currents):
    """The pattern of a cell that moves along the probe moves with it, at the same time after the start of the spike."""
    cell = currents["473863510"]
    probe = load_probe("Neuropixels-24", 10)
    own = beside(cell, probe)
    limits = np.array([[20.0, 20], [0, 0], [0, 0]])
    pose = draw_poses((0, "drift"), 0, PoseSampling(), limits=limits, n_spikes=len(cell.imem))[3:4]
    displacements, centre = grid_displacements(DriftGrid(z=(-40.0, 60.0), step=20.0))
    assert displacements[:, 2].tolist() == [-40, -20, 0, 20, 40, 60] and centre == 2
    steps = own.along(pose, displacements, centre)
    assert np.array_equal(steps[centre], own.template(pose))
    assert not steps[:, :, 0].any()
    # Two rows of the probe are 40 µm apart, so two steps move the pattern by two contacts
    moved = [np.flatnonzero((np.abs(probe.positions - probe.positions[c] - [0, 0, 40]) < 1e-6).all(axis=1)) for c in range(24)]
    pairs = [(c, int(found[0])) for c, found in enumerate(moved) if len(found)]
    here, there = np.transpose(pairs)
    np.testing.assert_allclose(steps[centre][here], steps[centre + 2][there], atol=2e-3)
    # The lowest value of a step far away comes when it comes
    far = own.along(pose, np.array([[0, 0, 0], [0, 0, 400.0]]), 0)[1]
    spike, rotation, position = own.currents[pose.spikes[0]], pose.rotations[0], pose.positions[0]
    raw = eap(spike, geometry_of(cell).placed(rotation, position + np.array([0, 0, 400])), probe.points, PLANE)
    here = eap(spike, geometry_of(cell).placed(rotation, position), probe.points, PLANE)
    shift = 64 - int(np.argmin(here.min(axis=0)))
    assert int(np.argmin(far.min(axis=0))) == int(np.argmin(raw.min(axis=0))) + shift

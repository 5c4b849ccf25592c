"""What the figures show agrees with the data: counts, positions, labels; and the same figure gives the same bytes."""

from dataclasses import replace
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import EventCollection
from matplotlib.figure import Figure

from allenrec.figures import cells, libraries, recordings, style
from allenrec.intracellular.intracellular_file import Currents, CurrentsInfo
from allenrec.models.metadata import CellFacts
from allenrec.settings.models import Intracellular

CONTACTS = np.array([[0.0, y, z] for z in np.arange(-60.0, 61.0, 20.0) for y in (-10.0, 10.0)])
PEAK, N_T, FS = 64, 224, 32000.0
AMPLITUDES = np.array([40.0, 60.0, 50.0, 35.0, 80.0, 45.0, 90.0, 32.0, 70.0])


@pytest.fixture
def cell():
    """A soma, a stub of two segments and dendrites; two runs, the second accepted, with three spikes, two stored."""
    rng = np.random.default_rng(0)
    section = np.array(["soma", "axon", "axon"] + ["dend"] * 12 + ["apic"] * 5, dtype=object)
    start = rng.uniform(-80, 80, (20, 3))
    end = start + rng.uniform(-20, 20, (20, 3))
    start[0], end[0] = (-6, 0, 0), (6, 0, 0)
    time = np.arange(0, 1100, 1 / 32)
    vmem = np.full(len(time), -80.0)
    spikes = np.array([100.0, 200.0, 300.0])
    vmem[(spikes * 32).astype(int)] = (10.0, 20.0, 30.0)
    imem = rng.normal(size=(2, 20, N_T))
    shape = np.exp(-0.5 * ((np.arange(N_T) - PEAK) / 8) ** 2)
    return Currents(
        info=CurrentsInfo(
            model_id="123",
            specimen_id="",
            cell_type="spiny",
            facts=CellFacts(),
            model_kind="perisomatic",
            axon="stub",
            celsius=34.0,
            v_init=-80.0,
            settings=Intracellular(delay=10.0, sim_time=1.0, dt=1 / 32),
            versions={},
            digests={},
        ),
        amplitude=0.2,
        start=start,
        end=end,
        diameter=rng.uniform(0.3, 3.0, 20),
        section=section,
        imem=imem,
        spike_vmem=np.stack([shape, 3 * shape]),
        spike_times=spikes[1:],
        vmem=vmem,
        time=time,
        search_amplitude=np.array([0.1, 0.2]),
        search_n_spikes=np.array([0, 3]),
        recorded_amplitude=np.array([0.15, 0.25]),
        recorded_cell_spikes=np.array([2.0, 10.5]),
        recorded_model_spikes=np.array([4, 9]),
    )


@pytest.fixture
def library():
    """Nine templates of three models: a loud trough at one contact each, the soma 15 µm in front of it."""
    rng = np.random.default_rng(1)
    models = np.repeat(np.array(["1", "2", "3"], dtype=object), 3)
    templates = np.zeros((9, len(CONTACTS), N_T), dtype=np.float32)
    loudest = rng.integers(len(CONTACTS), size=9)
    shape = -np.exp(-0.5 * ((np.arange(N_T) - PEAK) / 8) ** 2)
    templates[np.arange(9), loudest] = AMPLITUDES[:, np.newaxis] * shape
    frame = {"model_id": ["1", "2", "3"], "cell_type": ["spiny", "spiny", "aspiny"]}
    frame |= {"n_templates": [3, 3, 3], "n_candidates": [30, 300, 3000], "acceptance_rate": [0.1, 0.01, 0.001]}
    return SimpleNamespace(
        templates=templates,
        amplitudes=-templates.min(axis=(1, 2)),
        at_centre=lambda rows: templates[rows],
        locations=CONTACTS[loudest] + (15.0, 0.0, 0.0),
        positions=CONTACTS[loudest] + (15.0, 0.0, 0.0),
        celltypes=np.where(models == "3", "aspiny", "spiny").astype(object),
        model_ids=models,
        channel_positions=CONTACTS,
        cells=pd.DataFrame(frame),
        dt=1 / 32,
        cut_out=(2.0, 5.0),
    )


@pytest.fixture
def recording(library):
    """Four units over 2 s, placed into noise; all of them fire between 1.2 and 1.25 s."""
    chosen = np.array([0, 4, 6, 8])
    times = [[0.1, 1.2], [0.5, 1.21, 1.7], [1.22], [0.9, 1.25]]
    trains = [np.round(np.array(t) * FS).astype(np.int64) for t in times]
    traces = np.random.default_rng(2).normal(0, 5, (int(2 * FS), len(CONTACTS))).astype(np.float32)
    for unit, train in zip(chosen, trains, strict=True):
        for sample in train:
            traces[sample - PEAK : sample - PEAK + N_T] += library.templates[unit].T
    amplitude = -library.templates[chosen].min(axis=(1, 2))
    units = pd.DataFrame({"cell_type": library.celltypes[chosen], "bintype": ["E", "E", "I", "I"]})
    units = units.assign(amplitude=amplitude, snr=amplitude / 5, rate=[len(t) / 2 for t in times])
    units[["x", "y", "z"]] = library.locations[chosen]
    return SimpleNamespace(
        traces=traces,
        sampling_frequency=FS,
        duration=2.0,
        channel_positions=CONTACTS,
        units=units,
        spike_trains=trains,
        spike_times=[np.array(t) for t in times],
        templates=library.templates[chosen],
        template_peak=PEAK,
    )


CELL_FIGURES = (cells.morphology, cells.soma_trace, cells.spike_counts, cells.spike_overlay, cells.membrane_currents)


def every_figure(cell, library, recording):
    yield from (f(cell) for f in CELL_FIGURES)
    yield libraries.amplitudes(library, 30.0)
    yield from (f(library) for f in (libraries.poses, libraries.templates_on_probe, libraries.acceptance))
    yield from (f(recording) for f in (recordings.raster, recordings.unit_templates, recordings.amplitudes))
    yield recordings.traces(recording, *recordings.busiest_window(recording))


def all_axes(figure):
    return [axes for axes in figure.findobj(matplotlib.axes.Axes) if axes.axison]


def collections(figure, gid):
    return [c for axes in all_axes(figure) for c in axes.collections if c.get_gid() == gid]


def test_every_figure_is_titled_labelled_and_leaves_no_trace(cell, library, recording):
    before = dict(matplotlib.rcParams)
    for figure in every_figure(cell, library, recording):
        assert isinstance(figure, Figure) and figure.dpi == 150 and figure.get_suptitle()
        labels = [label for axes in all_axes(figure) for label in (axes.get_xlabel(), axes.get_ylabel()) if label]
        dimensionless = ("number of spikes", "templates", "unit", "model", "signal-to-noise ratio")
        assert labels and all("(" in label or label in dimensionless for label in labels), labels
        for axes in all_axes(figure):
            assert axes.has_data(), figure.get_suptitle()
    assert dict(matplotlib.rcParams) == before


def test_the_same_figure_gives_the_same_bytes(cell, recording, tmp_path):
    window = recordings.busiest_window(recording)
    own_settings = {"font.size": 20, "lines.linewidth": 9, "xtick.labelsize": 20, "savefig.facecolor": "red"}
    for name, settings in (("a", {}), ("b", own_settings)):
        with matplotlib.rc_context(settings):
            style.save(cells.morphology(cell), tmp_path / name / "cell.png")
            style.save(recordings.traces(recording, *window), tmp_path / name / "traces.png")
    for file in ("cell.png", "traces.png"):
        content = (tmp_path / "a" / file).read_bytes()
        assert content == (tmp_path / "b" / file).read_bytes()
        assert content.startswith(b"\x89PNG") and b"Software" not in content
    assert len(list(tmp_path.rglob("*.*"))) == 4


def test_colours_are_distinct_and_do_not_depend_on_order():
    chosen = style.colours(["spiny", "aspiny", "sparsely spiny", *"abcdefghij"])
    assert len(set(chosen.values())) == 13
    assert chosen == style.colours([*"jihgfedcba", "sparsely spiny", "aspiny", "spiny", "spiny"])
    assert style.colours(["aspiny", "a"])["aspiny"] == chosen["aspiny"]
    assert len(set(style.colours(range(19)).values())) == 19


def test_morphology_draws_every_segment_and_marks_the_stub(cell):
    figure = cells.morphology(cell)
    for kind in ("axon", "dend", "apic"):
        drawn = collections(figure, kind)
        assert [len(c.get_segments()) for c in drawn] == [(cell.section == kind).sum()] * 3
    xy = collections(figure, "dend")[0]
    np.testing.assert_allclose(xy.get_segments()[0], [cell.start[3, :2], cell.end[3, :2]])
    order = np.argsort(cell.diameter[cell.section == "dend"])
    assert (np.diff(np.array(xy.get_linewidths())[order]) > 0).all()
    halo, axon = collections(figure, "axon halo")[0], collections(figure, "axon")[0]
    np.testing.assert_allclose(halo.get_segments(), axon.get_segments())
    assert min(halo.get_linewidths()) > max(axon.get_linewidths()) + 3 and halo.get_zorder() < axon.get_zorder()
    assert "axon stub" in str([text.get_text() for text in figure.findobj(matplotlib.text.Text)])
    kept = replace(cell, info=replace(cell.info, axon="keep"))
    assert not collections(cells.morphology(kept), "axon halo")


def test_morphology_has_one_scale(cell):
    figure = cells.morphology(cell)
    figure.draw_without_rendering()
    scales = [np.diff(axes.transData.transform([(0, 0), (100, 100)]), axis=0)[0] for axes in all_axes(figure)]
    np.testing.assert_allclose(scales, np.full((3, 2), scales[0][0]), rtol=0.01)


def test_soma_trace_marks_stored_spikes_step_and_accepted_run(cell):
    figure = cells.soma_trace(cell)
    top, bottom, search = all_axes(figure)
    marks = top.lines[1]
    np.testing.assert_allclose(marks.get_xydata(), [[200, 20], [300, 30]])
    assert "2 of 3 spikes" in top.get_legend().get_texts()[0].get_text()
    np.testing.assert_allclose(bottom.lines[0].get_xydata()[1:5], [[10, 0], [10, 0.2], [1000, 0.2], [1000, 0]])
    accepted = next(line for line in search.lines if line.get_label() == "accepted")
    np.testing.assert_allclose(np.column_stack(accepted.get_data()), [[0.2, 3]])


def test_spike_overlay_shows_all_spikes_and_their_mean(cell):
    axes = all_axes(cells.spike_overlay(cell))[0]
    assert len(axes.collections[0].get_segments()) == 2
    time, mean = axes.lines[0].get_data()
    np.testing.assert_allclose(mean, cell.spike_vmem.mean(axis=0))
    assert time[np.argmax(mean)] == 0 and time[0] == -2


def test_membrane_currents_leave_out_the_stimulus_and_sort_by_distance(cell):
    figure = cells.membrane_currents(cell)
    top, image = (a for a in all_axes(figure) if "segments" in a.get_title(loc="left"))
    mean = cell.imem.mean(axis=0) - cell.imem.mean(axis=0)[:, :1]
    sums = {line.get_label().split(" (")[0]: line.get_ydata() for line in top.lines if "(" in line.get_label()}
    np.testing.assert_allclose(sums["basal dendrite"], mean[cell.section == "dend"].sum(axis=0))
    rows = image.images[0].get_array()
    np.testing.assert_allclose(rows[0], mean[0])  # the soma is nearest to itself
    farthest = np.argmax(np.linalg.norm(cell.start + cell.end, axis=1))
    np.testing.assert_allclose(rows[-1], mean[farthest])


def test_amplitudes_of_a_library_count_every_template(library):
    figure = libraries.amplitudes(library, 30.0)
    *histograms, scatter = all_axes(figure)
    assert [sum(bar.get_height() for bar in axes.patches) for axes in histograms] == [3, 6]
    assert [axes.lines[0].get_xdata()[0] for axes in histograms] == [30.0, 30.0]
    points = np.concatenate([c.get_offsets() for c in scatter.collections])
    assert sorted(points[:, 1]) == [32, 35, 40, 45, 50, 60, 70, 80, 90]
    np.testing.assert_allclose(points[:, 0], 15.0)


def test_poses_place_somata_and_contacts(library):
    side, front = all_axes(libraries.poses(library))
    for axes, columns in ((side, [0, 2]), (front, [1, 2])):
        contacts, somata = axes.collections
        np.testing.assert_allclose(contacts.get_offsets(), CONTACTS[:, columns])
        order = np.argsort(library.templates.min(axis=(1, 2)))
        np.testing.assert_allclose(somata.get_offsets(), library.locations[order][:, columns])
        np.testing.assert_allclose(somata.get_sizes() / somata.get_sizes()[0], np.sort(AMPLITUDES)[::-1] / 90)


def test_typical_templates_are_medians_of_different_models(library):
    assert libraries.typical_templates(library, "spiny", 2) == [2, 5]  # 50 of 40, 50, 60 and 45 of 35, 45, 80
    assert libraries.typical_templates(library, "spiny", 3) == [0, 2, 5]
    assert libraries.typical_templates(library, "aspiny", 9) == [6, 7, 8]


def test_templates_stand_at_their_contacts(library):
    panels = all_axes(libraries.templates_on_probe(library, n=2))
    models = [axes.get_title(loc="left").splitlines()[1] for axes in panels]
    assert models == ["model 3", "model 3", "model 1", "model 2"]
    axes = panels[2]
    lines = np.array(axes.collections[1].get_segments())
    assert lines.shape == (len(CONTACTS), N_T, 2)
    np.testing.assert_allclose(lines[:, 0, 1], CONTACTS[:, 2], atol=1e-4)
    np.testing.assert_allclose(lines[:, :, 0].mean(axis=1), CONTACTS[:, 1], atol=1e-6)
    deepest = (CONTACTS[:, 2] - lines[:, :, 1].min(axis=1)).argmax()
    assert deepest == library.templates[2].min(axis=1).argmin()
    np.testing.assert_allclose(axes.lines[0].get_xydata()[0], library.locations[2, 1:])


def test_acceptance_has_a_bar_a_cell_and_shows_failures(library):
    library.cells.loc[1, ["n_templates", "acceptance_rate"]] = [0, 0.0]
    axes = all_axes(libraries.acceptance(library))[0]
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(ends[:2], [0.1, 10.0])  # aspiny first; %
    assert ends[2] == axes.get_xlim()[0] and "0 of 300" in axes.texts[2].get_text()


def test_raster_shows_every_spike_in_the_row_of_its_unit(recording):
    axes, rates = all_axes(recordings.raster(recording))
    order = recordings.unit_order(recording)
    assert order == [1, 0, 2, 3]  # excitatory first, the loudest first in each type
    rows = [c for c in axes.collections if isinstance(c, EventCollection)]
    for row, unit in enumerate(order):
        np.testing.assert_array_equal(rows[row].get_positions(), recording.spike_times[unit])
        assert rows[row].get_lineoffset() == row
    np.testing.assert_allclose([bar.get_width() for bar in rates.patches], recording.units["rate"].iloc[order])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "0", "2", "3"]


def test_busiest_window_is_where_all_units_fire(recording):
    start, stop = recordings.busiest_window(recording, 0.1)
    assert start <= 1.2 and stop > 1.25 and stop - start == pytest.approx(0.1)
    assert recordings.busiest_window(recording, 10.0) == (0.0, 2.0)


def test_placed_templates_lie_on_the_traces(recording):
    figure = recordings.traces(recording, 1.15, 1.3)
    drawn = np.array(collections(figure, "traces")[0].get_segments())
    depth = np.lexsort((CONTACTS[:, 1], CONTACTS[:, 2]))
    assert drawn.shape == (len(CONTACTS), round(0.15 * FS), 2)
    for unit in range(4):
        (line,) = collections(figure, f"unit {unit}")[0].get_segments()  # one channel, one spike in the window
        channel = recording.templates[unit].min(axis=1).argmin()
        trace = drawn[np.flatnonzero(depth == channel)[0]]
        noise = np.interp(line[:, 0], trace[:, 0], trace[:, 1]) - line[:, 1]
        assert noise.std() < 7 and abs(noise.mean()) < 3
        trough = line[line[:, 1].argmin(), 0]
        assert np.abs(recording.spike_times[unit] - trough).min() < 1 / FS
    assert len(figure.axes[0].get_legend().get_texts()) == 4
    figure = recordings.traces(recording, 1.15, 1.3, templates=0.5 * recording.templates)  # as after a filter
    half = collections(figure, "unit 0")[0].get_segments()[0]
    assert np.ptp(half[:, 1]) == pytest.approx(0.5 * np.ptp(recording.templates[0]), rel=0.06)


def test_a_large_probe_shows_the_channels_with_templates(recording):
    n = 200
    contacts = np.column_stack([np.zeros(n), np.zeros(n), 20.0 * np.arange(n)])
    templates = np.zeros((4, n, N_T), dtype=np.float32)
    templates[:, [17, 60, 111, 180]] = recording.templates[:, :4]
    templates[np.arange(4), [17, 60, 111, 180]] = recording.templates.min(axis=1)
    large = SimpleNamespace(**vars(recording))
    large.channel_positions, large.templates, large.traces = contacts, templates, np.zeros((64000, n), dtype=np.float32)
    figure = recordings.traces(large, 1.15, 1.3)
    assert len(collections(figure, "traces")[0].get_segments()) == recordings.CHANNELS_SHOWN
    assert all(collections(figure, f"unit {unit}")[0].get_segments() for unit in range(4))
    assert f"{recordings.CHANNELS_SHOWN} of them shown" in figure.get_suptitle()


def test_unit_templates_have_a_colour_a_unit_and_their_position(recording):
    figure = recordings.unit_templates(recording)
    left, right = all_axes(figure)
    waveforms = [collections(figure, f"unit {unit}")[0] for unit in range(4)]
    assert len({tuple(c.get_colors()[0]) for c in waveforms}) == 4
    np.testing.assert_allclose([line.get_xydata()[0] for line in right.lines], recording.units[["y", "z"]])
    assert [line.get_marker() for line in right.lines] == ["o", "o", "^", "^"]
    assert left.get_ylim() == right.get_ylim()


def test_amplitudes_leave_out_the_ratio_where_there_is_no_noise(recording):
    axes, ratio = all_axes(recordings.amplitudes(recording))
    order = recordings.unit_order(recording)
    points = axes.collections[1].get_offsets()
    np.testing.assert_allclose(points, np.column_stack([recording.units["amplitude"].iloc[order], range(4)]))
    assert ratio.get_xlabel() == "signal-to-noise ratio"
    recording.units["snr_filtered"] = 2 * recording.units["snr"]
    before, after = (c.get_offsets()[:, 0] for c in all_axes(recordings.amplitudes(recording))[1].collections[1:])
    np.testing.assert_allclose(after, 2 * before)
    recording.units["snr"] = np.inf
    assert len(all_axes(recordings.amplitudes(recording))) == 1


def test_a_recording_without_units_still_has_figures(recording):
    recording.units, recording.templates = recording.units[:0], recording.templates[:0]
    recording.spike_trains, recording.spike_times = [], []
    window = recordings.busiest_window(recording)
    figures = [f(recording) for f in (recordings.raster, recordings.unit_templates, recordings.amplitudes)]
    assert all("no units" in figure.get_suptitle() for figure in (*figures, recordings.traces(recording, *window)))


def test_spike_counts_show_the_recorded_cell_beside_its_model(cell):
    flagged = replace(cell, info=replace(cell.info, facts=CellFacts(flags="spike counts far off")))
    figure = cells.spike_counts(flagged)
    (axes,) = all_axes(figure)
    lines = {line.get_label(): line.get_xydata() for line in axes.get_lines()}
    assert lines["recorded cell, mean"].tolist() == [[0.15, 2.0], [0.25, 10.5]]
    assert lines["model, same steps"].tolist() == [[0.15, 4.0], [0.25, 9.0]]
    assert lines["model, in the search"].tolist() == [[0.1, 0.0], [0.2, 3.0]]
    assert axes.get_title("left") == "spike counts far off"


def test_cell_without_usable_spikes_is_drawn_as_far_as_it_goes(cell):
    empty = replace(cell, imem=cell.imem[:0], spike_vmem=cell.spike_vmem[:0], spike_times=cell.spike_times[:0])
    for draw in CELL_FIGURES:
        assert isinstance(draw(empty), Figure)
    assert cells.spike_overlay(empty).texts[-1].get_text() == "no usable spikes"

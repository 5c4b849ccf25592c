"""Figures of a cell show every segment, spike and run at its place."""

from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from unit.figures.drawn import all_axes, collections

from allenrec.figures import cells
from allenrec.figures.look import ACCENT, PALETTE, UNIT_PALETTE, colours
from allenrec.figures.nothing import NothingToDrawError
from allenrec.models.metadata import CellFacts

CELL_FIGURES = (cells.morphology, cells.soma_trace, cells.spike_counts, cells.spike_overlay, cells.membrane_currents)


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


def test_spike_counts_show_the_recorded_cell_beside_its_model(cell):
    flagged = replace(cell, info=replace(cell.info, facts=CellFacts(flags="spike counts far off")))
    figure = cells.spike_counts(flagged)
    (axes,) = all_axes(figure)
    lines = {line.get_label(): line.get_xydata() for line in axes.get_lines()}
    assert lines["recorded cell, mean"].tolist() == [[0.15, 2.0], [0.25, 10.5]]
    assert lines["model, same steps"].tolist() == [[0.15, 4.0], [0.25, 9.0]]
    assert lines["model, in the search"].tolist() == [[0.1, 0.0], [0.2, 3.0]]
    assert axes.get_title("left") == "spike counts far off"


def test_spike_counts_without_sweeps_say_that_there_is_nothing_to_compare(cell):
    none = dict.fromkeys(("recorded_amplitude", "recorded_cell_spikes", "recorded_model_spikes"), np.zeros(0))
    flagged = replace(cell.info, facts=CellFacts(flags="spike counts far off"))
    with pytest.raises(NothingToDrawError, match="without recorded sweeps of its cell, so there is nothing to compare"):
        cells.spike_counts(replace(cell, info=flagged, **none))


def test_colours_of_sections_are_those_of_no_cell_type_and_no_unit():
    taken = {*PALETTE, *UNIT_PALETTE, *colours(map(str, range(60))).values()}
    assert not taken & {*cells.SECTIONS.values(), ACCENT}


def test_cell_without_usable_spikes_is_drawn_as_far_as_it_goes(cell):
    empty = replace(cell, imem=cell.imem[:0], spike_vmem=cell.spike_vmem[:0], spike_times=cell.spike_times[:0])
    for draw in CELL_FIGURES:
        if draw in (cells.spike_overlay, cells.membrane_currents):
            with pytest.raises(NothingToDrawError, match="no usable spikes"):
                draw(empty)
        else:
            assert isinstance(draw(empty), Figure)

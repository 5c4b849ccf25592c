"""Figures of a library show every template, with its position and amplitude."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from unit.figures.drawn import AMPLITUDES, CONTACTS, N_T, PEAK, all_axes, by_gid, centres, squares

from allenrec.figures import libraries
from allenrec.figures.nothing import NothingToDrawError


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
        np.testing.assert_allclose(centres(contacts), CONTACTS[:, columns])
        sizes = [np.ptp(path.vertices, axis=0) for path in contacts.get_paths()]
        np.testing.assert_allclose(sizes, [[0.0 if axes is side else 8.0, 8.0]] * len(CONTACTS))
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


@pytest.fixture
def library_with_features():
    """Twelve templates of two models, one of which has no half width."""
    peak, n_channels, n_t = 20, 4, 60
    rng = np.random.default_rng(1)
    n = 12
    templates = rng.normal(0, 0.1, (n, n_channels, n_t)).astype(np.float32)
    depth = rng.uniform(30, 90, n)
    templates[np.arange(n), rng.integers(n_channels, size=n), peak] = -depth
    features = pd.DataFrame(
        {"half_width_filtered_ms": rng.uniform(0.2, 0.5, n), "trough_to_peak_filtered_ms": rng.uniform(0.5, 2, n)}
    )
    features.loc[0, "half_width_filtered_ms"] = np.nan
    return SimpleNamespace(
        templates=templates,
        at_centre=lambda rows: templates[list(rows)],
        features=features,
        celltypes=np.array(["spiny", "aspiny"] * 6, dtype=object),
        model_ids=np.array(["1", "2"] * 6, dtype=object),
        channel_positions=np.column_stack([np.zeros(4), np.zeros(4), [0.0, 20.0, 40.0, 60.0]]),
        cells=pd.DataFrame({"model_id": ["1"], "cell_type": ["spiny"]}),
        dt=0.1,
        peak_sample=peak,
    )


def test_waveform_shapes_leave_out_what_has_none(library_with_features):
    scatter = all_axes(libraries.waveform_shapes(library_with_features))[0]
    points = np.concatenate([np.array(drawn.get_offsets()) for drawn in scatter.collections])
    expected = library_with_features.features.dropna()
    assert sorted(points[:, 1]) == sorted(expected["half_width_filtered_ms"]) and len(points) == 11
    assert len([line for line in scatter.get_lines() if line.get_marker() == "X"]) == 2


def test_typical_eaps_are_templates_at_the_quartiles_of_amplitude(library):
    library.peak_sample = PEAK
    *panels, right = all_axes(libraries.typical_eaps(library))
    # Sorted: 32, 35, 40, 45, 50, 60, 70, 80, 90 µV
    assert [axes.get_title(loc="left").splitlines()[1].split(",")[0] for axes in panels] == ["40 µV", "50 µV", "70 µV"]
    for axes, index in zip(panels, (0, 2, 8), strict=True):
        lines = np.array(axes.collections[1].get_segments())
        drawn, template = lines[:, :, 1] - library.channel_positions[:, 2:], library.templates[index]
        np.testing.assert_allclose(drawn / np.abs(drawn).max(), template / np.abs(template).max(), atol=1e-6)
        np.testing.assert_allclose(axes.lines[0].get_xydata()[0], library.positions[index, 1:])
    assert by_gid(right, "median")[0].get_ydata().min() == pytest.approx(-1)
    assert libraries.poses_at_quartiles(np.array([3.0, 1.0])) == {"median amplitude": 1}
    library.templates, library.amplitudes = library.templates[:0], library.amplitudes[:0]
    with pytest.raises(NothingToDrawError, match="no templates in this library"):
        libraries.typical_eaps(library)


def test_templates_are_drawn_on_the_whole_shank_where_they_are_largest(library):
    """The same probe twice, 300 µm apart: a template shows the 14 contacts of its own shank, and the title says which."""
    library.channel_positions = np.concatenate([CONTACTS, CONTACTS + np.array([0.0, 300.0, 0.0])])
    library.templates = np.concatenate([0.1 * library.templates, library.templates], axis=1)
    library.at_centre, library.probe = lambda rows: library.templates[rows], squares(library.channel_positions)
    for axes in all_axes(libraries.templates_on_probe(library)):
        np.testing.assert_allclose(axes.collections[0].get_offsets(), library.channel_positions[14:, 1:])
        assert "shank 2 of 2" in axes.get_title(loc="left")

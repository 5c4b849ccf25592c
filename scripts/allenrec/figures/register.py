"""The register of figures. One entry says all that rules, scripts and the report need to know about a figure.

A new figure needs a function in one of the modules of this package, and an entry in `FIGURES`. The rule of the entry then has
one more output, and the report shows it. `drawings` has the rules.
"""

from dataclasses import dataclass

#: Where the figures of each kind lie below the folder of figures; names in braces are wildcards
FOLDERS = {
    "cells": "cells/{model}",
    "eaps": "libraries/{library}/cells/{model}",
    "libraries": "libraries/{library}",
    "recordings": "recordings/{recording}",
    "studies": "studies/{study}",
    "probes": "",
    "realism": "realism",
}


@dataclass(frozen=True)
class Figure:
    """A figure: what it is called, what it shows, and how it is drawn.

    Parameters
    ----------
    kind : str
        What is shown, a key of `FOLDERS`.
    name : str
        The name of the file, without its suffix.
    title : str
        The heading in the report.
    function : str
        The function that draws it, as "module:function" in this package. It takes what the reader of the rule returns. If it
        raises NothingToDrawError, there is a card with the reason instead, and the report says so in words.
    caption : str
        The text in the report and in the file beside the figure: whole sentences, without any markup.
    rule : str
        The rule that draws it.
    takes : tuple of str
        Functions, written as `function` is. Their values for the same data are further arguments. Figures that name the same
        function share its value.
    optional : bool
        Whether the figure may be absent: only some recordings have it.
    suffix : str
        The ending of the file.
    """

    kind: str
    name: str
    title: str
    function: str
    caption: str
    rule: str
    takes: tuple[str, ...] = ()
    optional: bool = False
    suffix: str = ".png"


SNIPPETS, NOISE = "snippets:cut_spikes", "snippets:measure_noise"

#: All figures; those of a kind are in the order of the report
FIGURES = (
    Figure(
        kind="cells",
        name="morphology",
        title="Morphology",
        function="cells:morphology",
        rule="plot_cell",
        caption="The cell in three projections at one scale, in the axes of the reconstruction, with the soma at the origin. "
        "Each line is a segment of the model, wider where the diameter is larger; the disc is the soma. If the model replaces "
        "the reconstructed axon by another one, that axon has a halo.",
    ),
    Figure(
        kind="cells",
        name="soma_trace",
        title="Soma trace",
        function="cells:soma_trace",
        rule="plot_cell",
        caption="The simulation from which the spikes are taken: the potential at the soma and the injected step current. Dots "
        "mark the spikes whose membrane currents are stored. The panel on the right shows the search for this current: each "
        "point is a simulation.",
    ),
    Figure(
        kind="cells",
        name="spikes",
        title="Spikes, overlaid",
        function="cells:spike_overlay",
        rule="plot_cell",
        caption="All stored spikes at the soma, overlaid, and their mean. Time is zero at the peak.",
    ),
    Figure(
        kind="cells",
        name="spike_counts",
        title="Spike counts",
        function="cells:spike_counts",
        rule="plot_cell",
        caption="The number of spikes that the model fires at step currents, and the number that the "
        "recorded cell fired at the same currents. If something is wrong with the model, the title says what.",
    ),
    Figure(
        kind="cells",
        name="membrane_currents",
        title="Membrane currents",
        function="cells:membrane_currents",
        rule="plot_cell",
        caption="Membrane currents during the mean spike, outward positive, without the stimulus. The upper panel shows their "
        "sum over each type of section, the lower one the current of each segment, sorted by distance from the soma. The "
        "extracellular potential is computed from these currents.",
    ),
    Figure(
        kind="eaps",
        name="mean_eap",
        title="EAP at typical poses",
        function="libraries:typical_eaps",
        rule="plot_mean_eap",
        caption="The extracellular action potential of one model at typical poses: the templates of which the amplitudes are "
        "at the quartiles and the median of all. Each waveform stands at its contact; the circle is the soma, and "
        "each panel has its own scale bars. Of a probe with several shanks, the one with the largest contact is "
        "shown. The panel on the right shows the templates at the contacts where they are largest, scaled to the same "
        "depth. The coloured one is that of median amplitude.",
    ),
    Figure(
        kind="libraries",
        name="amplitudes",
        title="Amplitude against distance",
        function="libraries:amplitudes",
        takes=("libraries:min_amp",),
        rule="plot_library",
        caption="The amplitude of each template, which is its depth below zero at the contact where it is largest. The left "
        "panels show the distribution in each cell type, the right panel the amplitude against the distance from the soma to "
        "the nearest contact. The dashed line is min_amp: templates below it are not accepted.",
    ),
    Figure(
        kind="libraries",
        name="waveform_shapes",
        title="Waveform shapes",
        function="libraries:waveform_shapes",
        rule="plot_library",
        caption="The width of the trough at half its depth against the time from the trough to the following peak, at the "
        "contact where the template is largest, after the default filter of recordings. These two measures separate narrow "
        "spikes from broad ones. Dots are templates "
        "and crosses are the medians of models; the panels on the right show the distribution of each measure.",
    ),
    Figure(
        kind="libraries",
        name="poses",
        title="Poses around the probe",
        function="libraries:poses",
        rule="plot_library",
        caption="The positions of all somata around the probe, seen from the side and from the front. The area of a dot is "
        "proportional to the amplitude of its template; contacts are grey, in their true shape.",
    ),
    Figure(
        kind="libraries",
        name="acceptance",
        title="Acceptance",
        function="libraries:acceptance",
        rule="plot_library",
        caption="The share of the tried poses that gave a template, and the counts. A pose is rejected if the template is too "
        "small or has the wrong shape, or if the cell would touch the probe.",
    ),
    Figure(
        kind="libraries",
        name="templates",
        title="Templates on the probe",
        function="libraries:templates_on_probe",
        rule="plot_library",
        caption="Typical templates on the probe. For each cell type these are templates of median amplitude, from as many "
        "models as possible. Each waveform stands at its contact; the circle is the soma. Each panel has its own "
        "scale bars. Of a probe with several shanks, the one with the largest contact is shown.",
    ),
    Figure(
        kind="recordings",
        name="raster",
        title="Raster and rates",
        function="recordings:raster",
        rule="plot_recording",
        caption="All spikes of the ground truth over time, and the firing rate of each unit. Each row is a unit; excitatory "
        "units come first, then units are sorted by cell type and amplitude. Colours are cell types.",
    ),
    Figure(
        kind="recordings",
        name="amplitudes",
        title="Amplitudes and SNR",
        function="recordings:amplitudes",
        rule="plot_recording",
        caption="The amplitude of the template of each unit, and its signal-to-noise ratio, on the channel where it is "
        "largest. Filled dots are values before the filter, hollow dots values after it.",
    ),
    Figure(
        kind="recordings",
        name="amplitude_histogram",
        title="Amplitudes of spikes",
        function="spike_statistics:amplitude_histogram",
        takes=(SNIPPETS, NOISE),
        rule="plot_recording",
        caption="The distribution of the amplitudes of spikes in the traces: the depth of each spike below zero on the channel "
        "where its unit is largest. The dashed line is at five standard deviations of the noise, a usual detection threshold "
        "of spike sorters.",
    ),
    Figure(
        kind="recordings",
        name="waveforms",
        title="Waveforms",
        function="spike_statistics:waveforms",
        takes=(SNIPPETS,),
        rule="plot_recording",
        caption="Spikes in the traces on the channel where each unit is largest, their mean, and the filtered template. Where "
        "mean and template differ, other units fire at the same time, or the spikes of the unit vary in size or "
        "shape. If the recording drifts, the template is the one at a displacement of zero; where the unit is "
        "elsewhere, its spikes are larger or smaller, or largest on another channel.",
    ),
    Figure(
        kind="recordings",
        name="intervals",
        title="Intervals between spikes",
        function="spike_statistics:intervals",
        rule="plot_recording",
        caption="Intervals between successive spikes of each unit, on a logarithmic axis. The dashed line is the shortest "
        "interval; the refractory period bounds it.",
    ),
    Figure(
        kind="recordings",
        name="amplitudes_over_time",
        title="Amplitudes over time",
        function="spike_statistics:amplitudes_over_time",
        takes=(SNIPPETS,),
        rule="plot_recording",
        caption="The amplitudes of spikes in the traces over the whole recording, noise included. Each row is a unit; the line "
        "is the median. A trend shows that the unit drifts or that its spikes vary in size.",
    ),
    Figure(
        kind="recordings",
        name="principal_components",
        title="Principal components",
        function="spike_statistics:principal_component_map",
        takes=(SNIPPETS,),
        rule="plot_recording",
        caption="Spikes of all units by their first three principal components, computed on the channels where units are "
        "largest. A spike sorter has to separate these clusters. One colour per unit; the number marks the centre of its "
        "cluster. From the ninth unit on, colours come again with another mark.",
    ),
    Figure(
        kind="recordings",
        name="templates",
        title="Units on the probe",
        function="recordings:unit_templates",
        rule="plot_recording",
        caption="The template of each unit on the probe, and the positions of the somata. One colour per unit; circles are "
        "excitatory units and triangles are inhibitory units. From the ninth unit on, colours come again with another line. "
        "Gaps between shanks are drawn short; of a long probe "
        "the part with units is shown.",
    ),
    Figure(
        kind="recordings",
        name="noise_spectrum",
        title="Noise spectrum",
        function="spike_statistics:noise_spectrum",
        takes=(NOISE,),
        rule="plot_recording",
        caption="The power spectrum of the traces between spikes: the median over channels, and the range from the lowest to "
        "the highest channel. The filter of the recording shows at both ends.",
    ),
    Figure(
        kind="recordings",
        name="drift",
        title="Drift",
        function="spike_statistics:drift",
        takes=("spike_statistics:unit_drift",),
        optional=True,
        rule="plot_drift",
        caption="The displacement of each unit along its path, from the position of its template, over the whole recording. "
        "One colour per unit. Units that move together, as all do if the whole probe moves, share one line.",
    ),
    Figure(
        kind="recordings",
        name="accuracy",
        title="Accuracy of spike sorters",
        function="evaluation:accuracy",
        optional=True,
        rule="plot_evaluation",
        caption="How well spike sorters recover the units of this recording, one panel per sorter. Each mark is a unit of the "
        "ground truth. Its accuracy is the number of spikes that were found, divided by the number of spikes that were found, "
        "missed or wrongly added. It is drawn against the signal-to-noise ratio of the unit in the filtered traces, which are "
        "what was sorted; in a recording without noise, against the amplitude. Colours are cell types; circles are excitatory "
        "units and triangles are inhibitory units. The lines are at a ratio of 5 and at an accuracy of 0.8; a unit with a "
        "larger accuracy counts as well detected.",
    ),
    Figure(
        kind="studies",
        name="accuracy",
        title="Accuracy of spike sorters in a study",
        function="studies:accuracy",
        rule="plot_study",
        caption="How the accuracy of spike sorters depends on what the recordings of this study differ in, one row per factor. "
        "The first panel of a row has all units, the others have units by their signal-to-noise ratio in the filtered traces. "
        "Marks are means over units and over the values of the other factors. Bars are the standard deviation over replicates. "
        "The grey line is the accuracy of 0.8 from which a unit counts as well detected.",
    ),
    Figure(
        kind="recordings",
        name="traces",
        title="A tenth of a second",
        function="recordings:busiest_traces",
        rule="plot_recording",
        caption="The tenth of a second in which most units fire. The traces are grey and ordered by depth, shank by shank; "
        "of a large probe some channels are shown. The "
        "filtered template of each unit is drawn on top of them, at the spike times of the ground truth.",
    ),
    Figure(
        kind="recordings",
        name="viewer",
        title="Viewer of the traces",
        function="viewer:trace_viewer",
        suffix=".html",
        rule="view_recording",
        caption="The first minute of the traces, or all of a shorter recording, to pan and zoom. Spikes of the ground truth "
        "are coloured by unit; from the ninth unit on, colours come again with another mark. Each pixel shows the lowest and "
        "the highest value of several samples, so no extreme is lost.",
    ),
    Figure(
        kind="realism",
        name="in_vivo",
        title="Cells beside what is measured in vivo",
        function="realism:beside_in_vivo",
        rule="plot_realism",
        caption="The spikes of all cells beside what is measured in vivo. The left panel shows half width against trough to "
        "peak, 20 µm from the soma and behind the filter of the measurements. Boxes are the ranges of units in "
        "mouse visual cortex by which cells are judged; the bar below is that of optotagged Sst cells. The grey "
        "band separates fast waveforms from regular ones. The right panel shows the range from the lowest to the "
        "highest value of the spike at several distances from the soma. The grey band is the range of sorted units, "
        "whose distances are not known. Filled marks lie within the ranges of their type, hollow marks outside, and "
        "crosses have no range.",
    ),
    Figure(
        kind="probes",
        name="probes",
        title="Probes",
        function="probes:overview",
        rule="list_probes",
        caption="The probes that the configuration can name. Each panel shows the contacts of one probe in their true shape, "
        "in their plane. All probes are drawn at one scale, with one scale bar per row; a probe that is too wide for this "
        "scale has its own scale bar. If a probe is too long for its panel, its lower end is shown.",
    ),
)


def pictures(kind: str) -> dict[str, Figure]:
    """Return the figures of a kind that are pictures, by name, in the order of the report."""
    return {figure.name: figure for figure in FIGURES if figure.kind == kind and figure.suffix == ".png"}


def caption(kind: str, name: str) -> str:
    """Return the caption of a figure."""
    return next(figure.caption for figure in FIGURES if (figure.kind, figure.name) == (kind, name))

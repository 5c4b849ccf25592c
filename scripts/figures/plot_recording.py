"""Draw a recording: its units and their spikes, a window of traces, spikes as they are in the traces, and the noise between."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.figures import recordings
    from allenrec.figures import spike_statistics as spikes
    from allenrec.figures.captions import caption
    from allenrec.figures.snippets import cut_spikes, measure_noise
    from allenrec.figures.style import save
    from allenrec.recordings.formats.recording_file import read_recording

    with read_recording(snakemake.input.recording) as recording:
        start, stop = recordings.busiest_window(recording)
        snippets, noise = cut_spikes(recording), measure_noise(recording)
        figures = {
            "raster": recordings.raster(recording),
            "templates": recordings.unit_templates(recording),
            "traces": recordings.traces(recording, start, stop, templates=recording.filtered_templates),
            "amplitudes": recordings.amplitudes(recording),
            "waveforms": spikes.waveforms(recording, snippets),
            "amplitude_histogram": spikes.amplitude_histogram(recording, snippets, noise),
            "amplitudes_over_time": spikes.amplitudes_over_time(recording, snippets),
            "intervals": spikes.intervals(recording),
            "principal_components": spikes.principal_component_map(recording, snippets),
            "noise_spectrum": spikes.noise_spectrum(recording, noise),
        }
        for name, figure in figures.items():
            save(figure, snakemake.output[name], caption("recordings", name))

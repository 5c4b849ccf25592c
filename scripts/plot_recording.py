"""Draw a recording: raster, units on the probe, a window of traces, amplitudes."""

from joblog import job_log

with job_log(snakemake):
    from allenrec.figures import recordings
    from allenrec.figures.style import save
    from allenrec.recording import read_recording

    with read_recording(snakemake.input.recording) as recording:
        save(recordings.raster(recording), snakemake.output.raster)
        save(recordings.unit_templates(recording), snakemake.output.templates)
        start, stop = recordings.busiest_window(recording)
        traces = recordings.traces(recording, start, stop, templates=recording.filtered_templates)
        save(traces, snakemake.output.traces)
        save(recordings.amplitudes(recording), snakemake.output.amplitudes)

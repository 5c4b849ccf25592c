"""Make the viewer of a recording: its first minute to pan and zoom, and the table of its units."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.common.files import write_json, write_table, write_text
    from allenrec.figures.excerpt import describe_recording
    from allenrec.figures.register import caption
    from allenrec.figures.viewer import trace_viewer, write_viewer
    from allenrec.recordings.formats.recording_file import read_recording

    name = snakemake.wildcards.recording
    with read_recording(snakemake.input.recording, name) as recording:
        viewer = trace_viewer(recording, snakemake.params.n_values)
        write_viewer(viewer, snakemake.output.viewer, snakemake.output.item)
        write_table(snakemake.output.units, recording.units, checked=True)
        write_json(snakemake.output.facts, {"recording": name, **describe_recording(recording)}, checked=True)
    write_text(snakemake.output.caption, caption("recordings", "viewer") + "\n", checked=True)

"""Draw how far each unit of a recording is from its place over time."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.figures import spike_statistics as spikes
    from allenrec.figures.captions import caption
    from allenrec.figures.style import save
    from allenrec.recordings.formats.recording_file import read_recording

    with read_recording(snakemake.input.recording) as recording:
        figure = spikes.drift(recording, recording.drift.times, recording.drift.displacements)
    save(figure, snakemake.output.drift, caption("recordings", "drift"))

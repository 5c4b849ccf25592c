"""Write a recording in another format, from its file."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.common.files import require_space
    from allenrec.recordings.formats.recording_file import read_recording
    from allenrec.recordings.formats.register import load_writer

    write, options = load_writer(snakemake.params.format), vars(snakemake.params.settings)
    if snakemake.threads > 1:  # the writer has this argument if the format has several threads
        options["threads"] = snakemake.threads
    with read_recording(snakemake.input.recording, snakemake.wildcards.recording) as recording:
        size = recording.samples.size * recording.samples.dtype.itemsize
        require_space(snakemake.output[0], size, at_most=options.get("compression", "none") != "none")
        write(snakemake.output[0], recording, **options)

"""Write a recording anew in another format."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    import gc
    from importlib import import_module

    from allenrec.common.files import require_space
    from allenrec.recordings.formats.recording_file import read_recording

    name, options = snakemake.params.format, vars(snakemake.params.settings)
    write = getattr(import_module(f"allenrec.recordings.formats.{name}"), f"write_{name}")
    # SpikeInterface collects garbage after every piece; what is imported need not be looked through each time.
    gc.freeze()
    with read_recording(snakemake.input.recording) as recording:
        size = recording.samples.size * recording.samples.dtype.itemsize
        require_space(snakemake.output[0], size, at_most=options.get("compression", "none") != "none")
        write(snakemake.output[0], recording, **options)

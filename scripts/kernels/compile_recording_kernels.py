"""Compile the kernels of recordings, or find them compiled."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.common.files import write_json
    from allenrec.kernels.compilation import compile_kernels
    from allenrec.kernels.made_recording import make_recording

    write_json(snakemake.output[0], {"digest": compile_kernels("recordings", make_recording)})

"""Compile the kernels of recordings, or find them compiled."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from allenrec.common.compiled_kernels import compile_kernels
    from allenrec.common.files import write_json
    from allenrec.intracellular.made_currents import made_currents
    from allenrec.libraries.library_file import open_library
    from allenrec.libraries.made_library import write_made_library
    from allenrec.recordings.made_recording import write_made_recording

    def use_kernels() -> None:
        """Use all kernels of recordings, with values of the types that jobs have."""
        with TemporaryDirectory() as folder:
            write_made_library(Path(folder, "templates.h5"), made_currents())
            with open_library(Path(folder, "templates.h5")) as library:
                write_made_recording(Path(folder, "recording.h5"), library)

    write_json(snakemake.output[0], {"digest": compile_kernels("recordings", use_kernels)}, checked=True)

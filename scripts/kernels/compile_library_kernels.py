"""Compile the kernels of libraries, or find them compiled."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from allenrec.common.compiled_kernels import compile_kernels
    from allenrec.common.files import write_json
    from allenrec.intracellular.made_currents import made_currents
    from allenrec.libraries.made_library import write_made_library

    def use_kernels() -> None:
        """Use all kernels of libraries, with values of the types that jobs have."""
        with TemporaryDirectory() as folder:
            write_made_library(Path(folder, "templates.h5"), made_currents())

    write_json(snakemake.output[0], {"digest": compile_kernels("libraries", use_kernels)}, checked=True)

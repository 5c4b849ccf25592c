"""Draw a library: amplitudes, poses around the probe, templates on it, acceptance."""

from joblog import job_log

with job_log(snakemake):
    from allenrec.figures import libraries
    from allenrec.figures.style import save
    from allenrec.library import open_library

    with open_library(snakemake.input.library) as library:
        save(libraries.amplitudes(library, snakemake.params.min_amp), snakemake.output.amplitudes)
        save(libraries.poses(library), snakemake.output.poses)
        save(libraries.templates_on_probe(library), snakemake.output.templates)
        save(libraries.acceptance(library), snakemake.output.acceptance)

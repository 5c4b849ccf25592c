"""Draw a library: amplitudes, shapes, poses around the probe, templates on it, acceptance."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.figures import libraries
    from allenrec.figures.captions import caption
    from allenrec.figures.style import save
    from allenrec.libraries.library_file import open_library

    with open_library(snakemake.input.library) as library:
        figures = {
            "amplitudes": libraries.amplitudes(library, snakemake.params.min_amp),
            "waveform_shapes": libraries.waveform_shapes(library),
            "poses": libraries.poses(library),
            "templates": libraries.templates_on_probe(library),
            "acceptance": libraries.acceptance(library),
        }
    for name, figure in figures.items():
        save(figure, snakemake.output[name], caption("libraries", name))

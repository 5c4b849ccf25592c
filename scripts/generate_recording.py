"""Generate one recording with its ground truth."""

from joblog import job_log

with job_log(snakemake):
    from contextlib import nullcontext

    from tqdm import tqdm

    from allenrec.files import sha256
    from allenrec.library import open_library
    from allenrec.recording import blocks, plan_recording, provenance
    from allenrec.settings import Recording as RecordingSettings
    from allenrec.writers.mearec import write_mearec

    name, seed = snakemake.wildcards.recording, snakemake.params.seed
    settings = RecordingSettings.model_validate(snakemake.params.settings)
    origin = provenance(snakemake.params.settings, seed=seed, name=name, library_digest=sha256(snakemake.input.library))
    far = open_library(snakemake.input.far_library) if snakemake.input.far_library else nullcontext()
    with open_library(snakemake.input.library) as library, far as far_library:
        plan = plan_recording(library, settings, seed=seed, name=name, far_library=far_library)
        print(f"{len(plan.units)} units, {sum(plan.units['n_spikes'])} spikes")
        pieces = tqdm(blocks(plan, snakemake.threads), total=-(-plan.n_samples // plan.block_length), unit="block")
        write_mearec(snakemake.output[0], plan, pieces, library, settings, provenance=origin)

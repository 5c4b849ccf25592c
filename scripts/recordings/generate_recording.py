"""Generate one recording with its ground truth."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from contextlib import nullcontext

    import numpy as np

    from allenrec.common.compiled_kernels import load_kernels_without_compiler
    from allenrec.common.files import require_space, sha256
    from allenrec.libraries.library_file import open_library
    from allenrec.recordings.formats.mearec import write_mearec
    from allenrec.recordings.formats.recording_file import read_recording
    from allenrec.recordings.generated_recording import GeneratedRecording, provenance
    from allenrec.recordings.plan import plan_recording, recording_size
    from allenrec.recordings.traces.background import open_background
    from allenrec.settings.input_files import file_digests
    from allenrec.settings.recordings.formats import EXPORT_KEYS
    from allenrec.settings.recordings.noise import LIBRARY_KEYS

    load_kernels_without_compiler()
    name, seed, output = snakemake.wildcards.recording, snakemake.params.settings.seed, snakemake.output[0]
    settings = snakemake.params.settings.recording
    digests = {"library": sha256(snakemake.input.library)} | file_digests(settings)
    others = {  # no files where there is no such library
        f"recordings.{LIBRARY_KEYS.get(settings.recordings.noise_mode)}": snakemake.input.far_library,
        "stream.library": snakemake.input.choosing_library,
    }
    digests |= {key: sha256(*paths) for key, paths in others.items() if paths}
    background = settings.background and open_background(settings.background)
    if background:
        digests |= {"background.recording": background.digest()}
    # The settings of other formats are no part of the provenance.
    config = settings.model_dump(mode="json", exclude=EXPORT_KEYS)
    origin = provenance(config, seed=seed, name=name, digests=digests)
    names = (settings.recordings.noise_library, settings.choosing_library)
    far, choosing = (
        open_library(*paths, name) if paths else nullcontext() for paths, name in zip(others.values(), names, strict=True)
    )
    with open_library(snakemake.input.library, settings.library) as library, far as far_library, choosing as choosing_library:
        compressed = settings.compression != "none" or settings.recordings.spike_traces != "none"
        require_space(output, recording_size(library, settings, background=background), at_most=compressed)
        plan = plan_recording(
            library,
            settings,
            seed=seed,
            name=name,
            far_library=far_library,
            choosing_library=choosing_library,
            background=background,
            threads=snakemake.threads,
        )
        if settings.recordings.extract_waveforms:
            n_spikes = sum(plan.units["n_spikes"])
            require_space(output, recording_size(library, settings, n_spikes, background), at_most=compressed)
        if background:
            low, high = background.noise_levels.min(), background.noise_levels.max()
            print(f"{background.path}: {plan.n_samples / plan.fs:g} s, noise from {low:.3g} to {high:.3g} µV on its channels")
        print(f"{len(plan.units)} units, {sum(plan.units['n_spikes'])} spikes")
        if settings.recordings.sync_rate is not None and len(plan.overlap_pairs):
            found = plan.overlap_pairs["sync_rate"]
            print(f"Synchrony of {len(found)} overlapping pairs: {found.min():.3f} to {found.max():.3f}")
        recording = GeneratedRecording(plan, library, settings, origin, snakemake.threads)
        write_mearec(output, recording, compression=settings.compression)
    with read_recording(output) as written:
        clipped = written.clipped_samples
    if clipped.any():
        print(
            f"{clipped.sum()} samples on {np.count_nonzero(clipped)} channels exceed the range of the ADC and are clipped, "
            f"most on channel {clipped.argmax()}: {clipped.max()}; "
            + ("smaller units would fit" if settings.background else "a larger gain or more bits would hold them")
        )

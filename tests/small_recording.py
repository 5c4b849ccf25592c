"""A small library and recordings of it, made within a fraction of a second and without any model."""

import numpy as np

from allenrec.libraries.from_arrays import library_from_arrays, template_rows
from allenrec.libraries.library_file import read_library
from allenrec.probes import load_probe
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.generated_recording import GeneratedRecording, provenance
from allenrec.recordings.plan import plan_recording
from allenrec.settings.recordings import Recording


def write_templates(path, probe="tetrode"):
    """Write a library of eight templates on a tetrode, or on another probe."""
    rng, contacts = np.random.default_rng(0), load_probe(probe, 1)
    spike = -100 * np.exp(-(((np.arange(96) - 32) / 4) ** 2))
    size = np.arange(1.0, contacts.n_contacts + 1)[:, np.newaxis] + rng.uniform(0, 0.5, (8, 1, 1))
    templates = (size * spike).astype(np.float32)
    locations = 20 * np.arange(24.0).reshape(8, 3)
    rows = template_rows(locations, ["spiny"] * 4 + ["aspiny"] * 4)
    library_from_arrays(path, templates, rows, contacts, dt=2**-5, cut_out=(1, 2))


def write_recording(path, probe="tetrode", spiketrains=None, compression="none", **signal):
    """Write a recording of a second with three units, or as the settings say, and its library; return its settings."""
    library_path = path.with_name("library.h5")
    write_templates(library_path, probe)
    settings = Recording.model_validate(
        {
            "library": "small",
            "spiketrains": {"duration": 1.0, "n_exc": 2, "n_inh": 1, **(spiketrains or {})},
            "templates": {"min_dist": 0.0, "min_amp": 0.0, "max_amp": 1e5},
            "recordings": signal,
            "compression": compression,
        }
    )
    library = read_library(library_path)
    plan = plan_recording(library, settings, seed=0, name="small")
    origin = provenance(settings.model_dump(mode="json"), seed=0, name="small", digests={})
    write_mearec(path, GeneratedRecording(plan, library, settings, origin), compression=compression)
    return settings

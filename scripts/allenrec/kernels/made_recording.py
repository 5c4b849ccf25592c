"""A recording of a made cell, so short that compiling the kernels is nearly all of the work."""

from pathlib import Path
from tempfile import TemporaryDirectory

from allenrec.libraries.library_file import open_library
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.generated_recording import GeneratedRecording, provenance
from allenrec.recordings.plan import plan_recording
from allenrec.settings.recordings import Recording

from .made_library import write_made_library


def make_recording() -> None:
    """Generate a recording of a made cell, with default settings, in a temporary folder."""
    settings = Recording.model_validate(
        {"library": "made", "spiketrains": {"duration": 1.0, "n_exc": 1, "n_inh": 0}, "templates": {"min_amp": 0.0}}
    )
    origin = provenance(settings.model_dump(mode="json"), seed=0, name="made", digests={})
    with TemporaryDirectory() as folder:
        write_made_library(Path(folder, "templates.h5"))
        with open_library(Path(folder, "templates.h5")) as library:
            plan = plan_recording(library, settings, seed=0, name="made", threads=2)
            write_mearec(Path(folder, "recording.h5"), GeneratedRecording(plan, library, settings, origin, 2))

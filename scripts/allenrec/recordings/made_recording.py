"""A recording of one unit for a second, so small that compiling the kernels is nearly all of the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allenrec.settings.recordings import Recording

from .formats.mearec import write_mearec
from .generated_recording import GeneratedRecording, provenance
from .plan import plan_recording

if TYPE_CHECKING:
    from allenrec.common.files import AnyPath

    from .types import TemplateLibrary


def write_made_recording(path: AnyPath, library: TemplateLibrary) -> None:
    """Write a recording from a library of any cell, with default settings."""
    settings = Recording.model_validate(
        {"library": "made", "spiketrains": {"duration": 1.0, "n_exc": 1, "n_inh": 0}, "templates": {"min_amp": 0.0}}
    )
    origin = provenance(settings.model_dump(mode="json"), seed=0, name="made", digests={})
    plan = plan_recording(library, settings, seed=0, name="made", threads=2)
    write_mearec(path, GeneratedRecording(plan, library, settings, origin, 2))

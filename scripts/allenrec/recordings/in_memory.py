"""Recordings in memory, for notebooks: the same samples as those that the workflow writes, computed when they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pydantic import ValidationError
from threadpoolctl import ThreadpoolController

from allenrec.common.errors import UserError
from allenrec.common.parallel import n_processors
from allenrec.settings.error_messages import explain
from allenrec.settings.recordings import Recording as RecordingSettings
from allenrec.settings.recordings.formats import EXPORT_KEYS

from .generated_recording import GeneratedRecording, provenance
from .plan import plan_recording

if TYPE_CHECKING:
    from spikeinterface.core import BaseRecording, BaseSorting

    from .types import TemplateLibrary

P = ParamSpec("P")
Result = TypeVar("Result")


def generate(
    library: TemplateLibrary,
    settings: RecordingSettings | Mapping[str, Any],
    *,
    seed: int = 0,
    name: str = "recording",
    far_library: TemplateLibrary | None = None,
    choosing_library: TemplateLibrary | None = None,
    threads: int | None = None,
) -> tuple[BaseRecording, BaseSorting]:
    """Generate a recording in memory. Its traces are computed as they are read, block by block.

    Parameters
    ----------
    library : Library
        Library of the units, such as `allenrec.read_library` returns.
    settings : allenrec.settings.recordings.Recording or dict
        A recording of `allenrec.load_settings`, or a block of `recordings` as in the configuration, where `library` may be
        left out.
    seed : int
        The `seed` of the configuration.
    name : str
        Name of the recording, from which its random numbers follow. Recordings of `load_settings` know their own.
    far_library, choosing_library : Library, optional
        See `plan_recording`.
    threads : int
        Number of threads, by default one for each processor; no value depends on it.

    Returns
    -------
    recording : spikeinterface.BaseRecording
        Equal to the file that the workflow writes for these settings.
    sorting : spikeinterface.BaseSorting
        The ground truth, with the properties of units.

    Raises
    ------
    UserError
        If the settings are not valid, or if the library cannot supply the units.

    Examples
    --------
    >>> import allenrec
    >>> library = allenrec.read_library("results/libraries/neuronexus/templates.h5")  # doctest: +SKIP
    >>> recording, sorting = allenrec.generate(library, {"spiketrains": {"duration": 60.0}}, seed=1)  # doctest: +SKIP
    >>> recording.get_traces(start_frame=0, end_frame=32000).shape  # doctest: +SKIP
    (32000, 32)
    """
    chosen = settings if isinstance(settings, RecordingSettings) else _validated(settings)
    threads = threads or n_processors()
    plan = _with_one_blas_thread(plan_recording)(
        library, chosen, seed=seed, name=name, far_library=far_library, choosing_library=choosing_library, threads=threads
    )
    if plan.unit_drift is not None:  # it computes templates while traces are read
        plan = replace(plan, unit_drift=replace(plan.unit_drift, at_step=_with_one_blas_thread(plan.unit_drift.at_step)))
    config = chosen.model_dump(mode="json", exclude=EXPORT_KEYS)
    origin = provenance(config, seed=seed, name=chosen.stream.recording or name, digests={})
    return GeneratedRecording(plan, library, chosen, origin, threads).to_spikeinterface()


def _with_one_blas_thread(function: Callable[P, Result]) -> Callable[P, Result]:
    """Return a function that computes with one thread of BLAS, as jobs do: the last bits of its sums depend on their number."""
    controller = ThreadpoolController()

    def limited(*args: P.args, **kwargs: P.kwargs) -> Result:
        with controller.limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


def _validated(settings: Mapping[str, Any]) -> RecordingSettings:
    try:
        return RecordingSettings.model_validate({"library": "library", **settings})
    except ValidationError as error:
        raise UserError(f"settings: {explain(error.errors(), RecordingSettings)}") from None

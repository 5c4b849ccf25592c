"""Checks between blocks of the configuration, and between the configuration and files."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from allenrec.common.errors import UserError, shown
from allenrec.common.probe_names import PROBE_FILES, probe_names, recording_of, source_of

from .evaluation import SORTERS, Evaluation
from .input_files import check_input_files
from .recordings.noise import LIBRARY_KEYS

if TYPE_CHECKING:
    from . import Settings
    from .libraries import Library
    from .recordings import Recording
    from .recordings.streams import Part
    from .studies import Study

#: Endings of MEArec's template files
TEMPLATE_FILES = (".h5", ".hdf5")
#: Endings of files with spike trains
TRAIN_FILES = (".csv", ".npz", ".nwb")


def check_names(key: str, names: Iterable[str]) -> None:
    """Refuse names that differ in case only: on some systems they are one file."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise UserError(f"config: {key}.{name}: differs from {shown(other)} in case only; choose another name")


def check_folders(folders: Mapping[str, str]) -> None:
    """Refuse folders, by their keys, that lie where a file is."""
    for key, folder in folders.items():
        path = Path(folder).absolute()
        existing = next(part for part in (path, *path.parents) if os.path.exists(part))
        if not os.path.isdir(existing):
            raise UserError(f"config: {key}: {shown(folder)} cannot be a folder, because {existing} is a file")


def check_library(key: str, library: Library, libraries: Mapping[str, Library]) -> None:
    """Refuse a library whose probe is not known or whose poses are not available."""
    check_input_files(key, library)
    _check_templates(f"{key}.templates", library)
    _check_probe(f"{key}.probe", library)
    _check_poses(key, library, libraries)


def _check_templates(key: str, library: Library) -> None:
    """Check that templates are of one of the two kinds, by the names of files alone."""
    path = library.templates
    if path is None:
        return
    if os.path.isdir(path):
        if not os.path.isdir(os.path.join(path, "templates_array")):
            raise UserError(
                f"config: {key}: {shown(path)} is not a zarr folder of SpikeInterface's `Templates`: it has no templates_array"
            )
    elif not path.lower().endswith(TEMPLATE_FILES):
        raise UserError(
            f"config: {key}: {shown(path)} must be a zarr folder of SpikeInterface's `Templates` or a template file of MEArec, "
            f"which ends in {' or '.join(TEMPLATE_FILES)}"
        )


def _check_probe(key: str, library: Library) -> None:
    """Check the name of a probe, without the web and without reading a file."""
    probe = library.probe
    if probe is None or library.probe_file:
        return
    if recording_of(probe) is not None:
        return
    if os.path.isfile(probe) or Path(probe).suffix or probe.count("/") > 1:
        raise UserError(f"config: {key}: {shown(probe)} must end in {', '.join(PROBE_FILES)} if it is a file")
    elif source_of(probe) is None:
        known = probe_names()
        close = difflib.get_close_matches(probe, known, 1)
        hint = f"did you mean {shown(close[0])}? " if close else ""
        raise UserError(f"config: {key}: {shown(probe)} is not a probe; {hint}known are {', '.join(known)}")


def _check_poses(key: str, library: Library, libraries: Mapping[str, Library]) -> None:
    if library.poses is not None and library.drifting and library.drift_grid is None:
        raise UserError(f"config: {key}.drift_grid: missing; given poses have no paths of their own to drift on")
    chain, origin = [key.removeprefix("libraries.")], library
    while origin.poses_from is not None:
        if origin.poses_from not in libraries:
            raise UserError(
                f"config: {key}.poses_from: {shown(origin.poses_from)} is not in `libraries`: {', '.join(libraries)}"
            )
        if origin.poses_from in chain:
            raise UserError(f"config: {key}.poses_from: goes round in a circle, {' from '.join((*chain, origin.poses_from))}")
        chain.append(origin.poses_from)
        origin = libraries[origin.poses_from]
        if origin.templates is not None:
            raise UserError(
                f"config: {key}.poses_from: {shown(chain[-1])} has templates from elsewhere, which are not of the models here"
            )
    if origin.spike != library.spike:
        raise UserError(
            f"config: {key}.spike: {shown(library.spike)}, but {chain[-1]}, where its poses are from, has {shown(origin.spike)}"
        )
    if library.drifting and library.drift_grid is None and not origin.drifting:
        raise UserError(f"config: {key}.drift_grid: missing; {chain[-1]}, where its poses are from, does not drift")


def check_recording(key: str, recording: Recording, settings: Settings) -> None:
    """Refuse a recording that is impossible with its library, its cell types or its sampling rate."""
    if recording.library not in settings.libraries:
        known = ", ".join(settings.libraries) or "none"
        raise UserError(f"config: {key}.library: {shown(recording.library)} is not in `libraries`, which has {known}")
    choosing = recording.choosing_library or recording.library
    if choosing not in settings.libraries:
        known = ", ".join(settings.libraries)
        raise UserError(f"config: {key}.stream.library: {shown(choosing)} is not in `libraries`, which has {known}")
    lowest_amp = settings.libraries[choosing].lowest_amplitude
    if recording.templates.max_amp <= lowest_amp:
        raise UserError(
            f"config: {key}.templates.max_amp: {recording.templates.max_amp:g} µV leaves nothing of {choosing}, "
            f"whose min_amp is {lowest_amp:g} µV"
        )
    _check_trains(f"{key}.spiketrains", recording)
    check_input_files(key, recording)
    _check_numbers(f"{key}.templates", recording)
    for n, kind in (("n_exc", "excitatory"), ("n_inh", "inhibitory")):
        if getattr(recording.spiketrains, n) and not getattr(recording.cell_types, kind):
            raise UserError(f"config: {key}.cell_types.{kind}: empty, but spiketrains.{n} is above 0")
    signal = recording.recordings
    _check_noise_library(key, recording, settings)
    _check_far_neurons(key, recording, settings)
    n_units = recording.spiketrains.n_units
    for name, needed in (("n_bursting", signal.n_bursting or 0), ("bursting_units", max(signal.bursting_units or [-1]) + 1)):
        if needed > n_units:
            raise UserError(f"config: {key}.recordings.{name}: {getattr(signal, name)} needs more than the {n_units} units")
    own = settings.libraries[recording.library]
    if signal.drifting and own.templates is not None and not own.drifting:
        raise UserError(
            f"config: {key}.recordings.drifting: the templates of {recording.library} are read from a file and have no steps "
            f"along a path, so that units cannot drift; take a library of cells that is `drifting`"
        )
    # The rate of templates from elsewhere is not known yet; their jobs check it.
    fs = signal.fs or (1000 / settings.intracellular.dt if own.templates is None else math.inf)
    if fs * recording.spiketrains.duration < 1:
        raise UserError(f"config: {key}.spiketrains.duration: {recording.spiketrains.duration:g} s is less than a sample")
    if signal.filter:
        cutoff = signal.filter_cutoff
        highest = max(cutoff) if isinstance(cutoff, tuple) else cutoff
        if highest >= fs / 2:
            raise UserError(
                f"config: {key}.recordings.filter_cutoff: {highest:g} Hz must be below half the sampling rate, {fs / 2:g} Hz"
            )
    if signal.noise_color and signal.color_peak >= fs / 2:
        raise UserError(
            f"config: {key}.recordings.color_peak: {signal.color_peak:g} Hz must be below half the sampling rate, {fs / 2:g} Hz"
        )


def _check_numbers(key: str, recording: Recording) -> None:
    """Check that the numbers of templates and pairs fit the number of units."""
    n, templates = recording.spiketrains.n_units, recording.templates
    if templates.template_ids is not None and len(templates.template_ids) != n:
        raise UserError(f"config: {key}.template_ids: {len(templates.template_ids)} templates, but n_exc + n_inh is {n}")
    if (templates.n_overlap_pairs or 0) > n * (n - 1) // 2:
        raise UserError(
            f"config: {key}.n_overlap_pairs: {templates.n_overlap_pairs} is more than {n} units have, {n * (n - 1) // 2}"
        )


def _check_trains(key: str, recording: Recording) -> None:
    """Check that named cell types are those of units, and that a file with spike trains has a known ending."""
    trains = recording.spiketrains
    known = [*recording.cell_types.excitatory, *recording.cell_types.inhibitory]
    for name in ("rates", "process"):
        named = getattr(trains, name)
        unknown = [cell_type for cell_type in named if cell_type not in known] if isinstance(named, dict) else []
        if unknown:
            raise UserError(f"config: {key}.{name}: {shown(unknown[0])} is not in cell_types, which have {', '.join(known)}")
    if trains.file is not None:
        if Path(trains.file).suffix.lower() not in TRAIN_FILES:
            raise UserError(f"config: {key}.file: {shown(trains.file)} must end in {', '.join(TRAIN_FILES)}")
        if recording.recordings.sync_rate is not None:
            raise UserError(
                f"config: {key}.file: gives the spikes, so recordings.sync_rate cannot be met; leave one of them out"
            )


def _check_noise_library(key: str, recording: Recording, settings: Settings) -> None:
    """Refuse libraries of the cells of the noise that are unknown or, if they are used, on another probe than the units."""
    signal, own = recording.recordings, settings.libraries[recording.library]
    for mode, of_mode in LIBRARY_KEYS.items():
        name = getattr(signal, of_mode) or recording.library
        if name not in settings.libraries:
            known = ", ".join(settings.libraries)
            raise UserError(f"config: {key}.recordings.{of_mode}: {shown(name)} is not in `libraries`, which has {known}")
        library = settings.libraries[name]
        if signal.noise_mode == mode and (library.probe or library.templates) != (own.probe or own.templates):
            raise UserError(
                f"config: {key}.recordings.{of_mode}: {shown(name)} is on {library.probe or library.templates}, the "
                f"units are on {own.probe or own.templates}"
            )


def _check_far_neurons(key: str, recording: Recording, settings: Settings) -> None:
    signal = recording.recordings
    if signal.noise_mode != "far-neurons":
        return
    name = signal.noise_library or recording.library
    library = settings.libraries[name]
    if signal.far_neurons_max_amp <= library.lowest_amplitude:
        raise UserError(
            f"config: {key}.recordings.far_neurons_max_amp: {signal.far_neurons_max_amp:g} µV leaves nothing of {name}, whose "
            f"min_amp is {library.min_amp:g} µV; make a library with a lower one and name it in far_neurons_library"
        )
    if name == recording.library and signal.far_neurons_max_amp > recording.templates.min_amp:
        raise UserError(
            f"config: {key}.recordings.far_neurons_max_amp: {signal.far_neurons_max_amp:g} µV is above templates.min_amp, "
            f"{recording.templates.min_amp:g} µV, so that a unit could be a far neuron as well"
        )


def check_study(study: Study, recordings: Mapping[str, Recording]) -> None:
    """Refuse replicates of a part that no recording of the study draws."""
    for part in study.vary or ():
        if not any(part in drawn_parts(recordings[name]) for name in study.rows):
            drawn = {other: None for name in study.rows for other in drawn_parts(recordings[name])}
            raise UserError(
                f"config: recordings.{study.name}.replicates.vary: {shown(part)} is not drawn at random here, so that "
                f"all replicates would be the same; drawn are {', '.join(drawn) or 'no parts'}"
            )


def drawn_parts(recording: Recording) -> list[Part]:
    """Return the parts of a recording that depend on random numbers."""
    signal, trains = recording.recordings, recording.spiketrains
    random_gains = signal.modulation != "none" and signal.sdrand > 0
    random_bursts = signal.bursting and signal.bursting_units is None and signal.n_bursting is not None
    random_drift = signal.n_drifting is not None or any(
        movement.drift_mode_speed in ("fast", "random-walk") for movement in signal.drift_dicts
    )
    has_units = trains.n_units > 0
    drawn: dict[Part, bool] = {
        "units": has_units and recording.templates.template_ids is None,
        "spikes": has_units and trains.file is None,
        "gains": has_units and (random_gains or random_bursts),
        "noise": signal.noise_level > 0,
        "drift": has_units and signal.drifting and random_drift,
    }
    return [part for part, is_drawn in drawn.items() if is_drawn]


def check_evaluation(evaluation: Evaluation) -> None:
    """Refuse sorters that SpikeInterface does not have, and parameters of others."""
    sorters = evaluation.sorters
    for sorter in sorters:
        if sorter not in SORTERS:
            close = difflib.get_close_matches(sorter, SORTERS, 1)
            hint = f"did you mean {shown(close[0])}? " if close else ""
            raise UserError(
                f"config: evaluation.sorters: {shown(sorter)} is not one of SpikeInterface's; "
                f"{hint}known are {', '.join(SORTERS)}"
            )
        if sorters.count(sorter) > 1:
            raise UserError(f"config: evaluation.sorters: {shown(sorter)} is named twice")
    for sorter in evaluation.parameters:
        if sorter not in sorters:
            raise UserError(
                f"config: evaluation.parameters: {shown(sorter)} is not in evaluation.sorters, which has {', '.join(sorters)}"
            )

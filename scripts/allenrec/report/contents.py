"""The facts that the report shows, gathered from the files of a run. Missing files are named; they are never an error."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from allenrec.common.csv_text import parse_table
from allenrec.common.errors import UserError, not_valid, require_own
from allenrec.common.files import read_checked, read_json
from allenrec.common.outcomes import Failure, failure_of
from allenrec.common.processes import reason_in_log
from allenrec.intracellular.intracellular_file import read_currents, summary
from allenrec.libraries.library_file import open_library
from allenrec.libraries.realism.columns import read_realism
from allenrec.libraries.table import template_table
from allenrec.models.kinds.register import folder_name
from allenrec.models.metadata import METADATA, OUR_RECORD, read_metadata

from .columns import filled
from .stages import STAGES, stage_of

#: The rule of the report, whose time is not known while it is written
ITSELF = "write_report"
#: The rules that a cell needs before it has spikes, in their order
RULES_OF_CELL = ("download_model", "compile_mechanisms", "simulate_spikes")
#: Facts about a cell that the page shows if they are known
CELL_FACTS = (
    *("cell_type", "layer", "line", "model_kind", "rest_mV", "n_spikes", "amplitude_nA", "explained_variance", "flags"),
    *("specimen_name", "species", "area", "specimen_id", "n_segments", "n_stored_spikes", "model_and_recorded_spikes"),
)
#: The columns of the table of units, with their headings
UNIT_COLUMNS = {
    "cell_type": "Type",
    "bintype": "E/I",
    "model_id": "Model",
    "layer": "Layer",
    "line": "Line",
    "amplitude": "Amplitude (µV)",
    "snr": "SNR",
    "snr_filtered": "SNR, filtered",
    "rate": "Rate (Hz)",
    "n_spikes": "Spikes",
    "peak_channel": "Peak channel",
    "x": "x (µm)",
    "y": "y (µm)",
    "z": "z (µm)",
}


@dataclass(frozen=True)
class EapFacts:
    """The templates of a cell in a library: their number, and the medians of their features at their largest contact.

    The amplitude is that of the templates as they are in the library. The features of the shape are those after the default
    filter of recordings, as in data.
    """

    n_templates: int
    acceptance_rate: float
    amplitude_uV: float
    half_width_filtered_ms: float
    trough_to_peak_filtered_ms: float
    pre_peak_to_trough_ratio_filtered: float


@dataclass(frozen=True)
class CellFacts:
    """A cell in the report.

    Parameters
    ----------
    model_id : str
    known : dict
        `CELL_FACTS`; "" for what is not known.
    libraries : dict of str to EapFacts
        The templates of the cell in each library that has any.
    failures : dict of str to Failure
        If the model failed: the results that it does not have, such as "spikes", and why. Libraries were made without it.
    missing : list of str
        Results that are not there although the model did not fail.
    """

    model_id: str
    known: dict[str, Any]
    libraries: dict[str, EapFacts] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def left_out(self) -> list[str]:
        """The results that the cell does not have because its model failed, and why."""
        return [f"no {what}, because {failure}" for what, failure in self.failures.items()]

    @property
    def incomplete(self) -> bool:
        """Return whether a result of the cell is missing."""
        return bool(self.failures or self.missing)


@dataclass(frozen=True)
class LibraryFacts:
    """A library in the report; if `missing` says that it is not there, the rest has no meaning."""

    name: str
    missing: str = ""
    probe: str = ""
    n_contacts: int = 0
    n_templates: int = 0
    n_cells: int = 0
    by_type: dict[str, int] = field(default_factory=dict)
    drifting: bool = False
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordingFacts:
    """A recording in the report; if `missing` says that it is not there, the rest has no meaning."""

    name: str
    missing: str = ""
    duration_s: float = 0.0
    sampling_frequency_Hz: float = 0.0
    n_channels: int = 0
    n_units: int = 0
    n_spikes: int = 0
    units: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def unit_columns(self) -> list[str]:
        """The columns of the table of units that have a value for some unit; without noise there is no ratio to it."""
        return list(filled(UNIT_COLUMNS, self.unit_rows))

    @property
    def unit_rows(self) -> list[dict[str, Any]]:
        """The rows of the table of units."""
        return [{str(name): value for name, value in row.items()} for row in self.units.to_dict("records")]


@dataclass(frozen=True)
class ModelSource:
    """The origin of a model: the source, the wheel or the web address, the digest of the archive, the papers to cite.

    `licence` is "" for models under the terms of the Allen Institute.
    """

    model_id: str
    origin: str
    source: str
    sha256: str
    citation: str
    licence: str = ""


def stage_times(folder: str | Path) -> pd.DataFrame:
    """Add up Snakemake's benchmark files.

    Parameters
    ----------
    folder : path
        It has a file, or a folder of files, for each rule.

    Returns
    -------
    pandas.DataFrame
        A row for each stage, in the order in which they run: `stage`, `jobs`, `total_s`, `longest_s`, `cpu_s`, `memory_MB` (the
        largest peak).
    """
    folder = Path(folder)
    found: dict[str, list[pd.DataFrame]] = {stage: [] for stage in STAGES}
    for path in sorted(folder.rglob("*.tsv")):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        if rule != ITSELF:
            found.setdefault(stage_of(rule), []).append(_read_benchmark(path))
    rows = [_times(stage, pd.concat(jobs)) for stage, jobs in found.items() if jobs]
    return pd.DataFrame(rows, columns=["stage", "jobs", "total_s", "longest_s", "cpu_s", "memory_MB"])


def _read_benchmark(path: Path) -> pd.DataFrame:
    """Return a benchmark file of Snakemake."""
    columns = ["s", "cpu_time", "max_rss"]
    try:
        return pd.read_csv(path, sep="\t", na_values=["-", "NA"])[columns].astype(float)
    except (ValueError, KeyError) as error:
        raise not_valid(path, "benchmark", error) from None


def _times(stage: str, jobs: pd.DataFrame) -> dict[str, Any]:
    return {
        "stage": stage,
        "jobs": len(jobs),
        "total_s": float(jobs["s"].sum()),
        "longest_s": float(jobs["s"].max()),
        "cpu_s": float(jobs["cpu_time"].sum()),
        "memory_MB": float(jobs["max_rss"].max()),
    }


def cell_facts(results: str | Path, model: str, libraries: Sequence[str]) -> CellFacts:
    """Return what is known of a cell: how it fires, its templates in each library, and what is missing."""
    results = Path(results)
    cell = CellFacts(model, dict.fromkeys(CELL_FACTS, ""))
    path = results / "intracellular" / f"{model}.h5"
    failure = failure_of(path)
    if failure is not None:
        cell.failures["spikes"] = failure
        return cell
    logs = results / "logs" / "models" / model
    try:
        currents = read_currents(path, model)
    except UserError as error:
        cell.missing.append(f"no spikes{_why_absent(path, error, (logs / f'{rule}.log' for rule in RULES_OF_CELL))}")
        return cell
    cell.known.update(currents.info.facts.columns())
    cell.known.update(summary(currents), cell_type=currents.info.cell_type)
    for library in libraries:
        path = results / "libraries" / library / "cells" / f"{model}.h5"
        failure = failure_of(path)
        if failure is not None:
            cell.failures[f"templates in {library}"] = failure
            continue
        try:
            cell.libraries[library], described = eap_facts(path, library, model)
            cell.known.update(described)
        except UserError as error:
            why = _why_absent(path, error, [logs / "compute_eaps" / f"{library}.log"])
            cell.missing.append(f"no templates in {library}{why}")
    return cell


def eap_facts(path: str | Path, library: str, model: str) -> tuple[EapFacts, dict[str, Any]]:
    """Return the facts about the templates of one cell, from their file, and the metadata of the cell that it holds."""
    with open_library(path, library, model) as found:
        cell = found.cells.iloc[0]
    table = template_table(path)
    facts = EapFacts(
        n_templates=int(cell["n_templates"]),
        acceptance_rate=float(cell["acceptance_rate"]),
        amplitude_uV=_median(table["amplitude_uV"]),
        half_width_filtered_ms=_median(table["half_width_filtered_ms"]),
        trough_to_peak_filtered_ms=_median(table["trough_to_peak_filtered_ms"]),
        pre_peak_to_trough_ratio_filtered=_median(table["pre_peak_to_trough_ratio_filtered"]),
    )
    return facts, {column: cell[column] for column in ("cell_type", "layer", "line") if column in cell}


def _median(values: pd.Series) -> float:
    return float(values.median()) if len(values) else np.nan


def _why_absent(path: Path, error: UserError, logs: Iterable[Path]) -> str:
    """Return, in brackets, why the content of a file is not known: it is damaged, or not there because its job failed."""
    return f" ({error})" if path.exists() else reason_in_logs(logs)


def reason_in_logs(logs: Iterable[Path]) -> str:
    """Return, in brackets, the reason that the first log of a failed job gives; "" if none gives one."""
    for log in logs:
        reason = reason_in_log(log.read_text(encoding="utf-8", errors="replace")) if log.is_file() else None
        if reason:
            return f" ({reason})"
    return ""


def library_facts(results: str | Path, name: str) -> LibraryFacts:
    """Return what a library holds."""
    results = Path(results)
    path = results / "libraries" / name / "templates.h5"
    try:
        with open_library(path, name) as library:
            types, counts = np.unique(library.celltypes.astype(str), return_counts=True)
            return LibraryFacts(
                name=name,
                probe=str(library.electrodes.get("electrode_name", library.params.get("probe", "?"))),
                n_contacts=len(library.channel_positions),
                n_templates=len(library.templates),
                n_cells=len(np.unique(library.model_ids)),
                by_type={str(kind): int(n) for kind, n in zip(types, counts, strict=True)},
                drifting=library.drifting,
                versions=library.provenance.get("versions", {}),
            )
    except UserError as error:
        why = _why_absent(path, error, [results / "logs" / "concatenate_library" / f"{name}.log"])
        return LibraryFacts(name, missing=f"{'damaged' if path.exists() else 'not made'}{why}")


def recording_facts(results: str | Path, name: str) -> RecordingFacts:
    """Return what a recording holds, from the files beside its figures."""
    results = Path(results)
    folder = results / "figures" / "recordings" / name
    try:
        facts = read_json(folder / "facts.json", "JSON")
        require_own(folder / "facts.json", "JSON", f"recording {facts['recording']}", f"recording {name}")
        units = parse_table(read_checked(folder / "units.csv", "table"))
    except OSError:
        logs = (results / "logs" / rule / f"{name}.log" for rule in ("generate_recording", "view_recording"))
        return RecordingFacts(name, missing=f"not made{reason_in_logs(logs)}")
    shown = ("duration_s", "sampling_frequency_Hz", "n_channels", "n_units", "n_spikes")
    return RecordingFacts(name, units=units.replace("", np.nan), **{fact: facts[fact] for fact in shown})


def realism_rows(results: str | Path) -> list[dict[str, Any]]:
    """Return how real each cell is, as `read_realism` returns it; nothing if there is no table of cells."""
    path = Path(results) / "cells.csv"
    if not path.exists():
        return []
    return [{str(name): value for name, value in row.items()} for row in read_realism(path).to_dict("records")]


def model_sources(models_folder: str | Path, cell_models_folder: str | Path, models: Iterable[str]) -> list[ModelSource]:
    """Return where each model is from; the models of the Allen Institute are in the first folder, others in the second."""
    sources = []
    for model in models:
        path = Path(models_folder if model.isdigit() else cell_models_folder) / folder_name(model) / METADATA
        try:
            ours = read_metadata(path.parent).get(OUR_RECORD)
        except (OSError, UserError):
            ours = None
        ours = ours if isinstance(ours, dict) else {}
        origin = ours.get("url") or ours.get("requirement") or ("" if ours else "not there")
        known = {name: str(ours.get(name, "")) for name in ("source", "sha256", "citation", "licence")}
        sources.append(ModelSource(model, origin=str(origin), **known))
    return sources

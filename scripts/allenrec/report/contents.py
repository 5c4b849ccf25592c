"""What the report says, gathered from the files of a run. What a failed job did not leave is named, never an error."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd

from allenrec.common.errors import UserError
from allenrec.common.outcomes import failure_of
from allenrec.intracellular.intracellular_file import read_currents, summary
from allenrec.libraries.library_file import open_library, template_table

#: The stages in the order in which they run, with how the names of their rules begin; other rules come after them
STAGES = {
    "Models fetched and checked": ("download_",),
    "Mechanisms compiled": ("compile_",),
    "Spikes simulated": ("simulate_",),
    "Templates computed": ("compute_",),
    "Libraries joined": ("concatenate_",),
    "Recordings generated": ("generate_",),
    "Other formats written": ("export_",),
    "Spike sorters run": ("evaluate_",),
    "Figures drawn": ("plot_", "view_"),
    "Tables and settings": ("tabulate_", "save_", "list_", "summarise_", "query"),
}
#: Its time is known when it is written, and no sooner
ITSELF = "write_report"
#: What a cell goes through, to find out where it stopped
OF_A_CELL = ("download_model", "compile_mechanisms", "simulate_spikes")
#: What the page says of a cell, where it is known
COLUMNS = (
    *("cell_type", "layer", "line", "model_kind", "rest_mV", "n_spikes", "amplitude_nA", "explained_variance", "flags"),
    *("specimen_name", "species", "area", "specimen_id", "n_segments", "n_stored_spikes", "model_and_recorded_spikes"),
)
#: Features that the table of cells shows as the median of a cell's templates
MEDIANS = ("amplitude_uV", "half_width_ms", "trough_to_peak_ms")


def stage_times(folder):
    """Sum up Snakemake's benchmark files.

    Parameters
    ----------
    folder : path
        With a file, or a folder of files, for each rule.

    Returns
    -------
    pandas.DataFrame
        A row a stage, in the order in which they run: `stage`, `jobs`, `total_s`, `longest_s`, `cpu_s`, `memory_MB` (the
        largest peak).
    """
    folder, found = Path(folder), {stage: [] for stage in STAGES}
    for path in sorted(folder.rglob("*.tsv")):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        if rule != ITSELF:
            found.setdefault(_stage(rule), []).append(pd.read_csv(path, sep="\t", na_values=["-", "NA"]))
    rows = [_times(stage, pd.concat(jobs)) for stage, jobs in found.items() if jobs]
    return pd.DataFrame(rows, columns=["stage", "jobs", "total_s", "longest_s", "cpu_s", "memory_MB"])


def _stage(rule):
    return next((stage for stage, begins in STAGES.items() if rule.startswith(begins)), rule.replace("_", " ").capitalize())


def _times(stage, jobs):
    return {
        "stage": stage,
        "jobs": len(jobs),
        "total_s": float(jobs["s"].sum()),
        "longest_s": float(jobs["s"].max()),
        "cpu_s": float(jobs["cpu_time"].sum()),
        "memory_MB": float(jobs["max_rss"].max()),
    }


def cell_rows(results, models, libraries, left_out=()):
    """Return a dict for each model: what is known of it, how it fires, its templates in each library, and what is missing.

    Parameters
    ----------
    results : path
    models, libraries, left_out : list of str
        `left_out` are models that libraries were made without.

    Returns
    -------
    list of dict
        With `model_id`; `missing` (text, "" if nothing is); `COLUMNS`, "" where a cell did not get that far; and `libraries`,
        for each library that has templates of it what `eap_summary` returns.
    """
    results = Path(results)
    rows = [_cell_row(results, model, libraries) for model in (*models, *left_out)]
    reasons = _reasons_of_left_out(results)
    for row in rows[len(models) :]:
        row["missing"] = "left out of the libraries" + (f", {row['missing']}" if row["missing"] else "")
        reason = reasons.get(row["model_id"], "")
        if reason not in row["missing"]:
            row["missing"] += f" ({reason})"
    return rows


def _reasons_of_left_out(results):
    """Why models failed that a run then went on without, by their ids; `left_out.csv` is there where one did."""
    try:
        with open(results / "left_out.csv", encoding="utf-8", newline="") as file:
            return {row["model_id"]: row["reason"] for row in csv.DictReader(file)}
    except OSError:
        return {}


def _cell_row(results, model, libraries):
    row = {"model_id": model, "libraries": {}, "missing": ""} | dict.fromkeys(COLUMNS, "")
    path = results / "intracellular" / f"{model}.h5"
    try:
        currents = read_currents(path)
        row |= currents.attributes.get("facts", {}) | summary(currents)
        row["cell_type"] = currents.attributes.get("cell_type", "")
    except UserError:
        return row | {"missing": "no spikes" + (_failed(path) or _why(results, OF_A_CELL, model))}
    for library in libraries:
        path = results / "libraries" / library / "cells" / f"{model}.h5"
        try:
            row["libraries"][library] = eap_summary(path)
            with open_library(path) as found:
                row |= {column: found.cells[column][0] for column in ("cell_type", "layer", "line") if column in found.cells}
        except UserError:
            why = _failed(path) or _why(results, ["compute_eaps"], model, library)
            row["missing"] = f"no templates in {library}{why}"
    return row


def _failed(path):
    """Return the failure that a file of a model holds, in brackets; "" if it holds none."""
    failure = failure_of(path)
    return f" (failed in {failure.stage}: {failure.reason})" if failure else ""


def eap_summary(path):
    """Return of the file of one cell and probe: `n_templates`, `acceptance_rate`, and medians over its templates."""
    table = template_table(path)
    with open_library(path) as library:
        cell = library.cells.iloc[0]
    medians = {name: float(table[name].median()) if len(table) else np.nan for name in MEDIANS}
    return {"n_templates": int(cell["n_templates"]), "acceptance_rate": float(cell["acceptance_rate"])} | medians


def _why(results, rules, name, library=""):
    """Return what the log of the first failed job says, in brackets; "" if there is none. Logs are by rule, or by model."""
    for rule in rules:
        of_rule = results / "logs" / rule / library / f"{name}.log"
        of_model = results / "logs" / "models" / name / (f"{rule}/{library}.log" if library else f"{rule}.log")
        for path in filter(Path.is_file, (of_rule, of_model)):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
            if errors:
                return f" ({errors[-1]})"
    return ""


def library_facts(results, name):
    """Return what a library holds: probe, contacts, counts by cell type, versions; or {"missing": ...}."""
    path = Path(results) / "libraries" / name / "templates.h5"
    try:
        with open_library(path) as library:
            types, counts = np.unique(library.celltypes.astype(str), return_counts=True)
            return {
                "missing": "",
                "probe": str(library.electrodes.get("electrode_name", library.params.get("probe", "?"))),
                "n_contacts": len(library.channel_positions),
                "n_templates": len(library.templates),
                "n_cells": len(np.unique(library.model_ids)),
                "by_type": {str(kind): int(n) for kind, n in zip(types, counts, strict=True)},
                "dt_ms": library.dt,
                "drifting": library.drifting,
                "versions": library.provenance.get("versions", {}),
            }
    except UserError:
        return {"missing": f"not made{_why(Path(results), ['concatenate_library'], name)}"}


def recording_facts(results, name):
    """Return what a recording holds: the numbers of `facts.json`, and `units`, its table; or {"missing": ...}."""
    folder = Path(results) / "figures" / "recordings" / name
    try:
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        units = pd.read_csv(folder / "units.csv", keep_default_na=False, na_values=["", "nan", "NaN"])
    except OSError:
        return {"missing": f"not made{_why(Path(results), ['generate_recording', 'view_recording'], name)}"}
    return facts | {"missing": "", "units": units}


def model_sources(models_folder, models):
    """Return where each model is from: `model_id`, `source`, `origin` (wheel or address), `sha256`, `citation`."""
    rows = []
    for model in models:
        path = Path(models_folder) / f"neuronal_model_{model}" / "model_metadata.json"
        try:
            ours = json.loads(path.read_text(encoding="utf-8")).get("allenrec", {})
        except (OSError, ValueError):
            ours = {}
        origin = ours.get("url") or ours.get("requirement") or ("" if ours else "not there")
        known = {name: str(ours.get(name, "")) for name in ("source", "sha256", "citation")}
        rows.append({"model_id": model, "origin": str(origin)} | known)
    return rows

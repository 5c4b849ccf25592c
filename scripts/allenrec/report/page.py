"""The page: what was gathered, put into its template with all pictures and scripts, so that it opens from disk anywhere."""

import base64
import json
import os
import platform
import struct
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml
from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from allenrec.common.files import write_text
from allenrec.figures.style import colours

from .citations import as_bibtex, as_text, needed, read_references
from .contents import cell_rows, library_facts, model_sources, recording_facts, stage_times

FOLDER = Path(__file__).parent
#: The figures of each kind in the order of the page, with their titles; others that are there come after them
FIGURES = {
    "cells": {
        "morphology": "Morphology",
        "soma_trace": "Soma trace",
        "spikes": "Spikes, overlaid",
        "spike_counts": "Spike counts",
        "membrane_currents": "Membrane currents",
    },
    "libraries": {
        "amplitudes": "Amplitude against distance",
        "waveform_shapes": "Waveform shapes",
        "poses": "Poses around the probe",
        "acceptance": "Acceptance",
        "templates": "Templates on the probe",
    },
    "recordings": {
        "raster": "Raster and rates",
        "amplitudes": "Amplitudes and SNR",
        "amplitude_histogram": "Amplitudes of spikes",
        "waveforms": "Waveforms",
        "intervals": "Intervals between spikes",
        "amplitudes_over_time": "Amplitudes over time",
        "principal_components": "Principal components",
        "templates": "Units on the probe",
        "noise_spectrum": "Noise spectrum",
        "drift": "Drift",
        "accuracy": "Accuracy of spike sorters",
        "traces": "A tenth of a second",
    },
}
#: Figures that only some recordings have
OPTIONAL = ("drift", "accuracy")
#: How many bytes of pictures and of viewers are put into the page; what is beyond is linked where it lies beside the page
PICTURES, VIEWERS = 8_000_000, 10_000_000
#: Packages whose versions the page names, beside those that the results name themselves
PACKAGES = (
    "snakemake",
    "neuron",
    "LFPy",
    "MEAutility",
    "probeinterface",
    "numpy",
    "scipy",
    "numba",
    "h5py",
    "matplotlib",
    "bokeh",
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
    "peak_channel": "Loudest channel",
    "x": "x (µm)",
    "y": "y (µm)",
    "z": "z (µm)",
}


def write_report(path, *, results, models_folder, citation_file, models, libraries, recordings, left_out=()):
    """Write the report of what is there, whole or not at all.

    Parameters
    ----------
    path : path
        Of the page; figures that are too many for it are linked relative to its folder.
    results, models_folder, citation_file : path
    models, libraries, recordings : list of str
        What was asked for; what is not there is named.
    left_out : list of str
        Models that were asked for and that libraries were made without.
    """
    results, budget = Path(results), Budget(Path(path).parent, PICTURES)
    cells = cell_rows(results, models, libraries, left_out)
    sources = model_sources(models_folder, [*models, *left_out])
    # Of hundreds of cells not all pictures have room: libraries and recordings go first
    pieces = {
        "libraries": [_library(results, name, budget) for name in libraries],
        "recordings": _recordings(results, recordings, budget),
        "cells": [row | {"figures": _cell_figures(results, row, libraries, budget)} for row in cells],
        "sources": sources,
    }
    references = needed(
        read_references(citation_file),
        kinds={row["model_kind"] for row in cells if row.get("model_kind")},
        sources={row["source"] for row in sources if row["source"]},
    )
    page = _environment().get_template("page.html.j2").render(
        **pieces,
        missing=_missing(pieces),
        library_names=libraries,
        type_colours=colours(sorted({row["cell_type"] for row in cells if row.get("cell_type")})),
        totals=_totals(pieces),
        stages=stage_times(results / "benchmarks" / "rules").to_dict("records"),
        configuration=_configuration(results),
        versions=_versions(pieces),
        citations=[as_text(reference) for reference in references],
        bibtex="\n\n".join(as_bibtex(reference) for reference in references),
        unit_columns=UNIT_COLUMNS,
        bokeh=_bokeh() if any(recording["viewer"] for recording in pieces["recordings"]) else "",
        linked=budget.linked,
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
        script=(FOLDER / "page.js").read_text(encoding="utf-8"),
    )  # fmt: skip
    write_text(path, page)


class Budget:
    """Pictures as text for a page, as long as there is room; `linked` counts those that are linked instead."""

    def __init__(self, folder, room):
        self.folder, self.room, self.linked = folder, room, 0

    def source(self, path):
        """Return what stands in `src` for a picture."""
        size = path.stat().st_size * 4 // 3
        if size > self.room:
            self.linked += 1
            return self.link(path)
        self.room -= size
        return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")

    def link(self, path):
        """Return the address of a file relative to the page."""
        return Path(os.path.relpath(path, self.folder)).as_posix()


def figures_in(folder, kind, budget):
    """Return the figures of a folder in the order of the page: `name`, `title`, `src`, `caption`, `width`, `height` of each."""
    known = FIGURES[kind]
    there = {path.stem: path for path in sorted(Path(folder).glob("*.png"))}
    names = [name for name in known if name in there] + [name for name in there if name not in known]
    return [_figure(there[name], known.get(name, name.replace("_", " ").capitalize()), budget) for name in names]


def _figure(path, title, budget):
    with open(path, "rb") as file:
        width, height = struct.unpack(">II", file.read(24)[16:])
    text = path.with_suffix(".txt")
    caption = text.read_text(encoding="utf-8").strip() if text.exists() else title
    return {"name": path.stem, "title": title, "src": budget.source(path), "caption": caption, "width": width, "height": height}


def _cell_figures(results, row, libraries, budget):
    model = row["model_id"]
    figures = figures_in(results / "figures" / "cells" / model, "cells", budget)
    for library in libraries:
        path = results / "figures" / "libraries" / library / "cells" / model / "mean_eap.png"
        if path.exists():
            of = f" on {library}" if len(libraries) > 1 else " on the probe"
            figures.insert(min(3, len(figures)), _figure(path, f"Mean EAP{of}", budget))
    return figures


def _library(results, name, budget):
    figures = figures_in(results / "figures" / "libraries" / name, "libraries", budget)
    return library_facts(results, name) | {"name": name, "figures": figures}


def _recordings(results, names, budget):
    """Return what is known of each recording; `viewer` is its JSON, as long as there is room, and else ""."""
    found, room = [], VIEWERS
    for name in names:
        folder = results / "figures" / "recordings" / name
        item, viewer = folder / "viewer.json", ""
        if item.exists() and item.stat().st_size <= room:
            viewer = item.read_text(encoding="utf-8").replace("</", "<\\/")
            room -= len(viewer)
        page = folder / "viewer.html"
        link = budget.link(page) if page.exists() else ""
        facts = recording_facts(results, name)
        if not facts["missing"]:
            facts["columns"] = [column for column in UNIT_COLUMNS if column in facts["units"]]
            facts["rows"] = facts["units"].to_dict("records")
        figures = figures_in(folder, "recordings", budget)
        found.append(facts | {"name": name, "figures": figures, "viewer": viewer, "viewer_link": link})
    return found


def _missing(pieces):
    """Return what was asked for and is not there, a line each."""
    lines = [f"Cell {row['model_id']}: {row['missing']}" for row in pieces["cells"] if row["missing"]]
    lines += [f"Library {row['name']}: {row['missing']}" for row in pieces["libraries"] if row["missing"]]
    lines += [f"Recording {row['name']}: {row['missing']}" for row in pieces["recordings"] if row["missing"]]
    for kind in ("libraries", "recordings"):
        for row in pieces[kind]:
            there = {figure["name"] for figure in row["figures"]}
            absent = [title for name, title in FIGURES[kind].items() if name not in (*there, *OPTIONAL)]
            if absent and not row["missing"]:
                lines.append(f"Figures of {row['name']}: {', '.join(absent)}")
    return lines


def _totals(pieces):
    """Return the numbers that stand on top of the page, and of each cell type how many cells, templates and units there are."""
    cells = [row for row in pieces["cells"] if not row["missing"]]
    libraries = [row for row in pieces["libraries"] if not row["missing"]]
    recordings = [row for row in pieces["recordings"] if not row["missing"]]
    types = sorted({row["cell_type"] for row in pieces["cells"] if row.get("cell_type")})
    by_type = [
        {
            "cell_type": kind,
            "cells": sum(row["cell_type"] == kind for row in cells),
            "templates": {row["name"]: row["by_type"].get(kind, 0) for row in libraries},
            "units": {row["name"]: int((row["units"]["cell_type"] == kind).sum()) for row in recordings},
        }
        for kind in types
    ]
    return {
        "cells": len(cells),
        "libraries": len(libraries),
        "templates": sum(row["n_templates"] for row in libraries),
        "recordings": len(recordings),
        "recorded_s": sum(row["duration_s"] for row in recordings),
        "spikes": sum(row["n_spikes"] for row in recordings),
        "by_type": by_type,
    }


def _configuration(results):
    path = results / "config.yaml"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    settings = yaml.safe_load(text) or {}
    return {"text": text, "seed": settings.get("seed", "unknown"), "cells": (settings.get("cells") or {}).get("table", "")}


def _versions(pieces):
    """Return package to version: those that the libraries were made with and, of others, what is installed here."""
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    for row in pieces["libraries"]:
        found |= row.get("versions", {})
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _bokeh():
    return "\n".join(Resources(mode="inline", components=["bokeh", "bokeh-widgets"]).js_raw)


def _environment():
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {"number": number, "duration": duration, "json": json.dumps}
    return environment


def number(value, digits=3):
    """Return a number with `digits` significant ones, integers whole with separators, "" for what is not known."""
    if value is None or value == "" or value != value:
        return ""
    if isinstance(value, str):
        return value
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if "e" in text and abs(value) >= 1 else text


def duration(seconds):
    """Return a time in words: "45 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

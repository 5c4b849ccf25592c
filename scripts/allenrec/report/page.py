"""The page of the report: the facts and pictures of a run in one file with all scripts, which opens from disk anywhere."""

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from allenrec.common.files import read_checked, write_text
from allenrec.figures.look import colours
from allenrec.figures.register import pictures
from allenrec.libraries.realism.in_vivo import read_in_vivo

from .citations import as_bibtex, as_text, needed, read_references
from .columns import CELL_TEXTS, REALISM_NUMBERS, filled
from .contents import (
    CELL_FACTS,
    UNIT_COLUMNS,
    CellFacts,
    LibraryFacts,
    RecordingFacts,
    cell_facts,
    library_facts,
    model_sources,
    realism_rows,
    recording_facts,
    stage_times,
)
from .pictures import Budget, Picture, pictures_in, pictures_of_cell
from .sorters import sorter_results

FOLDER = Path(__file__).parent
#: Bytes of pictures and of viewers that are put into the page; the others are linked
PICTURES, VIEWERS = 8_000_000, 10_000_000
#: Packages whose versions the page names, besides those that the results name themselves
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

Facts = TypeVar("Facts", CellFacts, LibraryFacts, RecordingFacts)


@dataclass(frozen=True)
class Section(Generic[Facts]):
    """A cell, a library or a recording on the page.

    Parameters
    ----------
    facts : CellFacts, LibraryFacts or RecordingFacts
    pictures : list of Picture
    viewer : str
        The JSON of the viewer of a recording, if there is room for it.
    viewer_link : str
        The address of the viewer as a page of its own, if there is one.
    """

    facts: Facts
    pictures: list[Picture]
    viewer: str = ""
    viewer_link: str = ""


@dataclass(frozen=True)
class Sections:
    """All sections of the page."""

    cells: list[Section[CellFacts]]
    libraries: list[Section[LibraryFacts]]
    recordings: list[Section[RecordingFacts]]


@dataclass(frozen=True)
class TypeTotals:
    """The numbers of cells, of templates in each library and of units in each recording, for one cell type."""

    cell_type: str
    cells: int
    templates: dict[str, int]
    units: dict[str, int]


@dataclass(frozen=True)
class Totals:
    """The numbers at the top of the page."""

    cells: int
    libraries: int
    templates: int
    recordings: int
    recorded_s: float
    spikes: int
    by_type: list[TypeTotals]


def write_report(
    path: str | Path,
    *,
    results: str | Path,
    models_folder: str | Path,
    cell_models_folder: str | Path = "cell_models",
    citation_file: str | Path,
    models: Sequence[str],
    libraries: Sequence[str],
    recordings: Sequence[str],
    left_out: Sequence[str] = (),
) -> None:
    """Write the report of a run. The file appears only when it is complete.

    Parameters
    ----------
    path : path
        The page. If there are too many pictures, some are linked relative to its folder.
    results, models_folder, cell_models_folder, citation_file : path
    models, libraries, recordings : sequence of str
        What was requested; the page names what is not there.
    left_out : sequence of str
        Models of the cell table that the configuration leaves out.
    """
    results, budget = Path(results), Budget(Path(path).parent, PICTURES)
    sections = _gather(results, models, libraries, recordings, budget)
    cells = [section.facts for section in sections.cells]
    sources = model_sources(models_folder, cell_models_folder, models)
    references = needed(
        read_references(citation_file),
        kinds={cell.known["model_kind"] for cell in cells if cell.known["model_kind"]},
        sources={source.source for source in sources if source.source},
    )
    page = _environment().get_template("page.html.j2").render(
        sections=sections,
        sources=sources,
        cell_texts=filled(CELL_TEXTS, (cell.known for cell in cells)),
        cells_know=filled(dict.fromkeys(CELL_FACTS, ""), (cell.known for cell in cells)),
        realism=_realism(results, budget),
        evaluation=sorter_results(results, recordings, budget),
        address=lambda name: budget.link(results / name) if (results / name).exists() else "",
        left_out=_left_out(cells, left_out),
        missing=_missing(sections),
        library_names=libraries,
        type_colours=colours(_cell_types(sections)),
        totals=_totals(sections),
        stages=stage_times(results / "benchmarks" / "rules").to_dict("records"),
        configuration=_configuration(results),
        versions=_versions(sections),
        citations=[as_text(reference) for reference in references],
        bibtex="\n\n".join(as_bibtex(reference) for reference in references),
        unit_columns=UNIT_COLUMNS,
        bokeh=_bokeh() if any(section.viewer for section in sections.recordings) else "",
        linked=budget.linked,
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
        script=(FOLDER / "page.js").read_text(encoding="utf-8"),
    )  # fmt: skip
    write_text(path, page)


def _gather(
    results: Path, models: Sequence[str], libraries: Sequence[str], recordings: Sequence[str], budget: Budget
) -> Sections:
    """Return all sections of the page.

    If there are hundreds of cells, not all pictures have room. Those of libraries and recordings come first.
    """
    figures = results / "figures"
    library_sections = [
        Section(library_facts(results, name), pictures_in(figures / "libraries" / name, "libraries", budget))
        for name in libraries
    ]
    recording_sections = _recordings(results, recordings, budget)
    cell_sections = [
        Section(cell_facts(results, model, libraries), pictures_of_cell(figures, model, libraries, budget)) for model in models
    ]
    return Sections(cell_sections, library_sections, recording_sections)


def _recordings(results: Path, names: Sequence[str], budget: Budget) -> list[Section[RecordingFacts]]:
    """Return the sections of recordings. Viewers are put into the page as long as there is room."""
    found, room = [], VIEWERS
    for name in names:
        folder = results / "figures" / "recordings" / name
        item, page, viewer = folder / "viewer.json", folder / "viewer.html", ""
        if item.exists() and item.stat().st_size <= room:
            # In a script, `</script>` and `<!--` would end or hide what follows.
            viewer = read_checked(item, "viewer").replace("<", "\\u003c")
            room -= len(viewer)
        link = budget.link(page) if page.exists() else ""
        found.append(Section(recording_facts(results, name), pictures_in(folder, "recordings", budget), viewer, link))
    return found


def _realism(results: Path, budget: Budget) -> dict[str, Any]:
    """Return what the section on realism shows: a row for each cell, its columns, the figure, and the register."""
    rows = realism_rows(results)
    return {
        "rows": rows,
        "texts": filled(CELL_TEXTS, rows),
        "numbers": filled(REALISM_NUMBERS, rows),
        "pictures": pictures_in(results / "figures" / "realism", "realism", budget),
        "in_vivo": read_in_vivo(),
    }


def _left_out(cells: Sequence[CellFacts], by_configuration: Sequence[str]) -> list[str]:
    """Return what was made without some models, a line each, and why."""
    lines = [f"Model {cell.model_id}: {reason}" for cell in cells for reason in cell.left_out]
    return lines + [f"Model {model}: left out by the configuration (models.leave_out)" for model in by_configuration]


def _missing(sections: Sections) -> list[str]:
    """Return what was requested and is not there, a line each."""
    lines = [f"Cell {cell.facts.model_id}: {what}" for cell in sections.cells for what in cell.facts.missing]
    lines += [f"Library {one.facts.name}: {one.facts.missing}" for one in sections.libraries if one.facts.missing]
    lines += [f"Recording {one.facts.name}: {one.facts.missing}" for one in sections.recordings if one.facts.missing]
    lines += [line for one in sections.libraries for line in _missing_figures("libraries", one)]
    return lines + [line for one in sections.recordings for line in _missing_figures("recordings", one)]


def _missing_figures(kind: str, section: Section[LibraryFacts] | Section[RecordingFacts]) -> list[str]:
    """Return a line that names the figures that a library or a recording should have; none if all are there."""
    there = {picture.name for picture in section.pictures}
    absent = [figure.title for name, figure in pictures(kind).items() if name not in there and not figure.optional]
    return [f"Figures of {section.facts.name}: {', '.join(absent)}"] if absent and not section.facts.missing else []


def _totals(sections: Sections) -> Totals:
    """Return the numbers at the top of the page: of all that is there, and of each cell type."""
    cells = [one.facts for one in sections.cells]
    complete = [cell for cell in cells if not cell.failures and not cell.missing]
    libraries = [one.facts for one in sections.libraries if not one.facts.missing]
    recordings = [one.facts for one in sections.recordings if not one.facts.missing]
    by_type = [
        TypeTotals(
            cell_type=kind,
            cells=sum(cell.known["cell_type"] == kind for cell in complete),
            templates={library.name: library.by_type.get(kind, 0) for library in libraries},
            units={recording.name: int((recording.units["cell_type"] == kind).sum()) for recording in recordings},
        )
        for kind in _cell_types(sections)
    ]
    return Totals(
        cells=len(complete),
        libraries=len(libraries),
        templates=sum(library.n_templates for library in libraries),
        recordings=len(recordings),
        recorded_s=sum(recording.duration_s for recording in recordings),
        spikes=sum(recording.n_spikes for recording in recordings),
        by_type=by_type,
    )


def _cell_types(sections: Sections) -> list[str]:
    """Return the types of all cells, templates and units, sorted; a library may have templates of others, without cells."""
    types = {cell.facts.known["cell_type"] for cell in sections.cells}
    types.update(*(library.facts.by_type for library in sections.libraries))
    types.update(*(one.facts.units["cell_type"].dropna().astype(str) for one in sections.recordings if len(one.facts.units)))
    return sorted(types - {""})


def _configuration(results: Path) -> dict[str, Any]:
    """Return the configuration of the run: its text, the seed, and the name of the cell table."""
    path = results / "config.yaml"
    text = read_checked(path, "configuration") if path.exists() else ""
    settings = yaml.safe_load(text) or {}
    return {"text": text, "seed": settings.get("seed", "unknown"), "cells": (settings.get("cells") or {}).get("table", "")}


def _versions(sections: Sections) -> dict[str, str]:
    """Return the versions of packages: those with which the libraries were made or, of other packages, those installed here."""
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    for library in sections.libraries:
        found |= library.facts.versions
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _bokeh() -> str:
    """Return the scripts of Bokeh that viewers need."""
    return "\n".join(Resources(mode="inline", components=["bokeh", "bokeh-widgets"]).js_raw)


def _environment() -> Environment:
    """Return the environment of templates. A name that the page does not know is an error."""
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {"number": number, "duration": duration, "json": json.dumps}
    return environment


def number(value: Any, digits: int = 3) -> str:
    """Return a number with `digits` significant digits, a whole number with separators, or "" if it is not known."""
    if value is None or value == "" or value != value:
        return ""
    if isinstance(value, str):
        return value
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if "e" in text and abs(value) >= 1 else text


def duration(seconds: float) -> str:
    """Return a time in words: "45 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

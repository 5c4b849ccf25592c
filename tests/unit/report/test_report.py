"""The report's tables, citations and page, without a browser."""

import io
import json
import re
from dataclasses import asdict
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from support import ROOT

from allenrec.common.errors import DamagedFile
from allenrec.common.files import write_json, write_table, write_text
from allenrec.common.outcomes import Failure, write_failure
from allenrec.evaluation.tables import SummaryRow
from allenrec.figures.look import colours
from allenrec.figures.nothing import not_drawn
from allenrec.figures.register import pictures
from allenrec.libraries.realism.columns import COLUMNS
from allenrec.libraries.realism.in_vivo import read_in_vivo
from allenrec.models.metadata import CellFacts
from allenrec.report import contents
from allenrec.report.citations import as_bibtex, as_text, bibtex_key, needed, read_references
from allenrec.report.columns import filled
from allenrec.report.contents import stage_times
from allenrec.report.page import duration, number, write_report
from allenrec.report.pictures import Budget, Picture, pictures_in, pictures_of_cell, without_holes

#: The facts of a recording with a unit
RECORDING_FACTS = {
    **{"recording": "demo", "duration_s": 1.0, "sampling_frequency_Hz": 32000.0},
    **{"n_channels": 4, "n_units": 1, "n_spikes": 3},
}
HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


@pytest.fixture(scope="module")
def references():
    return read_references(ROOT / "CITATION.cff")


def test_a_run_cites_the_models_that_it_used(references):
    def dois(kinds, sources):
        return {reference.get("doi", reference["title"]) for reference in needed(references, kinds=kinds, sources=sources)}

    always = dois(set(), set())
    assert {"10.3389/fninf.2018.00092", "10.1007/s12021-020-09467-7", "Allen Cell Types Database"} <= always
    assert dois({"perisomatic"}, set()) - always == {"10.1038/s41467-017-02718-3"}
    assert dois({"all active"}, {"allen"}) - always == {"10.1016/j.celrep.2022.111176"}
    assert dois({"perisomatic"}, {"bmtk"}) - dois({"perisomatic"}, set()) == {"10.1371/journal.pcbi.1008386"}


def test_every_paper_of_the_notice_is_among_the_references(references):
    notice = (ROOT / "NOTICE").read_text()
    for reference in references:
        if "scope" in reference:
            assert reference["doi"] in notice and reference["title"] in " ".join(notice.split())


def test_citation_as_text(references):
    texts = {reference.get("doi"): as_text(reference) for reference in references}
    assert texts["10.1007/s12021-020-09467-7"] == (
        "Buccino AP, Einevoll GT. MEArec: a fast and customizable testbench simulator for ground-truth extracellular spiking "
        "activity. Neuroinformatics 19, 185 (2021). https://doi.org/10.1007/s12021-020-09467-7."
    )
    assert texts["10.1038/s41467-017-02718-3"].startswith("Gouwens NW, Berg J, Feng D, et al. Systematic generation")
    assert texts["10.1016/j.celrep.2022.111176"].startswith("Nandi A, Chartrand T, Van Geit W, et al. Single-neuron")
    assert texts[None].startswith("Allen Institute for Brain Science. Allen Cell Types Database. (2015). https://")


def test_citation_as_bibtex(references):
    keys = [bibtex_key(reference) for reference in references]
    assert len(set(keys)) == len(keys) and all(key.isascii() and key.isalnum() for key in keys)
    for reference, key in zip(references, keys, strict=True):
        entry = as_bibtex(reference)
        assert entry.split("{")[0] in ("@article", "@book", "@misc") and entry.split("{")[1].split(",")[0] == key
        assert entry.count("{") == entry.count("}") and reference["title"] in entry
    dai = next(as_bibtex(reference) for reference in references if "ToolKit" in reference["title"])
    assert "author = {Dai, Kael and Gratiy, Sergey L. and Billeh, Yazan N. and others}" in dai
    assert "author = {{Allen Institute for Brain Science}}" in as_bibtex(references[0])


def test_stage_times_add_up_the_jobs_of_a_stage(tmp_path):
    rows = {
        "simulate_spikes/1.tsv": "10.0\t0:00:10\t100.0\t1\t1\t1\t0\t0\t90\t9.0\n",
        "simulate_spikes/2.tsv": "30.5\t0:00:30\t250.0\t1\t1\t1\t0\t0\t90\t28.0\n",
        "plot_cell/1.tsv": "2.0\t0:00:02\t80.0\t1\t1\t1\t0\t0\t90\t1.5\n",
        "plot_mean_eap/lib/1.tsv": "1.0\t0:00:01\t90.0\t1\t1\t1\t0\t0\t90\t0.5\n",
        "save_config.tsv": "0.1\t0:00:00\t-\t-\t-\t-\t-\t-\t-\t-\n",  # too short for Snakemake to measure
        "write_report.tsv": "9.0\t0:00:09\t80.0\t1\t1\t1\t0\t0\t90\t1.5\n",  # of the report before
        "mystery_rule.tsv": "3.0\t0:00:03\t80.0\t1\t1\t1\t0\t0\t90\t1.5\n",
    }
    for name, row in rows.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(HEADER + row)
    table = stage_times(tmp_path).set_index("stage")
    assert list(table.index) == ["Spikes simulated", "Figures drawn", "Tables and settings", "Mystery rule"]
    spikes = table.loc["Spikes simulated"]
    assert (spikes["jobs"], spikes["total_s"], spikes["longest_s"]) == (2, 40.5, 30.5)
    assert (spikes["cpu_s"], spikes["memory_MB"]) == (37.0, 250.0)
    assert table.loc["Figures drawn", "jobs"] == 2 and pd.isna(table.loc["Tables and settings", "memory_MB"])
    assert stage_times(tmp_path / "nowhere").empty


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((None, ""), (float("nan"), ""), ("", ""), ("text", "text"), (3, "3"), (12345.0, "12,345"), (0.30549, "0.305")),
        *((-95.42, "-95.4"), (1234.5, "1,230"), (1e-5, "1e-05"), (float("inf"), "inf")),
    ],
)
def test_numbers_in_tables(value, expected):
    assert number(value) == expected


@pytest.mark.parametrize(("s", "expected"), [(0.42, "0.4 s"), (45, "45 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_durations_in_words(s, expected):
    assert duration(s) == expected


def png(width=640, height=480):
    """Return a picture without anything in it."""
    content = io.BytesIO()
    Image.new("1", (width, height)).save(content, "PNG")
    return content.getvalue()


def test_a_damaged_picture_or_caption_is_one_line_that_names_it(tmp_path):
    """All bytes of a picture count, as do those of its caption."""
    picture, caption, sound = tmp_path / "spikes.png", tmp_path / "spikes.txt", png(30, 20)
    write_text(caption, "All spikes.\n", checked=True)
    damages = [sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :] for place in range(len(sound))]
    damages += [sound[:end] for end in range(len(sound))] + [sound[:40] + bytes(len(sound) - 40), bytes(500), b"a,b\n1,2\n" * 9]
    for damaged in damages:
        picture.write_bytes(damaged)
        with pytest.raises(DamagedFile, match=rf"^{picture} is not a valid picture file \(.*\); delete it and run again$"):
            pictures_in(tmp_path, "cells", Budget(tmp_path, 10**6))
    picture.write_bytes(sound)
    for damaged in (b"All spites.\n", b"", b"\xff"):
        caption.write_bytes(damaged)
        with pytest.raises(DamagedFile, match=rf"^{caption} is not a valid caption file"):
            pictures_in(tmp_path, "cells", Budget(tmp_path, 10**6))
    caption.write_text("All spikes.\n")
    assert [found.caption for found in pictures_in(tmp_path, "cells", Budget(tmp_path, 10**6))] == ["All spikes."]


def test_pictures_beyond_the_room_are_linked(tmp_path):
    for name, size in (("a", 300), ("b", 600), ("c", 300)):
        (tmp_path / f"{name}.png").write_bytes(bytes(size))
    budget = Budget(tmp_path, 900)
    sources = [budget.source(tmp_path / f"{name}.png") for name in "abc"]
    assert [source.startswith("data:image/png;base64,") for source in sources] == [True, False, True]
    assert sources[1] == "b.png" and budget.linked == 1


class Page(HTMLParser):
    """The text of a page, and the addresses that it would load."""

    def __init__(self, text):
        super().__init__()
        self.text, self.loaded, self.linked = "", [], []
        self.feed(text)

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "src" or (name == "href" and tag == "link"):
                self.loaded.append(value)
            if name == "href" and tag == "a":
                self.linked.append(value)


def write_run(results, models, **asked):
    """Write a configuration and the report of what there is; return the page."""
    (results / "config.yaml").write_text(yaml.safe_dump({"seed": 7, "cells": {"table": "config/cells.tsv"}}))
    where = {"results": results, "models_folder": results.parent, "citation_file": ROOT / "CITATION.cff"}
    write_report(results / "report.html", **where, models=models, libraries=["probe"], recordings=["demo"], **asked)
    return Page((results / "report.html").read_text(encoding="utf-8"))


def write_log(results, path, text):
    log = results / "logs" / path
    log.parent.mkdir(parents=True)
    log.write_text(text)


def test_a_run_in_which_every_job_failed_has_a_report_that_says_so(tmp_path):
    """What is not there is named, with the reason that the log of the failed job gives; nothing raises."""
    results = tmp_path / "results"
    write_log(results, "models/4711/download_model.log", "looking\nerror: model 4711: <no> such model\n")
    write_log(
        results,
        "models/13/simulate_spikes.log",
        "Traceback (most recent call last):\n  a line\nnumpy.exceptions.AxisError: axis 3 is wrong\n",
    )
    write_log(results, "concatenate_library/probe.log", "error: no cell gave a template\n")
    page = write_run(results, ["4711", "12", "13"])
    assert "Cell 4711: no spikes (model 4711: <no> such model)" in page.text
    assert "Cell 12: no spikes" in page.text and "Library probe: not made (no cell gave a template)" in page.text
    assert "Cell 13: no spikes (numpy.exceptions.AxisError: axis 3 is wrong)" in page.text
    assert "Recording demo: not made" in page.text and "seed 7" in page.text
    assert "Models that were left out" not in page.text
    assert all(source.startswith("data:") for source in page.loaded)
    assert list(results.glob(".*part*")) == []


def test_damaged_file_is_said_to_be_damaged(tmp_path):
    """It is not missing, and a log of an earlier run does not say what is wrong with it."""
    results = tmp_path / "results"
    write_log(results, "models/4711/simulate_spikes.log", "error: of an earlier run\n")
    for path in ("intracellular/4711.h5", "libraries/probe/templates.h5"):
        (results / path).parent.mkdir(parents=True)
        (results / path).write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(5000))
    (results / "intracellular" / "12.h5").mkdir()
    page = write_run(results, ["4711", "12"])
    assert (
        f"Cell 4711: no spikes ({results}/intracellular/4711.h5 is not a valid intracellular file (it does not end" in page.text
    )
    assert (
        f"Cell 12: no spikes ({results}/intracellular/12.h5 is not a valid intracellular file (it is no regular file"
        in page.text
    )
    assert f"Library probe: damaged ({results}/libraries/probe/templates.h5 is not a valid template file (" in page.text
    assert "delete it and run again" in page.text and "of an earlier run" not in page.text


def test_models_that_failed_are_named_with_stage_and_reason(tmp_path):
    """A failure is a result of its job. It is no missing result, and logs are not searched for it."""
    results = tmp_path / "results"
    write_log(results, "models/99/simulate_spikes.log", "error: of an earlier run\n")
    write_failure(results / "intracellular" / "99.h5", Failure("99", "compile_mechanisms", "<Ih.mod> is unknown"))
    page = write_run(results, ["99"], left_out=["88"])
    assert "Model 99: no spikes, because model 99 failed in compile_mechanisms: <Ih.mod> is unknown" in page.text
    assert "Model 88: left out by the configuration" in page.text
    assert "of an earlier run" not in page.text and "Cell 99" not in page.text


def test_text_in_the_data_of_scripts_ends_no_script(tmp_path):
    """`<!--<script>` in a script hides its end from a browser, and `</script>` is its end: a cell type has both."""
    name = "<!--<script>a</script>&amp;"
    folder = tmp_path / "results" / "figures" / "recordings" / "demo"
    folder.mkdir(parents=True)
    write_json(folder / "facts.json", RECORDING_FACTS, checked=True)
    write_table(folder / "units.csv", pd.DataFrame({"cell_type": [name], "model_id": "1", "line": "=1+1", "amplitude": -1.5}))
    (folder / "viewer.json").write_text(json.dumps({"title": name}))
    write_run(tmp_path / "results", ["1"])
    text = (tmp_path / "results" / "report.html").read_text(encoding="utf-8")
    (content,) = re.findall(r'<script type="application/json" id="item-demo">(.*?)</script>', text)
    assert json.loads(content) == {"title": name} and "<" not in content
    assert "&lt;!--&lt;script&gt;a&lt;/script&gt;&amp;amp;" in text and name not in text
    assert "'=1+1" not in text.replace("&#39;", "'") and "=1+1" in text


def test_types_that_no_cell_has_are_counted_and_have_their_colour(tmp_path):
    """The templates of a library may come from elsewhere: the run has no cell of their types."""
    folder = tmp_path / "results" / "figures" / "recordings" / "demo"
    folder.mkdir(parents=True)
    write_json(folder / "facts.json", RECORDING_FACTS, checked=True)
    write_table(folder / "units.csv", pd.DataFrame({"cell_type": ["aspiny", None], "model_id": "1"}), checked=True)
    write_run(tmp_path / "results", [])
    text = (tmp_path / "results" / "report.html").read_text(encoding="utf-8")
    row = re.search(r'<table id="made">(.*?)</table>', text, re.DOTALL)[1]
    assert "aspiny" in row and f"background: {colours(['aspiny'])['aspiny']}" in row and "nan" not in row


def test_a_recording_has_no_empty_figures_but_a_line_that_names_them(tmp_path):
    """Figures are missing where they are not there, and not where there was nothing to draw."""
    folder = tmp_path / "results" / "figures" / "recordings" / "demo"
    folder.mkdir(parents=True)
    write_table(folder / "units.csv", pd.DataFrame({"cell_type": [], "model_id": []}), checked=True)
    for name in pictures("recordings"):
        (folder / f"{name}.png").write_bytes(png())
    write_json(folder / "facts.json", RECORDING_FACTS | {"n_units": 0}, checked=True)
    drawn = [*pictures("recordings")]
    for names, reason in (((), ""), (("raster", "waveforms"), "no unit has a spike"), (("noise_spectrum",), "it is <empty>")):
        for name in names:
            (folder / f"{name}.txt").write_text(not_drawn(reason) + "\n", encoding="utf-8")
            drawn.remove(name)
        page = write_run(tmp_path / "results", [])
        text = (tmp_path / "results" / "report.html").read_text(encoding="utf-8")
        assert re.findall(r'data-figure="(\w+)"', text) == drawn
        assert "Figures of demo" not in page.text
    assert "Not drawn, because no unit has a spike: Raster and rates, Waveforms." in page.text
    assert "Not drawn, because it is &lt;empty&gt;: Noise spectrum." in text


def test_the_table_of_units_has_no_empty_columns():
    """A recording without noise has no signal-to-noise ratios."""
    units = pd.DataFrame({"cell_type": ["spiny"], "amplitude": [50.0], "snr": [np.nan], "layer": [""], "n_spikes": [0]})
    assert contents.RecordingFacts("demo", units=units).unit_columns == ["cell_type", "amplitude", "n_spikes"]


def test_a_failure_in_one_library_leaves_the_rest_of_the_cell(tmp_path, monkeypatch):
    info = SimpleNamespace(cell_type="spiny", facts=CellFacts())
    monkeypatch.setattr(contents, "read_currents", lambda path, model: SimpleNamespace(info=info))
    monkeypatch.setattr(contents, "summary", lambda currents: {"n_spikes": 12})
    path = tmp_path / "libraries" / "probe" / "cells" / "99.h5"
    write_failure(path, Failure("99", "compute_eaps", "no pose was accepted"))
    cell = contents.cell_facts(tmp_path, "99", ["probe"])
    assert (cell.known["n_spikes"], cell.known["cell_type"]) == (12, "spiny") and cell.libraries == {} and cell.missing == []
    assert cell.left_out == ["no templates in probe, because model 99 failed in compute_eaps: no pose was accepted"]


def test_pictures_come_in_the_order_of_the_register_and_then_others(tmp_path):
    for name in ("spikes", "morphology", "own_figure"):
        (tmp_path / f"{name}.png").write_bytes(png())
    (tmp_path / "own_figure.png").write_bytes(png(1800))
    (tmp_path / "spikes.txt").write_text("All spikes.\n")
    found = pictures_in(tmp_path, "cells", Budget(tmp_path, 10**6))
    assert [picture.title for picture in found] == ["Morphology", "Spikes, overlaid", "Own figure"]
    assert [picture.caption for picture in found] == ["Morphology", "All spikes.", "Own figure"]
    # 3.2 inches of 106 pixels; nine inches do not fit into one of two columns of the page.
    assert [(picture.width, picture.wide) for picture in found] == [(339, False), (339, False), (954, True)]


def test_pictures_of_a_cell_on_several_probes_are_in_the_order_of_the_libraries(tmp_path):
    files = ["cells/7/morphology", "cells/7/soma_trace", "cells/7/spikes", "cells/7/spike_counts"]
    for name in (*files, *(f"libraries/{library}/cells/7/mean_eap" for library in ("b", "c", "a"))):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.png").write_bytes(png())
    titles = [picture.title for picture in pictures_of_cell(tmp_path, "7", ["b", "c", "a"], Budget(tmp_path, 10**6))]
    assert [title.rpartition(" on ")[2] for title in titles[3:6]] == ["b", "c", "a"] and len(titles) == 7


@pytest.mark.parametrize(
    "heights, wide", [([300], True), ([300, 290], False), ([600, 230], True), ([700, 360, 600], False), ([], False)]
)
def test_narrow_pictures_are_wide_where_they_would_leave_a_hole(heights, wide):
    found = [Picture(str(n), "", "", "", 600, height) for n, height in enumerate(heights)]
    found += [Picture("wide", "", "", "", 900, 400, wide=True), Picture("none", "", "", "", 0, 0, not_drawn="why")]
    assert {picture.wide for picture in without_holes(found)[: len(heights)]} <= {wide}


def test_columns_without_any_value_are_left_out():
    rows = [{"a": "", "b": None, "c": float("nan"), "d": 0.0}, {"a": "", "b": "x", "c": float("nan"), "d": 0.0}]
    assert filled({"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"}, rows) == {"b": "B", "d": "D"}
    assert filled({"a": "A"}, []) == {}


def test_section_on_sorters_is_there_after_an_evaluation(tmp_path):
    """It shows the recordings of this run only, links the tables, and has the figure of each study."""
    results = tmp_path / "results"
    results.mkdir()
    assert "Spike sorters" not in write_run(results, []).text
    counts = {"n_units": 8, "n_expected": 5, "n_well_detected": 4}
    counts |= {"n_sorted": 9, "n_false_units": 2, "n_redundant": 0, "n_merged": 1}
    same = {"accuracy": 0.6181, "accuracy_expected": 0.9, "duration_s": 1.5, "sorter_version": "4.2", "message": ""}
    rows = [asdict(SummaryRow(name, f"sorts_{name}", "ok", **counts, **same)) for name in ("demo", "older")]
    rows.append(rows[0] | {"sorter": "fails", "status": "failed", "n_units": 0, "message": "no <b> torch"})
    write_table(results / "evaluation" / "summary.csv", pd.DataFrame(rows), checked=True)
    write_table(results / "evaluation" / "studies" / "levels.csv", pd.DataFrame({"recording": ["demo"]}))
    figures = results / "figures" / "studies" / "levels"
    figures.mkdir(parents=True)
    (figures / "accuracy.png").write_bytes(png())
    page = write_run(results, [])
    section = page.text.split("How well spike sorters recover")[1].split("The papers and data")[0]
    assert all(words in section for words in ("sorts_demo", "0.618", "4.2", "Study levels", "Accuracy of spike sorters in"))
    failed = section.split("fails", 1)[1].split("Study levels")[0]
    assert "sorts_older" not in section and "no <b> torch" in failed and "0" not in failed.split("no <b>")[0]
    assert {"evaluation/summary.csv", "evaluation/studies/levels.csv"} <= set(page.linked)
    assert all((results / link).exists() for link in page.linked if not link.startswith(("#", "https:")))


def test_section_on_realism_has_a_row_for_each_cell_and_the_ranges_with_their_sources(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    rows = {"model_id": ["77", "78"], "cell_type": ["spiny", "aspiny"], "realism": ["within <it>", "fast by waveform"]}
    pd.DataFrame(rows | {COLUMNS["half_width_ms"]: [0.1234, float("nan")]}).to_csv(results / "cells.csv", index=False)
    page = write_run(results, [])
    section = page.text.split("How real is it?")[1].split("What is measured in vivo")
    assert (
        all(words in section[0] for words in ("77", "within <it>", "0.123", "78", "fast by waveform"))
        and "nan" not in section[0]
    )
    register = read_in_vivo()
    for entry in register.ranges:
        assert entry.note in section[1] and register.sources[entry.source].doi in section[1]
    assert "results/cells.csv is not there" not in page.text

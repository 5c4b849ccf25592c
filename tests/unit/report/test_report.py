"""The report's tables, citations and page, without a browser."""

from html.parser import HTMLParser

import pandas as pd
import pytest
import yaml
from support import ROOT

from allenrec.report.citations import as_bibtex, as_text, bibtex_key, needed, read_references
from allenrec.report.contents import stage_times
from allenrec.report.page import Budget, duration, number, write_report

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
        self.text, self.loaded = "", []
        self.feed(text)

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "src" or (name == "href" and tag == "link"):
                self.loaded.append(value)


def test_a_run_in_which_everything_failed_has_a_report_that_says_so(tmp_path):
    """The model's log says why; what is not there is named; nothing raises."""
    results = tmp_path / "results"
    log = results / "logs" / "download_model" / "4711.log"
    log.parent.mkdir(parents=True)
    log.write_text("looking\nerror: model 4711: <no> such model\n")
    other = results / "logs" / "models" / "99" / "simulate_spikes.log"
    other.parent.mkdir(parents=True)
    other.write_text("error: model 99: does not fire\n")
    (results / "config.yaml").write_text(yaml.safe_dump({"seed": 7, "cells": {"table": "config/cells.tsv"}}))
    asked = {"models": ["4711", "12"], "libraries": ["probe"], "recordings": ["demo"]}
    asked["left_out"] = ["99", "88"]
    (results / "left_out.csv").write_text(
        "model_id,stage,reason\n99,simulate_spikes,model 99: does not fire\n88,simulate_spikes,it was killed\n"
    )
    where = {"results": results, "models_folder": tmp_path, "citation_file": ROOT / "CITATION.cff"}
    write_report(results / "report.html", **where, **asked)
    page = Page((results / "report.html").read_text(encoding="utf-8"))
    assert "Cell 4711: no spikes (model 4711: <no> such model)" in page.text
    assert "Cell 12: no spikes" in page.text and "Library probe: not made" in page.text
    assert "Cell 99: left out of the libraries, no spikes (model 99: does not fire)" in page.text
    assert "does not fire) (" not in page.text  # once is enough
    assert "Cell 88: left out of the libraries, no spikes (it was killed)" in page.text
    assert "Recording demo: not made" in page.text and "seed 7" in page.text
    assert all(source.startswith("data:") for source in page.loaded)
    assert list(results.glob(".*part*")) == []

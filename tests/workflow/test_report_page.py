"""The report in a real browser, from disk: its numbers, figures, tables and viewer, and a model that failed."""

import json
import os
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from support import ROOT
from workflow.snake import snakemake

from allenrec.figures.nothing import reason_in
from allenrec.libraries.library_file import read_library
from allenrec.recordings.formats.recording_file import read_recording

#: Names of the browser on Linux, Debian's first
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: The faults of accessibility that must not be there, in the words of axe
SEVERE = ("serious", "critical")


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium: that of the system or, if there is none, the one that `playwright install chromium` fetched."""
    from playwright.sync_api import Error, sync_playwright

    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=path)
        except Error as error:
            pytest.skip(f"no browser: `apt install chromium`, or `playwright install chromium` ({str(error).splitlines()[0]})")
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def opened(finished, browser):
    """The report of the finished run, opened from disk without network, with all complaints and requests of the browser."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.add_init_script("window.model = (name) => Bokeh.documents[0].get_model_by_name(name)")
    page.complaints, page.requests = [], []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto((finished / "results" / "report.html").as_uri())
    yield page
    context.close()


def viewer_in_view(page):
    """Scroll to the viewer; return once it is drawn."""
    page.locator(".viewer").scroll_into_view_if_needed()
    page.wait_for_selector(".viewer.ready")
    page.wait_for_function("() => model('traces_source').data.xs.length > 0")


def model(page, name, what):
    """A property of a model of the viewer."""
    return page.evaluate(f"() => model('{name}').{what}")


def numbers(page, table, column):
    """The values of a column of a table, from top to bottom."""
    rows = page.locator(f"{table} tbody > tr.row")
    return rows.evaluate_all("(rows, column) => rows.map((row) => row.cells[column].dataset.value)", column)


def column_of(page, table, heading):
    return page.locator(f"{table} thead th").all_inner_texts().index(heading)


@pytest.mark.parametrize("width", [1400, 420])
def test_table_of_realism_fits_the_page(finished, browser, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto((finished / "results" / "report.html").as_uri())
    table = page.locator("#realism-table")
    assert table.evaluate("table => table.closest('.scroll').scrollWidth <= table.closest('.scroll').clientWidth")
    texts = table.locator("td, th button")
    assert texts.evaluate_all("all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.innerText)") == []
    page.close()


def test_report_loads_nothing_and_nothing_goes_wrong(finished, opened):
    path = finished / "results" / "report.html"
    assert path.stat().st_size < 20e6
    viewer_in_view(opened)
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("data:", "blob:"))] == [path.as_uri()]
    assert opened.locator("#missing").count() == 0
    broken = "() => [...document.querySelectorAll('figure img')].filter((image) => !image.naturalWidth).length"
    assert opened.evaluate(broken) == 0


def test_numbers_on_the_page_are_those_of_the_files(finished, opened):
    results = finished / "results"
    library = read_library(results / "libraries" / "neuronexus" / "templates.h5")
    with read_recording(results / "recordings" / "demo" / "recording.h5") as recording:
        units, n_spikes = recording.units, sum(map(len, recording.spike_trains))
    assert opened.inner_text("#n-cells") == "3" and opened.inner_text("#n-templates") == str(len(library.templates))
    assert opened.inner_text("#n-spikes") == f"{n_spikes:,}" and opened.inner_text("#recorded") == "3.0 s"
    assert opened.inner_text("#seed") == str(yaml.safe_load((results / "config.yaml").read_text())["seed"])

    models = numbers(opened, "#cell-table", 0)
    assert sorted(models) == sorted(library.cells["model_id"])
    table = pd.read_csv(results / "libraries" / "neuronexus" / "templates.csv", dtype={"model_id": str})
    medians = table.groupby("model_id")["amplitude_uV"].median()
    shown = numbers(opened, "#cell-table", column_of(opened, "#cell-table", "Amplitude (µV)"))
    np.testing.assert_allclose([float(value) for value in shown], medians[models], rtol=1e-4)
    cells = pd.read_csv(results / "cells.csv", dtype={"model_id": str}).set_index("model_id")
    rest = numbers(opened, "#cell-table", column_of(opened, "#cell-table", "Rest (mV)"))
    np.testing.assert_allclose([float(value) for value in rest], cells["rest_mV"][models], rtol=1e-4)
    accepted = numbers(opened, "#cell-table", column_of(opened, "#cell-table", "Accepted (%)"))
    rates = library.cells.set_index("model_id")["acceptance_rate"][models]
    np.testing.assert_allclose([float(value) for value in accepted], 100 * rates, rtol=1e-4)
    snr = numbers(opened, "table.units", column_of(opened, "table.units", "SNR"))
    np.testing.assert_allclose([float(value) for value in snr], units["snr"], rtol=1e-4)

    times = [pd.read_csv(path, sep="\t")["s"][0] for path in results.glob("benchmarks/rules/simulate_spikes/*.tsv")]
    row = opened.locator("#stages tr", has_text="Spikes simulated").locator("td").nth(2)
    assert float(row.get_attribute("data-value")) == pytest.approx(sum(times))


def test_figures_have_captions_as_files_and_on_the_page(finished, opened):
    folder = finished / "results" / "figures"
    pictures, not_drawn = [path for path in folder.rglob("*.png")], []
    assert len(pictures) == 3 * 5 + 5 + 3 + 1 + 10
    for path in [*pictures, folder / "recordings" / "demo" / "viewer.html"]:
        caption = path.with_suffix(".txt").read_text().strip()
        assert len(caption) > 40
        reason = reason_in(caption)
        if reason is not None:
            not_drawn.append(path.stem)
            assert opened.locator("#cells .not-drawn", has_text=reason).count() == 3
        elif path.suffix == ".png":
            assert opened.locator("figcaption", has_text=caption[:60]).count() >= 1
    # The models come without recorded sweeps of their cells.
    assert not_drawn == ["spike_counts"] * 3
    assert opened.locator("figure").count() == len(pictures) - len(not_drawn)


def test_table_sorts_both_ways_and_rows_open(opened):
    column = column_of(opened, "#cell-table", "Amplitude (µV)")
    heading = opened.locator("#cell-table thead th").nth(column)
    for direction, sign in (("ascending", 1), ("descending", -1)):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == direction
        shown = [float(value) for value in numbers(opened, "#cell-table", column)]
        assert shown == sorted(shown, key=lambda value, sign=sign: sign * value) and len(set(shown)) == 3
    opened.locator("#cell-table thead th button", has_text="Line").click()
    lines = opened.locator("#cell-table tr.row td:nth-child(4)").all_inner_texts()
    assert lines == sorted(lines)
    row = opened.locator("#cell-table tr.row").first
    detail = opened.locator(f"#cell-{row.get_attribute('data-model')}")
    assert not detail.is_visible()
    row.locator("button.open").click()
    assert row.locator("button.open").get_attribute("aria-expanded") == "true"
    shown = detail.locator("figure:visible").evaluate_all("figures => figures.map((figure) => figure.dataset.figure)")
    assert {"morphology", "soma_trace", "spikes", "mean_eap"} <= set(shown)
    # The detail moves with its row.
    assert row.evaluate("row => row.nextElementSibling.id") == detail.get_attribute("id")
    row.locator("button.open").click()
    assert not detail.is_visible()


def test_viewer_shows_the_traces_and_pans(finished, opened):
    viewer_in_view(opened)
    with h5py.File(finished / "results" / "recordings" / "demo" / "recording.h5") as file:
        traces, rate = file["recordings"][()], file["info/recordings/fs"][()]
    start, end = model(opened, "window", "start"), model(opened, "window", "end")
    assert 0 <= start < end <= len(traces) / rate
    # Undo the scaling of what is drawn: on each channel the extremes in view are those of the traces.
    ys = json.loads(opened.evaluate("() => JSON.stringify(model('traces_source').data.ys)"))
    arguments = opened.evaluate(
        "() => (({step, spacing, labels, rate}) => ({step, spacing, labels, rate}))(model('draw').args)"
    )
    assert len(ys) == traces.shape[1] == len(arguments["labels"])
    window = traces[int(np.floor(start * rate)) : int(np.ceil(end * rate))]
    for place, (line, label) in enumerate(zip(ys, arguments["labels"], strict=True)):
        drawn = (np.array([min(line), max(line)]) - place) * arguments["spacing"]
        of_channel = window[:, int(label.split(" · ")[0])]
        np.testing.assert_allclose(drawn, [of_channel.min(), of_channel.max()], atol=0.51 * arguments["step"])
    # Where one zooms in on a spike, each sample is drawn.
    middle = (start + end) / 2
    opened.evaluate("([start, end]) => model('window').setv({start, end})", [middle, middle + 0.01])
    opened.wait_for_function("() => model('words').text.includes('each sample')")
    xs = json.loads(opened.evaluate("() => JSON.stringify(model('traces_source').data.xs)"))[0]
    ys = json.loads(opened.evaluate("() => JSON.stringify(model('traces_source').data.ys)"))[0]
    samples = np.round(np.array(xs) * rate).astype(int)
    assert list(np.diff(samples)) == [1] * (len(xs) - 1) and len(xs) >= 0.01 * rate
    of_channel = traces[samples, int(arguments["labels"][0].split(" · ")[0])]
    np.testing.assert_allclose(np.array(ys) * arguments["spacing"], of_channel, atol=0.51 * arguments["step"])
    opened.evaluate("([start, end]) => model('window').setv({start, end})", [start, end])
    opened.wait_for_function("() => !model('words').text.includes('each sample')")
    before = opened.locator(".viewer").screenshot()
    box = opened.locator(".viewer canvas").first.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + 250
    opened.mouse.move(*middle)
    opened.mouse.down()
    opened.mouse.move(middle[0] - 200, middle[1], steps=5)
    opened.mouse.up()
    opened.wait_for_function(f"() => model('window').start > {start}")
    moved = model(opened, "window", "start")
    assert moved - start == pytest.approx(model(opened, "window", "end") - end, abs=1e-9)
    assert opened.locator(".viewer").screenshot() != before


def test_viewer_colours_the_spikes_and_chooses_channels(finished, opened):
    viewer_in_view(opened)
    with read_recording(finished / "results" / "recordings" / "demo" / "recording.h5") as recording:
        times = np.sort(np.concatenate(recording.spike_times))
        duration = recording.duration
    opened.evaluate("(duration) => model('window').setv({start: 0, end: duration})", duration)
    opened.wait_for_function(f"() => model('markers_source').data.x.length == {len(times)}")
    drawn = opened.evaluate("() => model('markers_source').data")
    np.testing.assert_allclose(drawn["x"], times)
    assert len(set(drawn["colour"])) == len(set(drawn["unit"])) == 3
    opened.evaluate("() => { model('channels').value = ['0', '5', '9'] }")
    opened.wait_for_function("() => model('traces_source').data.xs.length == 3")
    opened.evaluate("() => { model('unit').value = '1' }")
    opened.wait_for_function("() => model('traces_source').data.xs.length == 8")
    assert opened.complaints == []


def test_page_fits_a_telephone(finished, browser):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((finished / "results" / "report.html").as_uri())
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    # Long headings do not push the first row down, and the words above the traces take several lines.
    heights = page.locator("table.sortable thead").evaluate_all("heads => heads.map((head) => head.offsetHeight)")
    assert max(heights) < 110
    page.add_init_script("window.model = (name) => Bokeh.documents[0].get_model_by_name(name)")
    page.reload()
    viewer_in_view(page)
    box = page.locator(".viewer").get_by_text("µV apart").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["height"] > 30
    page.locator("#libraries button.zoom").first.click()
    assert page.locator("dialog img").bounding_box()["width"] > 800  # enlarged, to be scrolled
    page.close()


def test_axe_finds_no_serious_fault_of_accessibility(opened):
    """It looks at the whole page, a cell and the viewer included; its rules say how bad a fault is."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    opened.locator("button.open").first.click()
    viewer_in_view(opened)
    for width in (1400, 420):
        opened.set_viewport_size({"width": width, "height": 900})
        faults = axe.Axe().run(opened).response["violations"]
        bad = [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in faults if fault["impact"] in SEVERE]
        assert bad == []
    opened.locator("button.open").first.click()


def test_tables_are_saved_and_figures_enlarged_by_the_keyboard(opened):
    opened.locator("button.csv[data-table=cell-table]").focus()
    with opened.expect_download() as download:
        opened.keyboard.press("Enter")
    saved = pd.read_csv(download.value.path(), dtype={"Model": str})
    assert sorted(saved["Model"]) == sorted(numbers(opened, "#cell-table", 0))
    assert not {"Flags", "Explained variance"} & set(saved.columns)  # no cell of this run has any
    opened.locator("#libraries button.zoom").first.focus()
    opened.keyboard.press("Enter")
    assert opened.locator("dialog").is_visible()
    opened.keyboard.press("Escape")
    assert not opened.locator("dialog").is_visible()
    assert opened.locator("img:not([alt])").count() == 0 and opened.locator("figure img[alt='']").count() == 0


def test_report_names_a_model_that_failed(workflow, finished, browser, tmp_path):
    """The other models are shown, and the figures of this one say why it failed. Once it is put right, the page is whole.

    Two runs of the library and its figures. There is no recording: its figures take as long, and show no model that failed.
    """
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    bad = folder / "allen_models" / "neuronal_model_4711"
    bad.mkdir()
    shutil.copy(ROOT / "config" / "cells.tsv", bad / "fit_parameters.json")
    with open(folder / "config" / "cells.tsv", "a") as file:
        file.write("4711\t\tspiny\n")
    config = yaml.safe_load((folder / "config" / "config.yaml").read_text())
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config | {"recordings": {}}))
    whole, so_far = folder / "results" / "report.html", folder / "results" / "report_so_far.html"
    snakemake(folder, "report", "--cores", "2")
    assert whole.exists() and not so_far.exists()
    caption = folder / "results" / "figures" / "cells" / "4711" / "morphology.txt"
    assert "reconstruction.swc is missing" in caption.read_text()
    page = browser.new_page()
    page.goto(whole.as_uri())
    assert "Model 4711: no spikes, because model 4711 failed in download_model:" in page.inner_text("#left-out")
    assert "reconstruction.swc is missing" in page.inner_text("#left-out")
    assert page.inner_text("#n-cells") == "3" and page.locator("#cell-table tr.row").count() == 4
    page.close()
    # Without the model the page is whole again
    shutil.copy(ROOT / "config" / "cells.tsv", folder / "config" / "cells.tsv")
    result = snakemake(folder, "report", "--cores", "2")
    assert result.returncode == 0, result.stderr
    assert 'id="missing"' not in whole.read_text(encoding="utf-8") and not so_far.exists()

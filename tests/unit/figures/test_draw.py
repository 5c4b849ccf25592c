"""A rule draws all of its figures with their captions, or cards that say why a model failed."""

from pathlib import Path

import pandas as pd
import pytest

from allenrec.common.outcomes import Failure, write_failure
from allenrec.evaluation.tables import COLUMNS
from allenrec.figures import draw as drawing
from allenrec.figures.drawings import DRAWINGS, figure_outputs
from allenrec.figures.nothing import reason_in
from allenrec.figures.register import caption
from allenrec.figures.style import card
from allenrec.intracellular.intracellular_file import Currents


def outputs(folder, rule):
    return [Path(path) for path in figure_outputs(str(folder), rule)]


def test_figures_are_written_with_their_captions(cell, tmp_path, monkeypatch):
    """The data is read once, and each function that figures take runs once."""
    calls = []

    def load(name, package="allenrec.figures"):
        if name == DRAWINGS["plot_cell"].reader:
            return lambda *paths, **names: calls.append((paths, names)) or cell
        return load_function(name, package)

    load_function = drawing.load_function
    monkeypatch.setattr(drawing, "load_function", load)
    paths = [Path(str(path).format(model="4711")) for path in outputs(tmp_path, "plot_cell")]
    assert isinstance(cell, Currents)
    drawing.draw("plot_cell", ["missing.h5"], paths)
    assert calls == [(("missing.h5",), {"model": "4711"})]
    assert {path.name for path in tmp_path.rglob("*.png")} == {path.name for path in paths}
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.with_suffix(".txt").read_text(encoding="utf-8") == caption("cells", path.stem) + "\n"


def test_values_that_several_figures_take_are_computed_once(noisy_recording, tmp_path, monkeypatch):
    counts = dict.fromkeys(("snippets:cut_spikes", "snippets:measure_noise"), 0)

    def load(name, package="allenrec.figures"):
        if name == DRAWINGS["plot_recording"].reader:
            return lambda path, **names: noisy_recording
        if name in counts:
            counts[name] += 1
            return load_function(name, package)
        return lambda data, *values: drawn.append((name, len(values))) or "figure"

    load_function, drawn = drawing.load_function, []
    monkeypatch.setattr(drawing, "load_function", load)
    monkeypatch.setattr(drawing, "save", lambda figure, path, caption: None)
    drawing.draw("plot_recording", ["recording.h5"], outputs(tmp_path, "plot_recording"))
    assert counts == dict.fromkeys(counts, 1)
    assert ("spike_statistics:amplitude_histogram", 2) in drawn and ("recordings:raster", 0) in drawn


@pytest.mark.parametrize("rule", ["plot_cell", "plot_mean_eap"])
def test_figures_of_a_failed_model_say_why(rule, tmp_path):
    write_failure(tmp_path / "4711.h5", Failure("4711", "simulate_spikes", "it does not fire at any step current"))
    paths = outputs(tmp_path, rule)
    drawing.draw(rule, [tmp_path / "4711.h5"], paths)
    for path in paths:
        assert path.exists()
        assert "it does not fire at any step current" in path.with_suffix(".txt").read_text(encoding="utf-8")


def test_a_card_shows_the_reason_in_full():
    reason = "no pose of 100,000 gave a template that is large enough; widen the limits or lower min_amp"
    drawn = card("EAP at typical poses", Failure("4711", "compute_eaps", reason))
    assert "EAP at typical poses" in drawn.get_suptitle()
    assert reason in " ".join(drawn.texts[-1].get_text().split())


def test_a_card_takes_the_place_of_an_empty_figure(noisy_recording, tmp_path, monkeypatch):
    """The recording has noise but no units: two figures are drawn, and all others say why not."""
    noisy_recording.units, noisy_recording.spike_trains, noisy_recording.spike_times = noisy_recording.units[:0], [], []
    noisy_recording.filtered_templates = noisy_recording.unfiltered_templates = noisy_recording.filtered_templates[:0]
    load_function = drawing.load_function
    monkeypatch.setattr(
        drawing,
        "load_function",
        lambda name, *package: (lambda path, **names: noisy_recording) if package else load_function(name),
    )
    paths = [Path(str(path).format(recording="demo")) for path in outputs(tmp_path, "plot_recording")]
    drawing.draw("plot_recording", ["recording.h5"], paths)
    reasons = {path.stem: reason_in(path.with_suffix(".txt").read_text(encoding="utf-8").strip()) for path in paths}
    assert {name for name, reason in reasons.items() if reason is None} == {"noise_spectrum", "traces"}
    assert set(reasons.values()) == {None, "the recording has no units"} and all(path.exists() for path in paths)


def test_several_tables_make_one_figure(tmp_path):
    tables = [tmp_path / f"{sorter}.csv" for sorter in ("simple", "kilosort4")]
    for path in tables:
        row = {"recording": "demo", "sorter": path.stem, "status": "failed", "message": "no GPU"}
        pd.DataFrame([row]).reindex(columns=COLUMNS).to_csv(path, index=False)
    (path,) = outputs(tmp_path, "plot_evaluation")
    path = Path(str(path).format(recording="demo"))
    drawing.draw("plot_evaluation", tables, [path])
    assert path.exists() and "spike sorters" in path.with_suffix(".txt").read_text(encoding="utf-8")


def test_figures_of_several_things_are_drawn_by_one_job(tmp_path):
    """Each from its own file: of one model on two probes, which failed on one of them only for a reason of its own."""
    reasons = {"first": "it does not fire", "second": "no pose gave a template"}
    for library, reason in reasons.items():
        write_failure(tmp_path / library / "4711.h5", Failure("4711", "compute_eaps", reason))
    (path,) = figure_outputs(str(tmp_path), "plot_mean_eap")
    paths = [Path(path.format(library=library, model="4711")) for library in reasons]
    drawing.draw("plot_mean_eap", [tmp_path / library / "4711.h5" for library in reasons], paths)
    for path, reason in zip(paths, reasons.values(), strict=True):
        assert path.exists() and reason in path.with_suffix(".txt").read_text(encoding="utf-8")

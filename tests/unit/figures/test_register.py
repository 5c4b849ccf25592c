"""The register of figures: every entry names what there is, and its text is plain."""

import re

import pytest

from allenrec.figures.drawings import DRAWINGS, figure_outputs, load_function
from allenrec.figures.register import FIGURES, FOLDERS, caption, pictures

#: Rules that draw one figure in a script of their own
OTHER_RULES = {"view_recording", "list_probes"}


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: f"{figure.kind}-{figure.name}")
def test_entry_names_functions_and_rules_that_exist(figure):
    assert figure.kind in FOLDERS and figure.rule in DRAWINGS.keys() | OTHER_RULES
    for name in (figure.function, *figure.takes):
        assert callable(load_function(name))
    # Captions are whole sentences without markup, because they are shown as they are.
    assert re.fullmatch(r"[A-Z][^\n*`{|]+\.", figure.caption) and len(figure.caption) > 40


def test_names_are_unique_and_lead_to_captions():
    names = [(figure.kind, figure.name) for figure in FIGURES]
    assert len(set(names)) == len(names)
    assert caption("recordings", "intervals").startswith("Intervals between successive spikes")
    assert "viewer" not in pictures("recordings") and list(pictures("cells"))[:2] == ["morphology", "soma_trace"]


def test_figures_of_a_rule_are_of_its_kind():
    for rule, drawing in DRAWINGS.items():
        assert rule == drawing.rule and drawing.figures and {figure.kind for figure in drawing.figures} == {drawing.kind}
        assert callable(load_function(drawing.reader, "allenrec"))


def test_outputs_logs_and_modules_of_a_rule():
    assert figure_outputs("figures", "plot_mean_eap") == ["figures/libraries/{library}/cells/{model}/mean_eap.png"]
    assert figure_outputs("figures", "plot_drift", ".txt") == ["figures/recordings/{recording}/drift.txt"]
    drawing = DRAWINGS["plot_mean_eap"]
    assert drawing.log == "models/{model}/plot_mean_eap.log"
    assert drawing.benchmark == "plot_mean_eap/{model}.tsv"
    assert drawing.modules == ["allenrec.figures.libraries", "allenrec.libraries.library_file"]
    assert {"allenrec.figures.recordings", "allenrec.figures.snippets"} < set(DRAWINGS["plot_recording"].modules)

"""The examples of docs/cell_models.md, through the real `snakemake`: refused, consented to, simulated, and put into a library.

One run serves all tests; it needs half a minute, because it simulates five models.
"""

import re
import shutil

import pandas as pd
import pytest
import yaml
from support import ROOT
from workflow.snake import snakemake

from allenrec import read_library
from allenrec.settings import load_settings

PAGE = (ROOT / "docs" / "cell_models.md").read_text()
#: Files in the page: a name, and the fenced text that follows
FILES = dict(re.findall(r"^`([\w./]+)`[^\n]*:\n\n```\w*\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
MODELS = ("bipolar", "stylized", "from_function", "like_mearec", "from_swc")
#: A model whose template never ends, in a configuration that gives it 20 seconds; one that fails; two that end the process
ENDLESS = "begintemplate Endless\ncreate soma\nproc init() { while (1) { x = 1 } }\nendtemplate Endless\n"
DEEP = "begintemplate Deep\ncreate soma\nproc init() { more($1) }\n\nproc more() {\n  more($1 + 1)\n}\nendtemplate Deep\n"
BAD = {
    "cell_models/endless/model.yaml": "kind: hoc\ntemplate_file: cell.hoc\ntemplate_name: Endless\n",
    "cell_models/endless/cell.hoc": ENDLESS,
    "cell_models/quits/model.yaml": "kind: hoc\ntemplate_file: cell.hoc\n",
    "cell_models/quits/cell.hoc": "create soma\nquit(1)\n",
    "cell_models/exits/model.yaml": "kind: python\nfunction: cell.py:load\n",
    "cell_models/exits/cell.py": "import os\n\ndef load(folder):\n    os._exit(1)\n",
    "cell_models/deep/model.yaml": "kind: hoc\ntemplate_file: cell.hoc\ntemplate_name: Deep\narguments: [1]\n",
    "cell_models/deep/cell.hoc": DEEP,
}
#: A model of the Allen Institute that a person unzipped without its morphology
UNZIPPED = "4711"
BAD_MODELS = tuple(dict.fromkeys(name.split("/")[1] for name in BAD))


def run(folder, *arguments):
    return snakemake(folder, "--configfile", "config/my_cells.yaml", "--cores", "2", *arguments)


def refusals(text):
    """Return the digests that refusals print, by the models."""
    return dict(re.findall(r"models: \{trusted: \{(\w+): ([0-9a-f]{64})\}\}", text))


@pytest.fixture(scope="module")
def example(workflow):
    """A folder with the files of the page and bad models, the first run, and the last two with consent.

    The model that never ends has a run of its own, so that it alone has little time.
    """
    folder = workflow("cell_models")
    for name, text in (FILES | BAD).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    config, table = folder / "config" / "my_cells.yaml", folder / "config" / "my_cells.tsv"
    table.write_text(table.read_text() + "".join(f"{model}\tbad\n" for model in (*BAD_MODELS, UNZIPPED)))
    unzipped = folder / "allen_models" / f"neuronal_model_{UNZIPPED}"
    unzipped.mkdir()
    shutil.copy(ROOT / "config" / "cells.tsv", unzipped / "fit_parameters.json")
    first = run(folder, "models")
    digests = refusals(first.stdout + first.stderr)
    content = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump(content | {"models": {"trusted": digests, "max_build_time": 3}}))
    endless = run(folder, "results/intracellular/endless.h5")
    assert endless.returncode == 1
    config.write_text(yaml.safe_dump(content | {"models": {"trusted": digests}}))
    rest = run(folder, "results/libraries/mine/templates.h5", "results/cells.csv", "results/left_out.csv")
    return folder, first, endless, rest


def test_page_has_every_kind():
    kinds = {yaml.safe_load(FILES[f"cell_models/{model}/model.yaml"])["kind"] for model in MODELS}
    assert kinds == {"hoc", "python", "swc"}


def test_code_is_refused_without_consent(example):
    """It waits for the run that all tests here read, which takes half a minute: eleven models, a process for each step."""
    first = example[1]
    assert set(refusals(first.stdout + first.stderr)) == {*MODELS, *BAD_MODELS} - {"from_swc"}
    assert "holds code, which would run with your rights" in first.stderr and "Traceback" not in first.stderr


def test_models_come_into_the_library(example):
    folder, _, _, second = example
    assert second.returncode == 0, second.stderr
    library = read_library(folder / "results" / "libraries" / "mine" / "templates.h5")
    assert set(library.cells["model_id"]) == set(MODELS)
    cells = pd.read_csv(folder / "results" / "cells.csv", dtype=str).set_index("model_id")
    assert dict(cells.loc[list(MODELS), "model_kind"]) == dict(
        zip(MODELS, ["hoc", "hoc", "python", "python", "swc"], strict=True)
    )


def test_code_that_never_ends_or_quits_is_the_failure_of_its_model(example):
    folder, _, endless, rest = example
    left_out = pd.read_csv(folder / "results" / "left_out.csv").set_index("model_id")["reason"]
    assert left_out["endless"] == "its code does not end: the cell was not built within models.max_build_time"
    for model in ("quits", "exits"):
        assert left_out[model].startswith("its code ended NEURON with exit code 1, as quit() in hoc or os._exit()")
    assert left_out["deep"].startswith("its hoc code fails: more call nested too deeply")
    assert "in `more` of cell.hoc, which begins in line 5" in left_out["deep"]
    for model in BAD_MODELS:  # one line each in the terminal, which names the model
        run_of_model = endless if model == "endless" else rest
        assert f"model {model} failed in simulate_spikes: {left_out[model]}\n" in run_of_model.stderr
    assert not list((folder / "results" / "intracellular").glob(".*.copy-*"))


def test_model_without_its_morphology_does_not_take_the_others_down(example):
    """It is named, and all stages go on without it; what the person put there stays."""
    folder, first, _, rest = example
    assert f"model {UNZIPPED} failed in download_model: " in first.stderr and "reconstruction.swc is missing" in first.stderr
    assert rest.returncode == 0 and "Traceback" not in rest.stderr
    assert f"{UNZIPPED},download_model," in (folder / "results" / "left_out.csv").read_text()
    assert (folder / "allen_models" / f"neuronal_model_{UNZIPPED}" / "fit_parameters.json").exists()


@pytest.mark.parametrize("model", ["bipolar", "from_function"])
def test_changed_file_withdraws_consent(example, model):
    folder = example[0]
    path = next(path for path in sorted((folder / "cell_models" / model).iterdir()) if path.suffix in (".hoc", ".py"))
    before = path.read_text()
    comment = "// changed\n" if path.suffix == ".hoc" else "# changed\n"
    try:
        path.write_text(before + comment)
        # At use: the record of the check is there, and the job that simulates reads another file
        simulated = f"results/intracellular/{model}.h5"
        used = run(folder, simulated, "--allowed-rules", "simulate_spikes", "--forcerun", "simulate_spikes")
        assert f"{path.name} was changed after it was checked" in used.stderr
        # At the fetch, which the changed file starts
        fetched = run(folder, f"results/mechanisms/{model}.json")
        assert "is not what models.trusted consents to" in fetched.stderr and model in refusals(fetched.stderr)
    finally:
        path.write_text(before)


def test_configuration_of_the_page_is_valid():
    load_settings(yaml.safe_load(FILES["config/my_cells.yaml"]))

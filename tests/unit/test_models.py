"""Model folders and their sources: what is sound is recorded, what is not is one message."""

import hashlib
import json
import shutil
import subprocess

import pytest
from support import WHEEL_MODELS

from allenrec.errors import UserError
from allenrec.models import read_model
from allenrec.sources import bmtk, fetch_model, files_of_a_person, read_metadata

MODEL = "473863510"


@pytest.mark.parametrize("model", WHEEL_MODELS)
def test_models_of_the_wheel_are_sound_and_recorded(model, models_folder):
    folder = models_folder / f"neuronal_model_{model}"
    verified = json.loads((folder / "verified.json").read_text())
    files = [folder / "fit_parameters.json", folder / "reconstruction.swc", *sorted((folder / "modfiles").iterdir())]
    assert len(files) == 18
    for path in files:
        assert verified[str(path.relative_to(folder))] == hashlib.sha256(path.read_bytes()).hexdigest()
    metadata = read_metadata(folder)
    assert metadata["id"] == int(model)
    assert metadata["allenrec"]["source"] == "bmtk" and metadata["allenrec"]["sha256"] == bmtk.WHEEL_SHA256
    assert read_model(folder).kind == "perisomatic"


def test_second_fetch_changes_nothing_and_asks_nobody(models_folder, monkeypatch):
    def no_process(*arguments, **options):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "run", no_process)
    folder = models_folder / f"neuronal_model_{MODEL}"
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert fetch_model(MODEL, models_folder, ["local", "bmtk"]) == folder
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_wheel_that_is_not_the_known_one_is_refused(tmp_path, monkeypatch):
    def other_wheel(command, **options):
        folder = command[command.index("--dest") + 1]
        with open(f"{folder}/{bmtk.WHEEL}", "wb") as file:
            file.write(b"PK something else")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(bmtk.subprocess, "run", other_wheel)
    with pytest.raises(UserError, match="the wheel has SHA-256"):
        fetch_model(MODEL, tmp_path, ["bmtk"])
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and "lock" not in p.name]


def test_pip_that_fails_is_one_message(tmp_path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: x\nERROR: No matching distribution found for bmtk==1.2.0\n")
    monkeypatch.setattr(bmtk.subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(UserError, match="ERROR: No matching distribution") as caught:
        fetch_model(MODEL, tmp_path, ["bmtk"])
    assert "\n" not in str(caught.value)


def test_unknown_model_is_named_with_those_that_there_are(tmp_path):
    with pytest.raises(UserError, match="model 4711: not found in local, bmtk") as caught:
        fetch_model("4711", tmp_path, ["local", "bmtk"])
    assert all(model in str(caught.value) for model in WHEEL_MODELS)


@pytest.fixture
def unzipped(models_folder, tmp_path):
    """A folder as a person unzips it: the archive's files, and no record of ours."""
    folder = tmp_path / f"neuronal_model_{MODEL}"
    shutil.copytree(models_folder / folder.name, folder)
    (folder / "verified.json").unlink()
    metadata = json.loads((folder / "model_metadata.json").read_text())
    del metadata["allenrec"]
    metadata["note"] = "mine"
    (folder / "model_metadata.json").write_text(json.dumps(metadata))
    return folder


def test_folder_of_a_person_is_used_and_kept(unzipped):
    assert len(files_of_a_person(unzipped)) == 18
    fetch_model(MODEL, unzipped.parent, ["local"])
    metadata = read_metadata(unzipped)
    assert metadata["note"] == "mine" and metadata["allenrec"]["source"] == "local"
    assert len(files_of_a_person(unzipped)) == 18
    before = (unzipped / "verified.json").read_bytes()
    (unzipped / "reconstruction.swc").write_bytes((unzipped / "reconstruction.swc").read_bytes() + b"# more\n")
    fetch_model(MODEL, unzipped.parent, ["local"])
    assert (unzipped / "verified.json").read_bytes() != before


def test_archive_without_metadata_is_used(unzipped):
    (unzipped / "model_metadata.json").unlink()
    fetch_model(MODEL, unzipped.parent, ["local"])
    assert read_metadata(unzipped)["allenrec"]["source"] == "local"


def test_folder_of_a_source_that_is_not_listed_is_left_alone(unzipped):
    with pytest.raises(UserError, match=r"holds files of the source 'local', which models\.sources does not list"):
        fetch_model(MODEL, unzipped.parent, ["bmtk"])
    assert "note" in read_metadata(unzipped)


def test_downloaded_folder_is_not_a_persons(models_folder):
    assert files_of_a_person(models_folder / f"neuronal_model_{MODEL}") == []
    assert files_of_a_person(models_folder / "neuronal_model_1") == []


def edit_fit(change):
    def damage(folder):
        path = folder / "fit_parameters.json"
        fit = json.loads(path.read_text())
        change(fit)
        path.write_text(json.dumps(fit))

    return damage


def write(name, text):
    return lambda folder: (folder / name).write_text(text)


def remove(*names):
    def damage(folder):
        for name in names:
            shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()

    return damage


def empty_modfiles(folder):
    for path in (folder / "modfiles").iterdir():
        path.unlink()


SWC = "1 1 0 0 0 5 -1\n2 3 0 10 0 1 1\n3 3 0 90 0 1 2\n"

DAMAGES = {
    "no fit": (remove("fit_parameters.json"), "fit_parameters.json is missing"),
    "no morphology": (remove("reconstruction.swc"), "reconstruction.swc is missing"),
    "no modfiles": (remove("modfiles"), "modfiles is missing"),
    "empty modfiles": (empty_modfiles, "modfiles: no mod file"),
    "fit is not JSON": (write("fit_parameters.json", "{'passive': "), "fit_parameters.json does not parse as JSON"),
    "fit is a list": (write("fit_parameters.json", "[]"), "does not hold a JSON object"),
    "metadata is not JSON": (write("model_metadata.json", "<html>"), "model_metadata.json does not parse as JSON"),
    "morphology is HTML": (write("reconstruction.swc", "<html>no</html>"), "reconstruction.swc is not an SWC file"),
    "morphology is empty": (write("reconstruction.swc", "# nothing\n"), "reconstruction.swc is not an SWC file"),
    "six columns": (write("reconstruction.swc", "1 1 0 0 0 5\n"), "rows of 7 finite numbers"),
    "no soma": (write("reconstruction.swc", SWC.replace("1 1 ", "1 3 ", 1)), "has no soma"),
    "unknown type": (write("reconstruction.swc", SWC + "4 7 0 0 0 1 1\n"), "rows of type 7"),
    "orphan": (write("reconstruction.swc", SWC + "4 3 0 0 0 1 99\n"), "names the parent 99"),
    "no radius": (write("reconstruction.swc", SWC + "4 3 0 0 0 0 1\n"), "radius that is not positive"),
    "no genome": (edit_fit(lambda fit: fit.pop("genome")), "has no list `genome`"),
    "no conditions": (edit_fit(lambda fit: fit.pop("conditions")), "has no list `conditions`"),
    "no v_init": (edit_fit(lambda fit: fit["conditions"][0].pop("v_init")), "has no `v_init` in conditions"),
    "half a passive block": (edit_fit(lambda fit: fit["passive"][0].pop("e_pas")), "only one of passive.e_pas"),
    "no capacitance of dendrites": (
        edit_fit(lambda fit: fit["passive"][0].update(cm=[{"section": "soma", "cm": 1.0}])),
        "gives no passive.cm for",
    ),
    "unknown mechanism": (remove("modfiles/NaTs.mod"), "no mod file in modfiles/ defines the mechanism 'NaTs'"),
    "value is text": (edit_fit(lambda fit: fit["genome"][0].update(value="much")), "`value` is 'much', not a number"),
    "value is not finite": (edit_fit(lambda fit: fit["genome"][0].update(value="nan")), "not a finite number"),
    "unknown section": (edit_fit(lambda fit: fit["genome"][0].update(section="glia")), "section 'glia'"),
    "code for a name": (
        edit_fit(lambda fit: fit["genome"][0].update(name="gbar_Im; import os", mechanism="Im")),
        "cannot be set in Im; what can be: g_Im, gbar_Im",
    ),
    "attribute for a name": (
        edit_fit(lambda fit: fit["genome"][0].update(name="__class__", mechanism="")),
        "'__class__' cannot be set",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_unsound_folder_is_one_message_with_the_model_and_the_file(damage, unzipped):
    change, expected = DAMAGES[damage]
    change(unzipped)
    with pytest.raises(UserError) as caught:
        fetch_model(MODEL, unzipped.parent, ["local", "bmtk"])
    message = str(caught.value)
    assert "\n" not in message and expected in message and MODEL in message
    assert not (unzipped / "verified.json").exists()


def test_values_given_as_text_are_read_for_all_active_models(shared_data, models_folder, tmp_path):
    folder = tmp_path / "neuronal_model_1"
    shutil.copytree(shared_data / "models" / "468193142_all_active", folder)
    shutil.copytree(models_folder / f"neuronal_model_{MODEL}" / "modfiles", folder / "modfiles")
    model = read_model(folder)
    assert model.kind == "all active" and model.e_pas is None and not model.capacitance
    by_name = {(p.section, p.name): p.value for p in model.parameters}
    assert by_name["soma", "g_pas"] == pytest.approx(0.000115204)

"""Sources of models: the wheel compared with digests and facts of its files, folders of the user, and every failure."""

import hashlib
import json
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from typing import get_args

import pytest
from made_data import archive_metadata, mouse_cells
from support import WHEEL_MODELS

from allenrec.common.errors import DamagedFile, UserError
from allenrec.common.files import read_json
from allenrec.models import read_metadata
from allenrec.models.sources import bmtk, fetch_model
from allenrec.models.sources.register import SOURCES, rule_inputs, source_keys
from allenrec.models.verified import require_verified
from allenrec.settings.models import Allen, Models

MODEL = "473863510"

#: Specimen, line, dendrite type, layer and morphology of each model, as in bmtk's own networks and the Allen Cell Types
#: Database
FACTS = {
    "472363762": (395830185, "Scnn1a-Tg3", "spiny", "4", "Scnn1a_473845048_m"),
    "473863510": (314804042, "Rorb", "spiny", "5", "Rorb_325404214_m"),
    "473863035": (318808427, "Nr5a1", "spiny", "2/3", "Nr5a1_471087815_m"),
    "472912177": (330080937, "Pvalb", "aspiny", "5", "Pvalb_470522102_m"),
    "473862421": (318331342, "Pvalb", "aspiny", "4", "Pvalb_469628681_m"),
}

#: Git's digests of the mod files, equal in bmtk, AllenSDK, ModelDB and OpenSourceBrain (Kv2like: in all but AllenSDK)
BLOBS = {
    **{"CaDynamics": "12af0659", "Ca_HVA": "84db2d3c", "Ca_LVA": "ab151d0e", "Ih": "73b97d84", "Im": "d6112d57"},
    **{"Im_v2": "fc219f71", "K_P": "0a1238f9", "K_T": "c31beaff", "Kd": "82cbe59a", "Kv2like": "1cbdf843"},
    **{"Kv3_1": "e2446577", "NaTa": "fcf7bd39", "NaTs": "f753e718", "NaV": "a7023956", "Nap": "ef8021ec", "SK": "8bfa3b72"},
}


def snapshot(folder):
    """Return every file below a folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def place(models_folder, tmp_path):
    """A folder for models that holds a copy of one, as fetched."""
    place = tmp_path / "allen_models"
    shutil.copytree(models_folder / f"neuronal_model_{MODEL}", place / f"neuronal_model_{MODEL}")
    return place


@pytest.fixture
def user_folder(place):
    """The same model as a user unzips it: the metadata of the archive, without our records."""
    folder = place / f"neuronal_model_{MODEL}"
    (folder / "verified.json").unlink()
    metadata = json.loads((folder / "model_metadata.json").read_text())
    del metadata["allenrec"]
    (folder / "model_metadata.json").write_text(json.dumps(metadata | {"my_note": "from the site"}))
    (folder / "README").write_text("of the archive")
    return folder


@pytest.fixture
def no_pip(monkeypatch):
    """Make every start of a process a failure."""

    def run(command, *args, **kwargs):
        raise AssertionError(f"{command} was run")

    monkeypatch.setattr(subprocess, "run", run)


@pytest.fixture
def fake_pip(monkeypatch, models_folder):
    """A replacement of pip that puts a wheel where it is asked to, or fails; it counts its calls."""

    class Pip:
        calls = 0
        wheel = (models_folder / "wheel" / bmtk.WHEEL).read_bytes()
        error = None

        def run(self, command, *args, **kwargs):
            self.calls += 1
            assert command[:4] == [sys.executable, "-m", "pip", "download"] and "--no-deps" in command
            assert bmtk.REQUIREMENT in command
            time.sleep(0.05)
            if self.error:
                # As pip does it: the notice comes last, unless it is switched off.
                silent = "--disable-pip-version-check" in command or not self.error.startswith("ERROR")
                notice = "" if silent else "\n[notice] A new release of pip is available: 24.0 -> 25.3\n"
                return subprocess.CompletedProcess(command, 1, "", self.error + notice)
            folder = command[command.index("--dest") + 1]
            with open(f"{folder}/{bmtk.WHEEL}", "wb") as file:
                file.write(self.wheel)
            return subprocess.CompletedProcess(command, 0, "", "")

    pip = Pip()
    monkeypatch.setattr(subprocess, "run", pip.run)
    return pip


def refused(place, match, model_id=MODEL, sources=("local", "bmtk")):
    """Check that a fetch fails with one line that names the model; return the line."""
    with pytest.raises(UserError, match=match) as caught:
        fetch_model(model_id, place, Models(sources=list(sources)))
    text = str(caught.value)
    assert "\n" not in text and model_id in text
    return text


def test_register_has_the_sources_of_the_configuration():
    """The settings import no source, so that the names stand in both places."""
    assert list(SOURCES) == list(get_args(get_args(Models.model_fields["sources"].annotation)[0]))
    assert all(name == source.name for name, source in SOURCES.items())


def test_rule_declares_the_keys_that_the_listed_sources_read():
    """The number of parallel downloads is not among them, nor keys of sources that are not listed."""
    keys = source_keys(Models(sources=["local", "allen"], axon="keep", allen=Allen(url="https://a.b", parallel=7)))
    assert keys == ["sources", "allen.url", "allen.timeout", "allen.retries", "allen.backoff"]
    assert source_keys(Models(sources=["bmtk"])) == ["sources"]


def test_list_of_the_wheel_is_the_one_of_the_facts():
    assert set(bmtk.CELLS) == set(FACTS) == set(WHEEL_MODELS)


@pytest.mark.parametrize("model_id", WHEEL_MODELS)
def test_folder_of_a_wheel_model_is_complete(models_folder, model_id):
    folder = models_folder / f"neuronal_model_{model_id}"
    assert {path.name for path in folder.iterdir()} == {
        "fit_parameters.json",
        "reconstruction.swc",
        "model_metadata.json",
        "verified.json",
        "modfiles",
    }
    blobs = {}
    for path in (folder / "modfiles").iterdir():
        content = path.read_bytes()
        blobs[path.stem] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()[:8]
        assert path.suffix == ".mod"
    assert blobs == BLOBS


@pytest.mark.parametrize("model_id", WHEEL_MODELS)
def test_fit_and_morphology_are_the_pair_of_the_facts(models_folder, model_id):
    """They are those of the wheel, byte by byte."""
    folder, inside = models_folder / f"neuronal_model_{model_id}", "bmtk/utils/scripts/bionet"
    with zipfile.ZipFile(models_folder / "wheel" / bmtk.WHEEL) as wheel:
        fit = wheel.read(f"{inside}/biophysical_neuron_models/{model_id}_fit.json")
        morphology = wheel.read(f"{inside}/morphologies/{FACTS[model_id][-1]}.swc")
    assert (folder / "fit_parameters.json").read_bytes() == fit
    assert (folder / "reconstruction.swc").read_bytes() == morphology


@pytest.mark.parametrize("model_id", WHEEL_MODELS)
def test_records_hold_the_digests_of_hashlib(models_folder, model_id):
    folder = models_folder / f"neuronal_model_{model_id}"
    content = snapshot(folder)
    del content["verified.json"]
    verified, metadata = read_json(folder / "verified.json", "record"), json.loads(content.pop("model_metadata.json"))
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    assert {name: digest for name, digest in verified.items() if name != "model_metadata.json"} == digests
    assert len(verified) == len(digests) + 1
    record = metadata["allenrec"]
    assert record["files"] == digests and record["source"] == "bmtk"
    wheel = (models_folder / "wheel" / "bmtk-1.2.0-py2.py3-none-any.whl").read_bytes()
    assert record["sha256"] == hashlib.sha256(wheel).hexdigest()
    assert "celltypes.brain-map.org" in record["citation"]


@pytest.mark.parametrize("model_id", WHEEL_MODELS)
def test_metadata_of_a_wheel_model_are_those_of_the_facts(models_folder, model_id):
    metadata = read_metadata(models_folder / f"neuronal_model_{model_id}")
    specimen_id, line, dendrite, layer, _ = FACTS[model_id]
    specimen = metadata["specimen"]
    assert metadata["id"] == int(model_id) and metadata["neuronal_model_template_id"] == 329230710
    assert metadata["specimen_id"] == specimen["id"] == specimen_id
    assert specimen["name"].startswith(line) and metadata["name"].endswith(specimen["name"])
    assert {"name": f"dendrite type - {dendrite}"} in specimen["specimen_tags"]
    assert specimen["structure"] == {"acronym": f"VISp{layer}", "name": f"Primary visual area, layer {layer}"}


def check_shape(ours, theirs, where="metadata"):
    """Every key that we write is where the archive has it."""
    for key in ours if isinstance(ours, dict) else ():
        assert key in theirs, f"{where}.{key}"
        check_shape(ours[key], theirs[key], f"{where}.{key}")
    if isinstance(ours, list):
        for entry in ours:
            check_shape(entry, {key: value for other in theirs for key, value in other.items()}, where)


def test_metadata_have_the_shape_of_an_archive(models_folder):
    ours = read_metadata(models_folder / f"neuronal_model_{MODEL}")
    ours.pop("allenrec")
    check_shape(ours, archive_metadata(mouse_cells()[0], 1))


def test_metadata_have_the_shape_of_a_real_archive(models_folder, shared_data):
    """Ours, and those that other tests make up."""
    real = json.loads((shared_data / "allen_zip_example" / "model_metadata.json").read_text())
    ours = read_metadata(models_folder / f"neuronal_model_{MODEL}")
    ours.pop("allenrec")
    check_shape(ours, real)
    check_shape(archive_metadata(mouse_cells()[0], 1), real)


def test_second_fetch_changes_nothing_and_downloads_nothing(place, no_pip):
    folder = place / f"neuronal_model_{MODEL}"
    before = snapshot(place)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix in (".mod", ".swc")}
    for sources in (["local", "bmtk"], ["bmtk"]):
        assert fetch_model(MODEL, place, Models(sources=sources)) == folder
    assert snapshot(place) == before
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_models_at_once_share_one_download(tmp_path, fake_pip):
    threads = [
        threading.Thread(target=fetch_model, args=(model, tmp_path / "m", Models(sources=["bmtk"]))) for model in WHEEL_MODELS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fake_pip.calls == 1
    assert len(list((tmp_path / "m").glob("neuronal_model_*/verified.json"))) == 5
    assert not list((tmp_path / "m").rglob("*.part*"))


def test_damaged_wheel_is_downloaded_again(tmp_path, fake_pip):
    (tmp_path / "wheel").mkdir()
    (tmp_path / "wheel" / bmtk.WHEEL).write_bytes(fake_pip.wheel[:1000])
    fetch_model(MODEL, tmp_path, Models(sources=["bmtk"]))
    assert fake_pip.calls == 1
    assert (tmp_path / "wheel" / bmtk.WHEEL).read_bytes() == fake_pip.wheel


def test_other_wheel_is_refused_and_nothing_is_left(tmp_path, fake_pip):
    fake_pip.wheel = fake_pip.wheel + b"\0"
    with pytest.raises(UserError, match=r"bmtk==1\.2\.0: the wheel has SHA-256 [0-9a-f]{64}, not d46d7407") as caught:
        fetch_model(MODEL, tmp_path, Models(sources=["local", "bmtk"]))
    assert "\n" not in str(caught.value) and hashlib.sha256(fake_pip.wheel).hexdigest() in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [".wheel.lock"]


@pytest.mark.parametrize(
    "error",
    [
        "ERROR: Could not find a version that satisfies the requirement bmtk==1.2.0\n"
        "ERROR: No matching distribution found for bmtk==1.2.0\n",
        "/usr/bin/python3: No module named pip (No matching distribution found)",
    ],
    ids=["not found", "no pip"],
)
def test_failure_of_pip_is_one_line_with_its_reason(tmp_path, fake_pip, error):
    fake_pip.error = error
    with pytest.raises(UserError, match=r"bmtk==1\.2\.0: .*No matching distribution found") as caught:
        fetch_model(MODEL, tmp_path, Models(sources=["local", "bmtk"]))
    assert "\n" not in str(caught.value) and "[notice]" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [".wheel.lock"]


def test_unknown_id_says_where_it_was_looked_for_and_what_there_is(tmp_path, no_pip):
    """318331342 is the id of a cell whose model is in the wheel; many users take one for the other."""
    text = refused(tmp_path, "not found in local, bmtk", "318331342")
    assert "id of a model, not of a cell" in text and all(model in text for model in WHEEL_MODELS)
    assert str(tmp_path / "neuronal_model_318331342") in text
    assert list(tmp_path.iterdir()) == []


def test_model_of_the_wheel_is_not_fetched_when_only_local_is_allowed(tmp_path, no_pip):
    refused(tmp_path, "not found in local ", sources=["local"])
    assert list(tmp_path.iterdir()) == []


def test_empty_folder_counts_as_none(tmp_path, fake_pip):
    """Snakemake makes the folder of an output before the rule runs."""
    (tmp_path / f"neuronal_model_{MODEL}").mkdir()
    assert read_metadata(fetch_model(MODEL, tmp_path, Models(sources=["local", "bmtk"])))["allenrec"]["source"] == "bmtk"


@pytest.mark.parametrize("sources", [["local", "bmtk"], ["bmtk", "local"], ["local"]])
def test_folder_of_the_user_is_used_as_it_is(user_folder, no_pip, sources):
    before = snapshot(user_folder)
    assert fetch_model(MODEL, user_folder.parent, Models(sources=sources)) == user_folder
    after = snapshot(user_folder)
    del after["verified.json"]
    verified = read_json(user_folder / "verified.json", "record")
    metadata, theirs = json.loads(after.pop("model_metadata.json")), json.loads(before.pop("model_metadata.json"))
    assert after == before
    assert metadata.pop("allenrec") == {
        "source": "local",
        "files": {name: digest for name, digest in verified.items() if name != "model_metadata.json"},
    }
    assert metadata == theirs and metadata["my_note"] == "from the site"
    assert "README" not in verified
    again = snapshot(user_folder)
    fetch_model(MODEL, user_folder.parent, Models(sources=sources))
    assert snapshot(user_folder) == again


def test_archive_of_2015_without_metadata_is_used(user_folder, no_pip):
    (user_folder / "model_metadata.json").unlink()
    fetch_model(MODEL, user_folder.parent, Models(sources=["local"]))
    assert set(read_metadata(user_folder)) == {"allenrec"}


def test_files_of_the_user_are_inputs_of_the_rule_and_those_of_a_source_are_not(place, user_folder, tmp_path):
    listed = rule_inputs(user_folder)
    assert {path.name for path in listed} >= {"fit_parameters.json", "reconstruction.swc", "NaV.mod"} and len(listed) == 18
    fetch_model(MODEL, place, Models(sources=["local"]))
    assert rule_inputs(user_folder) == listed, "also after the check has written its record"
    assert rule_inputs(tmp_path / "absent") == []
    shutil.rmtree(user_folder / "modfiles")
    assert rule_inputs(user_folder) == []


def test_changed_file_of_the_user_is_checked_again(user_folder):
    fetch_model(MODEL, user_folder.parent, Models(sources=["local"]))
    first = read_json(user_folder / "verified.json", "record")
    with open(user_folder / "reconstruction.swc", "a") as file:
        file.write("# a comment\n")
    fetch_model(MODEL, user_folder.parent, Models(sources=["local"]))
    second = read_json(user_folder / "verified.json", "record")
    assert [name for name in first if first[name] != second[name]] == ["reconstruction.swc"]


def test_files_of_a_source_are_not_fetched_when_it_is_not_listed(place, no_pip):
    before = snapshot(place)
    text = refused(place, "the source 'bmtk', which models.sources does not list", sources=["local"])
    assert str(place / f"neuronal_model_{MODEL}") in text and snapshot(place) == before


def test_folder_of_the_user_is_not_used_when_local_is_not_listed(user_folder, no_pip):
    refused(user_folder.parent, "the source 'local', which models.sources does not list", sources=["bmtk"])


@pytest.mark.parametrize("name", ["fit_parameters.json", "modfiles/NaV.mod"])
def test_changed_file_does_not_pass_as_one_of_the_wheel(place, no_pip, name):
    """The record of the folder names the wheel and the digests of its files."""
    path = place / f"neuronal_model_{MODEL}" / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert name in refused(place, "changed")


@pytest.mark.parametrize("record", ['{"allenrec": 5}', '{"allenrec": {}}', '{"allenrec": {"source": 1}}'])
def test_record_that_is_not_ours_is_none(user_folder, record):
    (user_folder / "model_metadata.json").write_text(record)
    fetch_model(MODEL, user_folder.parent, Models(sources=["local"]))
    assert read_metadata(user_folder)["allenrec"]["source"] == "local"


def write(path, text):
    path.write_text(text)


def change_fit(folder, function):
    path = folder / "fit_parameters.json"
    content = json.loads(path.read_text())
    function(content)
    path.write_text(json.dumps(content))


def empty_modfiles(folder):
    shutil.rmtree(folder / "modfiles")
    (folder / "modfiles").mkdir()


BROKEN = {
    "no fit": (lambda f: (f / "fit_parameters.json").unlink(), "fit_parameters.json"),
    "no morphology": (lambda f: (f / "reconstruction.swc").unlink(), "reconstruction.swc"),
    "no modfiles": (lambda f: shutil.rmtree(f / "modfiles"), "modfiles"),
    "empty modfiles": (empty_modfiles, "modfiles"),
    "fit no JSON": (lambda f: write(f / "fit_parameters.json", "{"), "fit_parameters.json"),
    "metadata no JSON": (lambda f: write(f / "model_metadata.json", "{"), "model_metadata.json"),
    "metadata a list": (lambda f: write(f / "model_metadata.json", "[1]"), "model_metadata.json"),
    "mechanism without mod file": (lambda f: (f / "modfiles" / "SK.mod").unlink(), "fit_parameters.json"),
    "morphology garbage": (lambda f: write(f / "reconstruction.swc", "<html>"), "reconstruction.swc"),
    "no soma": (lambda f: write(f / "reconstruction.swc", "1 3 0 0 0 1 -1\n"), "reconstruction.swc"),
    "not a number": (lambda f: change_fit(f, lambda c: c["genome"][0].update(value="x")), "fit_parameters.json"),
    "a GLIF archive": (
        lambda f: (f / "fit_parameters.json").rename(f / "neuron_config.json"),
        "fit_parameters.json",
    ),
}


@pytest.mark.parametrize(("damage", "file"), BROKEN.values(), ids=BROKEN)
def test_broken_folder_of_the_user_is_named_and_left_alone(user_folder, no_pip, damage, file):
    """The folder may be the only copy of the model. No `verified.json` is written."""
    damage(user_folder)
    before = snapshot(user_folder)
    text = refused(user_folder.parent, MODEL)
    assert str(user_folder / file) in text
    assert snapshot(user_folder) == before
    assert [path.name for path in user_folder.parent.iterdir()] == [user_folder.name]


@pytest.mark.parametrize(
    "name",
    [
        *("modfiles/Ih.mod", "fit_parameters.json", "reconstruction.swc", "modfiles/New.mod", "verified.json"),
        "model_metadata.json",
    ],
)
def test_files_that_were_changed_after_the_check_are_named(name, models_folder, tmp_path):
    folder = tmp_path / "neuronal_model_473863510"
    shutil.copytree(models_folder / folder.name, folder)
    require_verified(folder)
    with open(folder / name, "a", encoding="utf-8") as file:
        file.write(": changed\n")
    with pytest.raises(DamagedFile, match="forcerun download_model") as caught:
        require_verified(folder)
    assert str(folder / name) in str(caught.value) and "\n" not in str(caught.value)

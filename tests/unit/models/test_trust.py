"""Consent to models that are code: what the digest covers, and the line that a refusal gives."""

import re
import shutil

import pytest
import yaml
from support import BBP_MODELS

from allenrec.common.errors import UserError
from allenrec.models.kinds.folders import contents_of
from allenrec.models.pinned import PINNED_MODELS
from allenrec.models.sources import fetch_model
from allenrec.models.trust import model_digest, require_consent
from allenrec.settings.models import Models

MODEL = BBP_MODELS[0]


@pytest.fixture
def place(cell_models_folder, tmp_path):
    """A folder for models with a copy of a model of the wheel, under a name of the user's own."""
    folder = shutil.copytree(cell_models_folder / MODEL, tmp_path / "cell_models" / "mine")
    for name in ("verified.json", "model_metadata.json"):
        (folder / name).unlink()
    return folder.parent


def fetch(place, trusted=()):
    return fetch_model("mine", place, Models(sources=["local"], trusted=dict(trusted)))


def consent_in(message):
    """Return the block of configuration that a refusal tells to write."""
    return yaml.safe_load(re.search(r"`(models: .*?)` into the configuration", message)[1])["models"]["trusted"]


def refusal(place, trusted=()):
    with pytest.raises(UserError) as caught:
        fetch(place, trusted)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("model mine: ")
    return str(caught.value)


def test_a_copy_of_a_known_model_needs_no_consent(place):
    assert fetch(place).name == "mine"


CHANGES = {
    "hoc": lambda folder: (folder / "biophysics.hoc").open("a").write("\n// mine\n"),
    "data": lambda folder: (folder / "current_amps.dat").write_text("0"),
    "mod file": lambda folder: (folder / "mechanisms" / "Ih.mod").open("a").write("\n"),
    "file added": lambda folder: (folder / "synapses" / "more.hoc").write_text(""),
    "hidden file added": lambda folder: (folder / ".hoc").write_text(""),
    "file removed": lambda folder: (folder / "README").unlink(),
    "file renamed": lambda folder: (folder / "README").rename(folder / "README2"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_asks_for_consent_which_holds_until_the_next_change(change, place):
    CHANGES[change](place / "mine")
    message = refusal(place)
    assert "holds code" in message
    consent = consent_in(message)
    assert fetch(place, consent).name == "mine"
    (place / "mine" / "template.hoc").open("a").write("\n")
    assert "a file was changed" in (again := refusal(place, consent)) and consent_in(again) != consent


def test_consent_is_to_one_model_under_its_name(place):
    CHANGES["hoc"](place / "mine")
    (digest,) = consent_in(refusal(place)).values()
    assert "holds code" in refusal(place, {"other": digest})


def test_names_and_contents_cannot_trade_places():
    parts = [{"a": b"bc"}, {"ab": b"c"}, {"a": b"b", "c": b""}, {"a": b"", "bc": b""}, {}]
    assert len(set(map(model_digest, parts))) == len(parts)


def test_records_of_ours_do_not_count(cell_models_folder):
    folder = cell_models_folder / MODEL
    assert (folder / "verified.json").exists() and (folder / "model_metadata.json").exists()
    contents = contents_of(folder)
    assert model_digest(contents) == PINNED_MODELS[MODEL] and "template.hoc" in contents
    require_consent("any name", folder, contents, {})

"""The source `mearec`: models of the pinned wheel, byte by byte, and nothing that the wheel does not have."""

import json
import subprocess
import sys
import zipfile

import pytest
from support import BBP_MODELS

from allenrec.common.errors import Unavailable, UserError
from allenrec.models.pinned import PINNED_MODELS
from allenrec.models.sources import fetch_model, mearec
from allenrec.settings.models import Models

MODEL = BBP_MODELS[0]


@pytest.fixture
def pip(monkeypatch, cell_models_folder):
    """A replacement of pip that puts a wheel where it is asked to; it notes its calls."""

    class Pip:
        calls = 0
        wheel = (cell_models_folder / ".wheel" / mearec.WHEEL.file_name).read_bytes()

        def run(self, command, *args, **kwargs):
            self.calls += 1
            assert command[:4] == [sys.executable, "-m", "pip", "download"] and "--no-deps" in command
            assert command[-1] == "mearec==1.11.0"
            with open(f"{command[command.index('--dest') + 1]}/{mearec.WHEEL.file_name}", "wb") as file:
                file.write(self.wheel)
            return subprocess.CompletedProcess(command, 0, "", "")

    pip = Pip()
    monkeypatch.setattr(subprocess, "run", pip.run)
    return pip


def test_models_are_those_of_the_wheel_which_is_downloaded_once(pip, tmp_path):
    for model in BBP_MODELS:
        folder = fetch_model(model, tmp_path / "models", Models())
        with zipfile.ZipFile(folder.parent / ".wheel" / mearec.WHEEL.file_name) as wheel:
            prefix = f"MEArec/cell_models/bbp/{model}/"
            inside = {name.removeprefix(prefix): wheel.read(name) for name in wheel.namelist() if name.startswith(prefix)}
        files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        verified, metadata = (json.loads(files.pop(name)) for name in ("verified.json", "model_metadata.json"))
        assert files == inside and set(verified) == {*files, "model_metadata.json", "sha256"}
        record = metadata["allenrec"]
        assert record["source"] == "mearec" and record["licence"] == "CC BY-NC-SA 4.0" and "Markram" in record["citation"]
    assert pip.calls == 1


def test_another_wheel_is_not_used(pip, tmp_path):
    pip.wheel = pip.wheel[:-1] + bytes([pip.wheel[-1] ^ 1])
    with pytest.raises(Unavailable, match=r"mearec==1.11.0: the wheel has SHA-256 .*; it is not used"):
        fetch_model(MODEL, tmp_path / "models", Models())
    assert not (tmp_path / "models" / MODEL).exists()


@pytest.mark.parametrize("model", ["mine", "L5_TTPC1_cADpyr232_2"])
def test_no_source_is_asked_for_a_model_that_it_cannot_have(model, pip, tmp_path):
    """Neither the index nor the Allen site, which is not there: the message says at once where a folder can be put."""
    site = {"url": "http://127.0.0.1:9", "retries": 0}
    with pytest.raises(UserError, match=f"model {model}: not found in local, bmtk, mearec, allen") as caught:
        fetch_model(model, tmp_path / "models", Models(allen=site))
    assert pip.calls == 0 and str(tmp_path / "models" / model) in str(caught.value) and MODEL in str(caught.value)


def test_wheel_has_13_models(cell_models_folder):
    with zipfile.ZipFile(cell_models_folder / ".wheel" / mearec.WHEEL.file_name) as wheel:
        assert {name.split("/")[3] for name in wheel.namelist() if name.startswith("MEArec/cell_models/bbp/L")} == set(
            PINNED_MODELS
        )


def test_changed_file_of_the_wheel_is_refused(cell_models_folder, tmp_path, pip):
    folder = fetch_model(MODEL, tmp_path, Models())
    (folder / "biophysics.hoc").open("a").write("\n")
    with pytest.raises(UserError, match="holds code, which would run with your rights"):
        fetch_model(MODEL, tmp_path, Models())

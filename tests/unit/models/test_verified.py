"""What is used is what was checked: files of a model, and compiled libraries, that change between the check and the use."""

import hashlib
import json
import platform
import shutil
import stat

import pytest
from support import run_python

from allenrec.common.errors import DamagedFile, UserError
from allenrec.common.files import write_json
from allenrec.models.mechanisms import compile_set, read_compiled_library
from allenrec.models.nrnivmodl import library_file
from allenrec.models.verified import approved_set, read_verified, verified_copy, verified_mod_files

MODEL = "473863510"


@pytest.fixture
def model(models_folder, tmp_path):
    """A copy of a model folder."""
    return shutil.copytree(models_folder / f"neuronal_model_{MODEL}", tmp_path / f"neuronal_model_{MODEL}")


@pytest.fixture
def approval(model, mechanisms, tmp_path):
    """Compiled mechanisms, and the file that approves them, as the job `compile_mechanisms` writes it."""
    root = tmp_path / "mechanisms"
    shutil.copytree(mechanisms, root / mechanisms.name)
    library = hashlib.sha256(library_file(mechanisms).read_bytes()).hexdigest()
    path = root / f"{MODEL}.json"
    write_json(path, {"digest": mechanisms.name, "library": library, "notes": []}, checked=True)
    return path


def put_name(folder):
    (folder / "modfiles" / "`id`.mod").write_bytes((folder / "modfiles" / "Ih.mod").read_bytes())


def change_metadata(folder, **changes):
    path = folder / "model_metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def replace_by_folder(folder):
    (folder / "fit_parameters.json").unlink()
    (folder / "fit_parameters.json").mkdir()


CHANGES = {
    "mod file": lambda folder: (folder / "modfiles" / "Ih.mod").write_text("VERBATIM"),
    "mod file removed": lambda folder: (folder / "modfiles" / "Ih.mod").unlink(),
    "mod files removed": lambda folder: shutil.rmtree(folder / "modfiles"),
    "mod file added": lambda folder: shutil.copy(folder / "modfiles" / "Ih.mod", folder / "modfiles" / "Ih2.mod"),
    "name that is code": put_name,
    "fit": lambda folder: (folder / "fit_parameters.json").write_text("{}"),
    "fit removed": lambda folder: (folder / "fit_parameters.json").unlink(),
    "fit is a folder": replace_by_folder,
    "morphology": lambda folder: (folder / "reconstruction.swc").write_bytes(b"1 1 0 0 0 1 -1\n"),
    "sweeps added": lambda folder: (folder / "ephys_sweeps.json").write_text("[]"),
    "metadata": lambda folder: change_metadata(folder, specimen_id=1),
    "metadata cut": lambda folder: (folder / "model_metadata.json").write_text('{"id": 47'),
    "metadata removed": lambda folder: (folder / "model_metadata.json").unlink(),
    "record removed": lambda folder: (folder / "verified.json").unlink(),
    "record nested": lambda folder: (folder / "verified.json").write_text("[" * 100_000),
    "record of another form": lambda folder: (folder / "verified.json").write_text("[]"),
    "record without its digest": lambda folder: (folder / "verified.json").write_text("{}"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_model_that_changed_after_its_check_is_not_used(name, model):
    CHANGES[name](model)
    with pytest.raises(DamagedFile, match="check the model again with `snakemake --forcerun download_model`") as caught:
        read_verified(model)
    assert str(model) in str(caught.value) and "\n" not in str(caught.value)


def test_copy_holds_the_checked_bytes_whatever_happens_to_the_folder(model, tmp_path):
    files = [path for path in model.rglob("*") if path.is_file() and path.name != "verified.json"]
    before = {str(path.relative_to(model)): path.read_bytes() for path in files}
    contents = read_verified(model)
    for path in files:
        path.write_text("changed")
    place = tmp_path / "place"
    (place / f".{model.name}.copy-left").mkdir(parents=True)
    with verified_copy(model, contents, place) as copy:
        assert copy.name == model.name and stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
        assert {name: (copy / name).read_bytes() for name in before} == before == contents
        assert [path.parent for path in place.iterdir()] == [place]
    assert list(place.iterdir()) == []


def test_error_about_the_copy_names_the_folder_itself(model, tmp_path):
    with (
        pytest.raises(UserError, match=r"reconstruction.swc has no axon") as caught,
        verified_copy(model, read_verified(model), tmp_path) as copy,
    ):
        raise UserError(f"{copy / 'reconstruction.swc'} has no axon")
    assert str(caught.value) == f"{model / 'reconstruction.swc'} has no axon"


def test_approved_library_is_found_and_another_one_is_compiled_anew(model, approval, monkeypatch):
    """The compiler is replaced by a function; the test counts its calls."""
    calls, contents = [], read_verified(model)

    def compiled(texts, *arguments, **options):
        calls.append(sorted(texts))
        return b"library"

    monkeypatch.setattr("allenrec.models.mechanisms.compile_library", compiled)
    found = approved_set(model, contents, approval, isolated=True)
    assert calls == [] and found.library == json.loads(approval.read_text())["library"]
    # Somebody changes the library and the record beside it.
    library_file(found.folder).write_bytes(b"evil")
    record = json.loads((found.folder / "build.json").read_text()) | {"sha256": hashlib.sha256(b"evil").hexdigest()}
    (found.folder / "build.json").write_text(json.dumps(record))
    assert read_compiled_library(found.folder) == b"evil"  # without the approval it is as good as any other
    assert approved_set(model, contents, approval, isolated=True).library == hashlib.sha256(b"library").hexdigest()
    assert calls == [[file.path.name for file in verified_mod_files(model, contents)]]
    assert library_file(found.folder).read_bytes() == b"library"
    shutil.rmtree(found.folder)
    approved_set(model, contents, approval, isolated=True)
    assert len(calls) == 2


def test_our_own_record_in_the_metadata_is_no_part_of_the_model(model):
    change_metadata(model, allenrec={"source": "elsewhere"})
    assert "model_metadata.json" in read_verified(model)


@pytest.mark.parametrize("record", ['{"digest": "0", "library": "0"}', '{"digest": "0"}', "{", "[]", {"digest": "0"}])
def test_mod_files_that_nobody_approved_are_not_compiled(record, model, approval):
    approval.write_text(record) if isinstance(record, str) else write_json(approval, record, checked=True)
    with pytest.raises(DamagedFile, match="forcerun compile_mechanisms") as caught:
        approved_set(model, read_verified(model), approval, isolated=True)
    assert str(approval) in str(caught.value) and "\n" not in str(caught.value)


def test_library_is_checked_when_it_is_read(mechanisms, tmp_path):
    folder = shutil.copytree(mechanisms, tmp_path / "set")
    content = library_file(folder).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert read_compiled_library(folder) == read_compiled_library(folder, digest) == content
    library_file(folder).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    for approved in (None, digest):
        with pytest.raises(DamagedFile, match=rf"libnrnmech.so is not the library .*{digest}.*delete"):
            read_compiled_library(folder, approved)
    library_file(folder).unlink()
    with pytest.raises(UserError, match="no compiled mechanisms for this kind of machine"):
        read_compiled_library(folder)


def test_library_is_the_same_to_the_byte_when_it_is_compiled_again(models_folder, tmp_path):
    """So that the approval of one model holds after the library was compiled again for another one."""
    modfiles = tmp_path / "modfiles"
    modfiles.mkdir()
    shutil.copy(models_folder / f"neuronal_model_{MODEL}" / "modfiles" / "CaDynamics.mod", modfiles)
    first = compile_set(modfiles, tmp_path / "root")
    shutil.rmtree(first.folder)
    assert compile_set(modfiles, tmp_path / "root") == first


MECHANISMS = """
import json, os
os.environ["NRN_NMODL_PATH"] = os.environ["FOUND"]
from allenrec.intracellular import nrn, simulation
from neuron import h
def names():
    kinds, name = h.MechanismType(0), h.ref("")
    for i in range(int(kinds.count())):
        kinds.select(i)
        kinds.selected(name)
        yield name[0]
before = [*names()]
try:
    nrn.load_mechanisms(nrn.Path(sys.argv[1]), sys.argv[2])
except Exception as error:
    print(json.dumps([before, [*names()], type(error).__name__]))
else:
    print(json.dumps([before, [*names()], ""]))
"""


def test_neuron_loads_the_approved_library_only(mechanisms, tmp_path, monkeypatch):
    """By itself NEURON also loads what it finds in the working directory and in the folders of a variable."""
    shutil.copytree(library_file(mechanisms).parent, tmp_path / platform.machine())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOUND", str(tmp_path))
    approved = hashlib.sha256(library_file(mechanisms).read_bytes()).hexdigest()
    before, after, error = run_python(MECHANISMS, mechanisms, approved)
    assert "Kv3_1" not in before and "Kv3_1" in after and error == ""
    before, after, error = run_python(MECHANISMS, mechanisms, "0" * 64)
    assert "Kv3_1" not in after and error == "DamagedFile"


def test_files_of_a_model_are_compared_without_large_packages():
    """The job that compiles mechanisms begins with this for each model; only its lock then loads asyncio."""
    large = {"numpy", "pydantic", "asyncio", "neuron"}
    code = "import json, sys, allenrec.models.verified, allenrec.models.mechanisms; print(json.dumps(sorted(sys.modules)))"
    assert not large & set(run_python(code))

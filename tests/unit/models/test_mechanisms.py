"""Mod files: what they declare is compared with NEURON; each distinct set is compiled once."""

import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from support import ROOT, WHEEL_MODELS, run_python

from allenrec.common.errors import UserError
from allenrec.common.isolation import missing_isolation
from allenrec.models.mechanisms import (
    KNOWN_MOD_FILES,
    check_mod_files,
    compile_mechanisms,
    declared_mechanisms,
    mechanisms_digest,
    mod_file_digest,
)


@pytest.fixture(scope="session")
def modfiles(models_folder):
    """The mod files of a real model."""
    return models_folder / f"neuronal_model_{WHEEL_MODELS[0]}" / "modfiles"


@pytest.fixture
def one_file(modfiles, tmp_path):
    """A folder with a single mod file, which compiles in two seconds; its path has a space."""
    folder = tmp_path / "mod files"
    folder.mkdir()
    shutil.copy(modfiles / "CaDynamics.mod", folder)
    return folder


def test_mod_files_of_the_models_are_known_by_their_names(modfiles):
    assert {path.stem: KNOWN_MOD_FILES[mod_file_digest(path)] for path in modfiles.glob("*.mod")} == {
        path.stem: path.stem for path in modfiles.glob("*.mod")
    }
    assert check_mod_files(modfiles) == []
    # Those of the archives, of the newer all-active fits, and of the Blue Brain Project under names of its own
    assert len(set(KNOWN_MOD_FILES.values())) == 16 + 5 + 7


def test_line_ends_do_not_make_a_mod_file_unknown(one_file):
    path = one_file / "CaDynamics.mod"
    path.write_bytes(b"\r\n" + path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b" \t\r\n") + b"\r\n\r\n")
    assert check_mod_files(one_file) == []


def test_unknown_mod_file_is_named_and_stops_unless_it_is_trusted(one_file):
    path = one_file / "CaDynamics.mod"
    path.write_text(path.read_text().replace("gamma = 0.05", "gamma = 0.06"))
    with pytest.raises(UserError, match=r"CaDynamics.mod is not one of .* models.known_mechanisms") as caught:
        check_mod_files(one_file)
    assert "VERBATIM" not in str(caught.value) and "\n" not in str(caught.value)
    for known in (mod_file_digest(path), hashlib.sha256(path.read_bytes()).hexdigest()):
        assert known in str(caught.value) or known != mod_file_digest(path)
        assert len(check_mod_files(one_file, known=[known])) == 1
    with pytest.raises(UserError):
        check_mod_files(one_file, known=["0" * 64])


def test_c_code_in_a_mod_file_is_always_named(one_file):
    path = one_file / "CaDynamics.mod"
    path.write_text(path.read_text() + '\nVERBATIM\nsystem("true");\nENDVERBATIM\n')
    with pytest.raises(UserError, match=r"CaDynamics.mod is not one of .* with a VERBATIM block of C code"):
        check_mod_files(one_file)
    for trusted in ({"known": [mod_file_digest(path)]}, {"allow_unknown": True}):
        assert "with a VERBATIM block of C code" in check_mod_files(one_file, **trusted)[0]


def snapshot(folder):
    """Return every path below a folder, with its times and content."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_ino, path.is_file() and path.read_bytes())
        for path in Path(folder).rglob("*")
    }


def test_digest_is_independent_of_order_line_ends_and_place(modfiles, tmp_path):
    """Real mod files: NaV comes with CRLF in some archives and with LF in others."""
    digest = mechanisms_digest(modfiles)
    assert len(digest) == 64 and int(digest, 16)
    for ends in (b"\n", b"\r\n"):
        other = tmp_path / ends.hex()
        other.mkdir()
        for path in sorted(modfiles.glob("*.mod"), reverse=True):
            (other / path.name).write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", ends))
        (other / "README").write_text("not a mod file")
        assert mechanisms_digest(other) == digest


def test_digest_is_the_same_for_all_models_of_the_wheel(models_folder):
    assert len({mechanisms_digest(folder / "modfiles") for folder in models_folder.glob("neuronal_model_*")}) == 1


def test_digest_changes_with_content_names_and_their_borders(tmp_path):
    sets = [
        {"a.mod": "12", "b.mod": "3"},
        {"a.mod": "1", "b.mod": "23"},
        {"a.mod": "123", "b.mod": ""},
        {"a.mod": "12", "c.mod": "3"},
        {"a.mod": "3", "b.mod": "12"},
        {"A.mod": "12", "b.mod": "3"},
        {"a.mod": "12"},
        {"a.mod": "12b.mod3"},
        {"a.mod": "12", "b.mod": "3", "c.mod": ""},
    ]
    digests = set()
    for index, content in enumerate(sets):
        (tmp_path / str(index)).mkdir()
        for name, text in content.items():
            (tmp_path / str(index) / name).write_text(text)
        digests.add(mechanisms_digest(tmp_path / str(index)))
    assert len(digests) == len(sets)


NAMES_IN_NEURON = """
import json, os
os.chdir("/")
import neuron
from neuron import h
assert neuron.load_mechanisms(sys.argv[1])
def names(mechanism, kind):
    standard, name = h.MechanismStandard(mechanism, kind), h.ref("")
    for i in range(int(standard.count())):
        standard.name(name, i)
        yield name[0].removesuffix("_" + mechanism)
parameter, assigned, of_all = 1, 2, -1
print(json.dumps({m: [[*names(m, parameter), *names(m, assigned)], [*names(m, of_all)]] for m in sys.argv[2:]}))
"""


@pytest.fixture(scope="module")
def in_neuron(modfiles, mechanisms):
    """The range and global variables of each mechanism, as NEURON itself names them."""
    return run_python(NAMES_IN_NEURON, mechanisms, *sorted(declared_mechanisms(modfiles)))


def test_declared_range_parameters_are_those_of_neuron(modfiles, in_neuron):
    declared = declared_mechanisms(modfiles)
    assert len(declared) == 16
    assert {name: set(d.range_parameters) for name, d in declared.items()} == {
        name: set(parameters) for name, (parameters, _) in in_neuron.items()
    }


def test_declared_global_parameters_are_those_of_neuron(modfiles, in_neuron):
    """In NMODL a PARAMETER that is not in RANGE is global, without being declared so; old fits set some."""
    declared = {name: set(d.global_parameters) for name, d in declared_mechanisms(modfiles).items()}
    assert declared["K_T"] == {"vshift", "mTauF", "hTauF"} and declared["Ih"] == {"ehcn"}
    assert declared == {name: set(of_all) for name, (_, of_all) in in_neuron.items()}


def test_comments_declare_nothing(tmp_path):
    (tmp_path / "x.mod").write_text(
        "TITLE x\nCOMMENT\nNEURON { SUFFIX no }\nENDCOMMENT\n: NEURON { SUFFIX never }\n"
        "NEURON {\n  SUFFIX yes : SUFFIX no\n  RANGE a,\n    b : , c\n  GLOBAL d, e\n  : RANGE f\n}\nPARAMETER { a = 1 }\n"
    )
    (tmp_path / "point.mod").write_text("NEURON { POINT_PROCESS Synapse RANGE w }\n")
    (declared,) = declared_mechanisms(tmp_path).items()
    assert declared[0] == "yes" and declared[1].range_parameters == {"a", "b"}
    assert declared[1].global_parameters == {"d", "e"}


@pytest.mark.parametrize("function", [mechanisms_digest, declared_mechanisms, lambda f: compile_mechanisms(f, f.parent / "m")])
def test_folder_without_mod_files_is_refused(tmp_path, function):
    """nrnivmodl itself calls that a success."""
    folder = tmp_path / "modfiles"
    with pytest.raises(UserError, match="no mod file"):
        function(folder)
    folder.mkdir()
    (folder / "README.txt").write_text("")
    with pytest.raises(UserError, match="no mod file") as caught:
        function(folder)
    assert str(folder) in str(caught.value)


def test_compiled_set_is_whole_and_nothing_else(mechanisms, modfiles):
    assert mechanisms.is_absolute() and mechanisms.name == mechanisms_digest(modfiles)
    names = {path.name for path in mechanisms.rglob("*") if path.is_file()}
    assert names == {path.name for path in modfiles.glob("*.mod")} | {"libnrnmech.so", "build.json"}
    assert json.loads((mechanisms / "build.json").read_text())["neuron"] == version("neuron")
    # Beside it are other sets, which other tests compile, and no folder that was left behind.
    others = [path.name for path in mechanisms.parent.iterdir() if not re.fullmatch(r"[0-9a-f]+", path.name)]
    assert set(others) <= {".lock"}


def test_second_call_is_fast_and_touches_nothing(mechanisms, modfiles):
    before = snapshot(mechanisms)
    start = time.perf_counter()
    assert compile_mechanisms(modfiles, mechanisms.parent) == mechanisms
    assert time.perf_counter() - start < 1
    assert snapshot(mechanisms) == before


def test_relative_paths_and_spaces_leave_the_working_directory_alone(one_file, tmp_path, monkeypatch):
    """The seed notebook changes into the folder of the model."""
    monkeypatch.chdir(tmp_path)
    before = snapshot(one_file)
    folder = compile_mechanisms(one_file.name, "out put")
    assert folder == tmp_path / "out put" / mechanisms_digest(one_file)
    assert len(list(folder.glob("*/libnrnmech.so"))) == 1
    assert Path.cwd() == tmp_path and snapshot(one_file) == before
    assert {path.name for path in tmp_path.iterdir()} == {"mod files", "out put"}
    assert run_python(NAMES_IN_NEURON, folder, "CaDynamics")["CaDynamics"][0]


COMPILE = """
import time
sys.executable = sys.argv[1]
from allenrec.models.mechanisms import compile_mechanisms
while time.time() < float(sys.argv[4]):
    time.sleep(0.001)
print(compile_mechanisms(sys.argv[2], sys.argv[3]))
"""


@pytest.fixture
def counting(tmp_path):
    """An interpreter's folder whose `nrnivmodl` writes a line for each call, and then is the real one; and its record."""
    folder, record = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    real = Path(sys.executable).parent / "nrnivmodl"
    (folder / "nrnivmodl").write_text(f'#!/bin/sh\necho called >> "{record}"\nexec "{real}" "$@"\n')
    (folder / "nrnivmodl").chmod(0o755)
    return folder / "python", record


def test_processes_at_once_compile_once(one_file, counting, tmp_path):
    python, record = counting
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'scripts')!r})\n{COMPILE}"
    command = [sys.executable, "-c", code, python, one_file, tmp_path / "root", str(time.time() + 0.5)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs == [f"{tmp_path / 'root' / mechanisms_digest(one_file)}\n"] * 2
    assert record.read_text() == "called\n"


def test_set_is_built_anew_when_its_library_is_gone_or_of_another_neuron(one_file, counting, tmp_path, monkeypatch):
    """nrnivmodl is replaced by a script that only leaves a library; the test counts its calls."""
    python, record = counting
    (python.parent / "nrnivmodl").write_text(
        f'#!/bin/sh\necho called >> "{record}"\nmkdir {platform.machine()} && echo > {platform.machine()}/libnrnmech.so\n'
    )
    monkeypatch.setattr(sys, "executable", str(python))
    folder = compile_mechanisms(one_file, tmp_path / "root")
    library = folder / platform.machine() / "libnrnmech.so"
    damages = [library.unlink, lambda: (folder / "build.json").write_text('{"neuron": "7.8"}'), lambda: None]
    for damage, n_calls in zip(damages, (2, 3, 3), strict=True):
        damage()
        assert compile_mechanisms(one_file, tmp_path / "root") == folder and library.is_file()
        assert len(record.read_text().splitlines()) == n_calls


BROKEN_FILES = {
    "syntax": ("READ ica", "READ ica +*", "Illegal block at line 6 in file CaDynamics.mod"),
    "unknown function": ("cai' =", "cai' = nonsense(1)", "'?‘?nonsense.*was not declared"),
    "cut off": ("decay\n}\n", "", "CaDynamics.mod"),
}


@pytest.mark.parametrize(("old", "new", "expected"), BROKEN_FILES.values(), ids=BROKEN_FILES)
def test_compiler_says_what_is_wrong_and_nothing_is_left(one_file, tmp_path, old, new, expected):
    path = one_file / "CaDynamics.mod"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=expected) as caught:
        compile_mechanisms(one_file, tmp_path / "root")
    text = str(caught.value)
    assert text.startswith(f"{one_file}: nrnivmodl failed: ") and "\n" not in text and "Traceback" not in text
    assert [p.name for p in (tmp_path / "root").iterdir()] == [".lock"]


def test_empty_mod_file_gives_no_traceback(one_file, tmp_path):
    """nrnivmodl, a Python script, shows one of its own."""
    (one_file / "CaDynamics.mod").write_text("")
    with pytest.raises(UserError, match="CaDynamics") as caught:
        compile_mechanisms(one_file, tmp_path / "root")
    assert "Traceback" not in str(caught.value)


def test_missing_compiler_is_named(one_file, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(UserError, match=r"g\+\+ not found.*apt install g\+\+"):
        compile_mechanisms(one_file, tmp_path / "root")


@pytest.mark.parametrize("tool", ["make", "perl"])
def test_other_missing_tools_are_named(one_file, tmp_path, monkeypatch, tool):
    folder = tmp_path / "bin"
    folder.mkdir()
    for other in {"g++", "make", "perl"} - {tool}:
        (folder / other).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(UserError, match=rf"{tool} not found.*apt install {tool}"):
        compile_mechanisms(one_file, tmp_path / "root")


def test_python_without_a_library_of_its_own_compiles(one_file, tmp_path, monkeypatch):
    """As Debian's: a stub in the place of what looks for the library finds none. nrnivmodl itself fails there."""
    (tmp_path / "find_libpython.py").write_text("def find_libpython():\n    return None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("NMODL_PYLIB", raising=False)
    nrnivmodl = Path(sys.executable).parent / "nrnivmodl"
    alone = subprocess.run([nrnivmodl, "."], cwd=one_file, capture_output=True, text=True)
    assert alone.returncode != 0 and "Python shared library" in alone.stderr
    folder = compile_mechanisms(one_file, tmp_path / "root")
    assert "decay" in run_python(NAMES_IN_NEURON, folder, "CaDynamics")["CaDynamics"][0]


def test_compiler_that_built_python_need_not_be_there(one_file, tmp_path, monkeypatch):
    """uv's Pythons were built by clang. Where CXX is set, it is a choice, and is kept."""
    (tmp_path / "sitecustomize.py").write_text("import sysconfig\nsysconfig.get_config_vars()['CXX'] = 'no-compiler'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert compile_mechanisms(one_file, tmp_path / "root").is_dir()
    monkeypatch.setenv("CXX", "my-compiler")
    with pytest.raises(UserError, match="my-compiler"):
        compile_mechanisms(one_file, tmp_path / "other root")


@pytest.mark.parametrize("name", ["`id`.mod", "$(id).mod", "a b.mod", "a;b.mod", "é.mod", "a\n.mod", "-x.mod", ".mod"])
def test_names_of_mod_files_are_code_and_refused(name, one_file, tmp_path):
    """NEURON's makefile passes names to a shell. The text of the file is a known one."""
    (text,) = one_file.glob("*.mod")
    folder = tmp_path / "modfiles"
    folder.mkdir()
    (folder / name).write_bytes(text.read_bytes())
    for use in (check_mod_files, mechanisms_digest, lambda path: compile_mechanisms(path, tmp_path / "compiled")):
        with pytest.raises(UserError, match=r"letters, digits and _ only|no mod file") as caught:
            use(folder)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "compiled").exists()


#: It runs in the folder of the machine in a temporary folder in the folder of results
UP = "cd ..&&cd ..&&cd ..&&touch ran"


def test_path_of_the_results_is_not_run_either(one_file, tmp_path, monkeypatch):
    """The makefile passes the path of the folder to a shell, too. Not isolated, so that what runs would leave a trace.

    One name has all that a shell might run or take away: backticks, `$()`, a quotation mark and a backslash.
    """
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    name = f'r`{UP}`$({UP})"x-a\\b'
    assert len(list(compile_mechanisms(one_file, tmp_path / name).glob("*/libnrnmech.so"))) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"mod files", name}


def test_known_text_is_compiled_under_its_own_name(modfiles, tmp_path):
    """Whatever name, line ends and empty lines the file has: what is compiled is the text that is known."""
    text = (modfiles / "CaDynamics.mod").read_bytes()
    folder = tmp_path / "modfiles"
    folder.mkdir()
    (folder / "Renamed.mod").write_bytes(b"\r\n" + text.replace(b"\n", b" \r\n") + b"\r\n\r\n")
    (folder / "CaDynamics.mod").write_bytes(text)
    compiled = compile_mechanisms(folder, tmp_path / "root")
    (file,) = compiled.glob("*.mod")
    assert file.name == "CaDynamics.mod"
    assert hashlib.sha256(file.read_bytes().strip(b"\n")).hexdigest() == mod_file_digest(modfiles / "CaDynamics.mod")


def test_two_texts_of_one_name_are_not_compiled(modfiles, tmp_path):
    """A file of the user is named as a known one that is there under another name."""
    folder = tmp_path / "modfiles"
    folder.mkdir()
    (folder / "Ih.mod").write_text("NEURON { SUFFIX Other }\n")
    (folder / "Mine.mod").write_bytes((modfiles / "Ih.mod").read_bytes())
    with pytest.raises(UserError, match=r"another mod file of the model is Ih\.mod as well"):
        compile_mechanisms(folder, tmp_path / "root")
    assert [path.name for path in (tmp_path / "root").iterdir()] == [".lock"]


def test_isolated_compiler_writes_in_its_own_folder_only(one_file, counting, tmp_path):
    """The stand-in for nrnivmodl writes a line elsewhere, which must not come to be."""
    if missing_isolation():
        pytest.skip(f"this system does not take away {missing_isolation()}")
    python, record = counting
    code = """
sys.executable = sys.argv[1]
from allenrec.models.mechanisms import compile_set
import json
print(json.dumps(compile_set(sys.argv[2], sys.argv[3], isolated=True).library))
"""
    library = run_python(code, python, one_file, tmp_path / "root")
    assert not record.exists()
    (file,) = (tmp_path / "root").glob("*/*/libnrnmech.so")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == library

"""Mechanisms are compiled once for each content, or not at all."""

import multiprocessing
import os
import shutil
import time

import pytest

from allenrec.errors import UserError
from allenrec.mechanisms import compile_mechanisms, declared_mechanisms, mechanisms_digest

LEAK = """
: a leak; RANGE nothing, in a comment
NEURON { SUFFIX {name} NONSPECIFIC_CURRENT i RANGE g, e
  GLOBAL scale }
PARAMETER { g = 0.001 (S/cm2) e = -70 (mV) scale = 1 }
ASSIGNED { v (mV) i (mA/cm2) }
BREAKPOINT { i = scale * g * (v - e) }
"""


def write_mod(folder, name="leak1", text=LEAK):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.mod").write_text(text.replace("{name}", name))
    return folder


def test_digest_is_of_names_and_contents(tmp_path):
    folder = write_mod(write_mod(tmp_path / "a"), "leak2")
    digest = mechanisms_digest(folder)
    other = write_mod(write_mod(tmp_path / "b", "leak2"))
    assert mechanisms_digest(other) == digest
    for path in other.iterdir():  # the line ends of old archives
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert mechanisms_digest(other) == digest
    (other / "leak1.mod").rename(other / "leak3.mod")
    assert mechanisms_digest(other) != digest
    (folder / "leak1.mod").write_text("changed")
    assert mechanisms_digest(folder) != digest


def test_declarations_are_read_without_comments(models_folder, tmp_path):
    leak = declared_mechanisms(write_mod(tmp_path / "a"))["leak1"]
    assert leak.range_parameters == {"g", "e"} and leak.global_parameters == {"scale"}
    allen = declared_mechanisms(models_folder / "neuronal_model_473863510" / "modfiles")
    assert len(allen) == 16
    assert allen["CaDynamics"].range_parameters == {"decay", "gamma", "minCai", "depth"}
    assert allen["NaV"].range_parameters == {"g", "gbar"}


def test_two_processes_at_once_compile_once(tmp_path):
    """Which process compiled is seen in the library's inode: a second compilation would have replaced it."""
    mods, root = write_mod(tmp_path / "my mods"), tmp_path / "root with space"
    before = os.getcwd()
    processes = [multiprocessing.get_context("spawn").Process(target=compile_mechanisms, args=(mods, root)) for _ in range(3)]
    for process in processes:
        process.start()
    inodes = set()
    while any(process.is_alive() for process in processes):
        inodes |= {path.stat().st_ino for path in root.glob("*/*/libnrnmech.so") if not path.parts[-3].startswith(".")}
        time.sleep(0.005)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(inodes) == 1
    folder = compile_mechanisms(mods, root)
    assert folder == (root / mechanisms_digest(mods)).resolve() and os.getcwd() == before
    assert {p.name for p in root.iterdir()} == {folder.name, ".lock"}
    assert {p.stat().st_ino for p in folder.glob("*/libnrnmech.so")} == inodes


def test_build_by_another_neuron_is_made_anew(tmp_path):
    mods = write_mod(tmp_path / "mods")
    folder = compile_mechanisms(mods, tmp_path / "root")
    (folder / "build.json").write_text('{"neuron": "8.0.0", "machine": "x86_64"}')
    library = next(folder.glob("*/libnrnmech.so"))
    library.write_text("old")
    compile_mechanisms(mods, tmp_path / "root")
    assert library.stat().st_size > 1000


def test_compiler_message_is_shown_and_nothing_is_left(tmp_path):
    mods = write_mod(tmp_path / "mods", text=LEAK.replace("scale * g", "scale ** unknown g"))
    with pytest.raises(UserError) as caught:
        compile_mechanisms(mods, tmp_path / "root")
    message = str(caught.value)
    assert "\n" not in message and str(mods) in message and "leak1.mod" in message
    assert "error" in message.lower() or "illegal" in message.lower()
    assert [p.name for p in (tmp_path / "root").iterdir()] == [".lock"]


def test_folder_without_mod_files_is_an_error(tmp_path):
    """nrnivmodl itself calls that a success."""
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(UserError, match="no mod file"):
            compile_mechanisms(folder, tmp_path / "root")


def test_missing_compiler_is_named(tmp_path, monkeypatch):
    mods = write_mod(tmp_path / "mods")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "g++" else f"/bin/{name}")
    with pytest.raises(UserError, match="g\\+\\+ not found"):
        compile_mechanisms(mods, tmp_path / "root")

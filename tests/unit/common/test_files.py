"""Files that appear complete or not at all, and random numbers that depend only on their stream key."""

import hashlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from support import ROOT

from allenrec.common.errors import DamagedFile
from allenrec.common.files import folder_built_beside, read_checked, read_json, sha256, write_json, write_table, written_beside
from allenrec.common.random_streams import generator
from allenrec.common.temporary import temporary_beside


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "a" / "b" / "result.h5"
    with written_beside(path) as temporary:
        assert temporary.parent == path.parent and temporary.suffix == ".h5"
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole" and names(path.parent) == ["result.h5"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("begun", [False, True])
def test_error_leaves_the_old_file_and_nothing_else(tmp_path, error, begun):
    path = tmp_path / "result.h5"
    path.write_text("old")
    with pytest.raises(error), written_beside(path) as temporary:
        if begun:
            temporary.write_text("half")
        raise error
    assert path.read_text() == "old" and names(tmp_path) == ["result.h5"]


KILLED = """
import os, signal
from allenrec.common.files import folder_built_beside, written_beside
with written_beside(sys.argv[1] + "/result.h5") as file, folder_built_beside(sys.argv[1] + "/model") as folder:
    file.write_text("half")
    (folder / "half").touch()
    print(json.dumps([file.name, folder.name]), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_next_writer_removes_what_a_killed_one_left(tmp_path):
    code = f"import json, sys; sys.path.insert(0, {str(ROOT / 'scripts')!r})\n{KILLED}"
    killed = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    left = json.loads(killed.stdout)
    assert killed.returncode == -signal.SIGKILL and names(tmp_path) == sorted(left)
    (tmp_path / ".result.h5.part.h5").write_text("of an earlier version")
    with written_beside(tmp_path / "result2.h5") as other:
        other.write_text("")
    assert set(left) < set(names(tmp_path)), "they belong to other products"
    with written_beside(tmp_path / "result.h5") as temporary, folder_built_beside(tmp_path / "model"):
        temporary.write_text("new")
    assert (tmp_path / "result.h5").read_text() == "new" and names(tmp_path) == ["model", "result.h5", "result2.h5"]


def test_two_writers_of_one_product_do_not_mix(tmp_path):
    """Each writes a file and a folder in many pieces, the other between them; the last one to end wins as a whole."""
    with written_beside(tmp_path / "a.csv") as first, folder_built_beside(tmp_path / "f") as first_folder:
        with written_beside(tmp_path / "a.csv") as second, folder_built_beside(tmp_path / "f") as second_folder:
            for number in range(10):
                for path in (first, second):
                    with open(path, "a") as file:
                        file.write(f"{path.name} {number}\n")
            (first_folder / "first").touch()
            (second_folder / "second").touch()
            kept = second.name
        assert [line.split()[0] for line in (tmp_path / "a.csv").read_text().splitlines()] == [kept] * 10
        assert names(tmp_path / "f") == ["second"] and first.exists() and first_folder.exists()
        kept = first.name
    assert [line.split()[0] for line in (tmp_path / "a.csv").read_text().splitlines()] == [kept] * 10
    assert names(tmp_path / "f") == ["first"] and names(tmp_path) == ["a.csv", "f"]


def test_leftover_of_another_machine_is_removed_after_a_day(tmp_path, monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(socket, "gethostname", lambda: "elsewhere")
        left = temporary_beside(tmp_path / "a.csv")
    left.write_text("half")
    write_json(tmp_path / "a.csv", 1)
    assert left.exists(), "it may still be written"
    os.utime(left, times=(0, 0))
    write_json(tmp_path / "a.csv", 2)
    assert names(tmp_path) == ["a.csv"]


def test_targets_in_one_folder_have_temporary_files_of_their_own(tmp_path):
    with written_beside(tmp_path / "a.h5") as first, written_beside(tmp_path / "a.csv") as second:
        first.write_text("1")
        second.write_text("2")
    assert (tmp_path / "a.h5").read_text() == "1" and (tmp_path / "a.csv").read_text() == "2"


def test_folder_replaces_the_old_one_as_a_whole(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").write_text("")
    with folder_built_beside(folder) as temporary:
        (temporary / "new").write_text("")
        assert names(folder) == ["old"]
    assert names(folder) == ["new"] and names(tmp_path) == ["model"]
    assert folder.stat().st_mode & 0o555 == 0o555, "others may read it, as any folder"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_error_leaves_the_old_folder_and_nothing_else(tmp_path, error):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").write_text("")
    with pytest.raises(error), folder_built_beside(folder) as temporary:
        (temporary / "new").write_text("")
        raise error
    assert names(folder) == ["old"] and names(tmp_path) == ["model"]


def test_folders_of_killed_runs_are_cleared_and_those_of_others_are_not(tmp_path):
    for name in (".model.part-abc", ".model2.part-abc", "model.part-abc"):
        (tmp_path / name).mkdir()
    with folder_built_beside(tmp_path / "model"):
        pass
    assert names(tmp_path) == [".model2.part-abc", "model", "model.part-abc"]


def test_json_and_digest(tmp_path):
    content = {"µ": [1, 2.5, None]}
    write_json(tmp_path / "a.json", content)
    data = (tmp_path / "a.json").read_bytes()
    assert json.loads(data) == content
    assert sha256(tmp_path / "a.json") == hashlib.sha256(data).hexdigest()
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"b": {1}})
    assert (tmp_path / "a.json").read_bytes() == data and names(tmp_path) == ["a.json"]


def test_json_with_its_digest_is_read_back_and_any_change_is_found(tmp_path):
    path, content = tmp_path / "a.json", {"z": [1, 2.5, None], "a": {"µ": "x"}}
    write_json(path, content, checked=True)
    assert read_json(path, "JSON") == content and list(read_json(path, "JSON")) == ["z", "a"]
    sound = json.loads(path.read_text())
    assert sound == content | {"sha256": sound["sha256"]}
    path.write_text(json.dumps(sound))  # the same content, written otherwise
    assert read_json(path, "JSON") == content
    for changed in (sound | {"z": [1, 2.5]}, sound | {"more": 1}, sound | {"sha256": "0" * 64}, content, [sound], 1, None):
        path.write_text(json.dumps(changed))
        with pytest.raises(DamagedFile, match=r"a.json is not a valid JSON file \(.*\); delete it and run again"):
            read_json(path, "JSON")
    for text in (b"", b"\xff", b"{", b"[" * 100_000, b"{" + b"9" * 5000, b'{"a": ' + b"9" * 5000 + b"}"):
        path.write_bytes(text)
        with pytest.raises(DamagedFile, match=r"a.json is not a valid JSON file \(.*\); delete it and run again") as caught:
            read_json(path, "JSON")
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "b.json", "JSON")


def test_table_has_six_digits_no_index_and_appears_complete(tmp_path):
    path = tmp_path / "a" / "table.csv"
    write_table(path, pd.DataFrame({"name": ["x", "µ, y"], "value": [1 / 3, np.nan], "count": [1, 2]}))
    assert path.read_text(encoding="utf-8") == 'name,value,count\nx,0.333333,1\n"µ, y",,2\n'
    assert names(path.parent) == ["table.csv"]


def test_numbers_of_an_address_stay_what_they_are():
    """Results of earlier versions depend on these two."""
    assert generator(0, "poses", "473863510", 3).random() == 0.09033547528439334
    assert generator(1, "recording", "demo", "noise").integers(2**63) == 5152366140545918973


ADDRESSES = [
    (0, "a"),
    (1, "a"),
    (0, "b"),
    (0, "a", 0),
    (0, "a", "0"),
    (0, "a", 1),
    (0, "a", 0, 1),
    (0, "a", 1, 0),
    (0, "a", 10),
    (0, "ab", "c"),
    (0, "a", "bc"),
    (0, "abc"),
    (0, "a, b"),
    (0, "a", "b"),
    (2**64, "a"),
    (0,),
]


def test_same_address_same_numbers_and_every_other_address_others():
    """Neither equal nor related: correlations of 10000 normal numbers stay below 5 standard errors."""
    draws = np.array([generator(*address).standard_normal(10000) for address in ADDRESSES])
    assert np.array_equal(draws, [generator(*address).standard_normal(10000) for address in ADDRESSES])
    for first, second in itertools.combinations(draws, 2):
        assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(10000)


def test_one_more_draw_changes_no_other_address():
    expected = generator(0, "unit", 1).random(5)
    generator(0, "unit", 0).random(1000)
    assert np.array_equal(generator(0, "unit", 1).random(5), expected)


def test_global_generator_is_neither_used_nor_touched():
    np.random.seed(1)  # noqa: NPY002 - what is held against
    before = np.random.get_state()  # noqa: NPY002
    first = generator(0, "a").random()
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0] and np.array_equal(before[1], after[1]) and before[2:] == after[2:]
    np.random.seed(2)  # noqa: NPY002
    assert generator(0, "a").random() == first


@pytest.mark.parametrize("damage", [lambda b: b[:-3], lambda b: b.replace(b"1", b"2"), lambda b: b"\xff" * 9, lambda b: b""])
def test_checked_text_is_what_was_written_or_one_line(damage, tmp_path):
    path = tmp_path / "table.csv"
    write_table(path, pd.DataFrame({"a": [1, 2]}), checked=True)
    assert read_checked(path, "table") == "a\n1\n2\n"
    subprocess.run(["sha256sum", "--check", "--quiet", ".table.csv.sha256"], cwd=tmp_path, check=True)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedFile, match=r"table\.csv is not a valid table file .*; delete it and run again"):
        read_checked(path, "table")


def test_text_without_a_digest_is_read_if_it_is_text(tmp_path):
    (tmp_path / "a.csv").write_text("µ")
    assert read_checked(tmp_path / "a.csv", "table") == "µ"
    (tmp_path / "a.csv").write_bytes(b"\xff")
    with pytest.raises(DamagedFile, match="can't decode byte 0xff"):
        read_checked(tmp_path / "a.csv", "table")

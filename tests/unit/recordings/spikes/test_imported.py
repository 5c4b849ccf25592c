"""Imported spike trains, in the formats of their writers, and the error messages for bad files."""

import os
import re
import zipfile
from datetime import UTC, datetime

import h5py
import numpy as np
import pandas as pd
import pytest
from pynwb import NWBHDF5IO, NWBFile

from allenrec.common.errors import UserError
from allenrec.recordings.spikes.imported import import_trains, read_trains
from allenrec.recordings.tick_grid import TickGrid

TICKS = 512_000
GRID = TickGrid(fs=TICKS, n_samples=10 * TICKS, n_phases=1)
RNG = np.random.default_rng(0)
TIMES = {"7": np.sort(RNG.uniform(0, 10, 50)), "10": np.zeros(0), "12": np.sort(RNG.uniform(0, 10, 80))}


def write_csv(path):
    rows = [(unit, time) for unit, times in TIMES.items() for time in times] + [("10", "")]
    table = pd.DataFrame(rows, columns=["unit", "time_s"]).sample(frac=1, random_state=1)
    # In the order of times, as sorters write them, and with a column more
    table = table.sort_values("time_s", key=pd.to_numeric).assign(quality="good")
    table.to_csv(path, index=False)


def write_npz(path):
    np.savez(path, **TIMES)


def write_nwb(path, units=TIMES):
    content = NWBFile(session_description="x", identifier="x", session_start_time=datetime(2020, 1, 1, tzinfo=UTC))
    for unit, times in units.items():
        content.add_unit(id=int(unit), spike_times=times)
    with NWBHDF5IO(path, "w") as file:
        file.write(content)


@pytest.mark.parametrize(("name", "write"), [("t.csv", write_csv), ("t.npz", write_npz), ("t.nwb", write_nwb)])
def test_every_format_gives_the_same_trains(name, write, tmp_path):
    write(tmp_path / name)
    read = read_trains(tmp_path / name)
    assert list(read) == ["7", "10", "12"]
    trains = import_trains(tmp_path / name, None, 3, 10.0, GRID)
    for train, (unit, times) in zip(trains, TIMES.items(), strict=True):
        np.testing.assert_array_equal(read[unit], times)
        assert np.abs(train.ticks / TICKS - times).max(initial=0) <= 0.5 / TICKS
        assert train.rate == len(times) / 10 and train.process == "given" and (train.bursts == -1).all()


def test_units_are_taken_as_they_are_named(tmp_path):
    write_npz(tmp_path / "t.npz")
    first, second = import_trains(tmp_path / "t.npz", ["12", "7"], 2, 10.0, GRID)
    assert (len(first.ticks), len(second.ticks)) == (80, 50)


def test_last_half_sample_has_no_grid_points(tmp_path):
    """A spike in the last half sample comes on the last tick; there are 16 ticks per sample."""
    np.savez(tmp_path / "t.npz", a=np.array([1.0, 9.99999]))
    grid = TickGrid(fs=TICKS // 16, n_samples=10 * TICKS // 16, n_phases=16)
    (train,) = import_trains(tmp_path / "t.npz", None, 1, 10.0, grid)
    assert train.ticks.tolist() == [TICKS, 10 * TICKS - 9]


BAD_TIMES = [
    ([1.0, np.nan], r"unit 0: spike 2: nan s must be a number"),
    ([1.0, np.inf], r"unit 0: spike 2: inf s must be a number"),
    ([-0.5, 1.0], r"unit 0: spike 1: -0\.5 s is negative; recordings begin at 0 s"),
    ([1.0, 12.5], r"unit 0: spike 2: 12\.5 s is not before the end of the recording, 10 s; see spiketrains\.duration"),
    ([1.0, 3.0, 2.0], r"unit 0: spike 3: 2 s is not later than the one before it; times must increase"),
    ([1.0, 1.0], r"unit 0: spike 2: 1 s is not later"),
    ([[1.0], [2.0]], r"unit 0: must be a list of times in s, not float64 of shape \(2, 1\)"),
    (["1.0"], r"unit 0: must be a list of times in s, not <U3"),
]


@pytest.mark.parametrize(("times", "message"), BAD_TIMES, ids=[str(case[0]) for case in BAD_TIMES])
def test_bad_times_are_named(times, message, tmp_path):
    np.savez(tmp_path / "t.npz", **{"0": np.array(times)})
    with pytest.raises(UserError, match=message) as caught:
        import_trains(tmp_path / "t.npz", None, 1, 10.0, GRID)
    assert "\n" not in str(caught.value) and "t.npz" in str(caught.value)


@pytest.mark.parametrize(("place", "value"), [(4, 0xFF), (6, 1), (8, 99)], ids=["version", "encrypted", "compression"])
def test_an_archive_of_another_kind_is_one_line(place, value, tmp_path):
    """The library of Python has errors of its own for such archives. The place counts in the entry of the first member."""
    path = tmp_path / "t.npz"
    np.savez(path, **{"0": np.array([1.0])})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 2 + place] = value
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"t\.npz: cannot be read as spike trains \([^\n]+\)$"):
        read_trains(path)


def test_units_that_do_not_fit_are_named(tmp_path):
    write_npz(tmp_path / "t.npz")
    with pytest.raises(UserError, match=r"file_units: '8' is not in .*t\.npz, which has 7, 10, 12"):
        import_trains(tmp_path / "t.npz", ["8"], 1, 10.0, GRID)
    with pytest.raises(UserError, match=r"3 units, but n_exc \+ n_inh is 4; .* file_units"):
        import_trains(tmp_path / "t.npz", None, 4, 10.0, GRID)


BAD_TABLES = [
    ("unit,time\n0,1.5\n", r"has no column 'time_s'; its columns are unit, time"),
    ("unit,time_s\n0,1.5\n0,soon\n", r"row 3: time_s: 'soon' must be a number"),
    ("unit,time_s\n0,1.5\n0,nan\n", r"row 3: time_s: 'nan' must be a number"),
    ("unit,time_s\n0,1.5\n0,\n", r"row 3: time_s is empty"),
    ("unit,time_s\n,1.5\n", r"row 2: unit is empty"),
    ("", r"cannot be read as spike trains \(No columns"),
    (
        "unit,time_s\n0,1.5,3\n",
        r"cannot be read as spike trains \(its rows have more values, between commas, than its header\)",
    ),
    ("unit,time_s\n0,1.5\n0,2,3\n", r"Expected 2 fields in line 3, saw 3"),
    ("unit,time_s,time_s\n0,1.5,2\n", r"column 'time_s' is there twice"),
    ("unit;time_s\n0;1,5\n", r"its rows have more values, between commas, than its header"),
    ("unit;time_s\n0;1.5\n", r"has no column 'unit'; its columns are unit;time_s"),
    ("unit,time_s\n0,0x10\n", r"row 2: time_s: '0x10' must be a number"),
    ("unit,time_s\n" + "9" * 5000 + ",0.1\n", r"cannot be read as spike trains \(Exceeds the limit.{0,200}\)$"),
    (f"{'x' * 5000}\n", r"its columns are x{197}\.\.\.$"),
]


@pytest.mark.parametrize(("text", "message"), BAD_TABLES, ids=[case[1] for case in BAD_TABLES])
def test_bad_tables_are_named(text, message, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_trains(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["t.csv", "t.npz", "t.nwb"])
def test_files_of_another_kind_are_named(name, tmp_path):
    (tmp_path / name).write_bytes(b"\x89PNG\r\n\xff\xfe")
    for path in (tmp_path / name, tmp_path / f"missing_{name}"):
        with pytest.raises(UserError, match=rf"{name}: (cannot be read as spike trains|has no column)"):
            read_trains(path)


#: Members of an NPZ file that are no arrays of times; the last says that it holds 700 TB
HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }".ljust(117) + "\n"
MEMBERS = {
    "text": ("a.txt", b"0.1", "'a.txt' is no array"),
    "no array": ("a.npy", b"0.1", "'a' is no array"),
    "cut": ("a.npy", b"\x93NUMPY\x01\x00v", "EOF"),
    "huge": ("a.npy", b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + HEADER.encode(), "Unable to allocate"),
}


@pytest.mark.parametrize(("member", "content", "says"), MEMBERS.values(), ids=MEMBERS)
def test_npz_with_other_members_is_one_line(member, content, says, tmp_path):
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as file:
        file.writestr(member, content)
    with pytest.raises(UserError, match=r"t\.npz: cannot be read as spike trains \(.*" + says) as caught:
        read_trains(tmp_path / "t.npz")
    assert "\n" not in str(caught.value)


def test_files_under_the_name_of_another_kind_are_one_line(tmp_path):
    with h5py.File(tmp_path / "t.nwb", "w") as file:
        file["a"] = 1
    np.save(tmp_path / "t.npy", np.zeros(3))
    (tmp_path / "t.npy").rename(tmp_path / "t.npz")
    os.mkfifo(tmp_path / "t.csv")
    for name, says in (("t.nwb", "NWB version"), ("t.npz", "an array without a name"), ("t.csv", "no regular file")):
        with pytest.raises(UserError, match=rf"{re.escape(name)}: cannot be read as spike trains \(.*{says}"):
            read_trains(tmp_path / name)


def test_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "t.npz", a=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="cannot be read as spike trains"):
        read_trains(tmp_path / "t.npz")


def test_nwb_without_units_is_named(tmp_path):
    write_nwb(tmp_path / "t.nwb", {})
    with pytest.raises(UserError, match="has no table of units with spike_times"):
        read_trains(tmp_path / "t.nwb")

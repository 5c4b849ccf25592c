"""Exports: a recording of 384 channels and 60 s, float32, in each format, against a bare copy of its file.

Each side runs in a new process, in turn; imports are in neither, and what is written is on the disk (`sync`) when the clock
stops. An export reads the recording with its checksums, and writes another file. Limit: 1.5 times the time of the copy.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import harness
import recording

#: Formats, and whether they are written without compression instead of what is their default
CASES = {
    "binary": ("binary", False),
    "zarr": ("zarr", False),
    "zarr without compression": ("zarr", True),
    "nwb": ("nwb", False),
}
LIMIT_COPY = 1 / 1.5
PROBE, N_UNITS = "Neuropixels-384", 150


def export(source, target, name, uncompressed):
    """Write a recording in a format, with the threads that its job has; return the seconds."""
    from allenrec.recordings.formats.recording_file import read_recording
    from allenrec.recordings.formats.register import FORMATS, load_writer

    write, entry = load_writer(name), FORMATS[name]
    options = {"threads": entry.threads} if entry.threads > 1 else {}
    if uncompressed:
        options["compression"] = "none"
    os.sync()
    begin = time.perf_counter()
    with read_recording(source) as opened:
        write(target, opened, **options)
    os.sync()
    return time.perf_counter() - begin


def copy(source, target):
    """Copy a file; return the seconds."""
    os.sync()
    begin = time.perf_counter()
    shutil.copyfile(source, target)
    os.sync()
    return time.perf_counter() - begin


def pairs_of(source, folder, name, uncompressed, repeats):
    """Return pairs of seconds: an export and a copy, each deleted before the next."""

    from allenrec.recordings.formats.register import FORMATS

    def measured(function, target, *arguments):
        seconds = harness.fresh(function, source, target, *arguments)
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        return seconds

    return harness.paired(
        lambda: measured(export, folder / FORMATS[name].path, name, uncompressed),
        lambda: measured(copy, folder / "copy.h5"),
        repeats,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 s, one pair")
    quick = parser.parse_args().quick
    folders = harness.fetch_models(list(recording.TYPES))
    mechanisms = harness.compile_for(folders)
    duration, repeats = (2.0, 1) if quick else (60.0, 5)
    rows = []
    with tempfile.TemporaryDirectory(dir=".") as temporary:
        folder = Path(temporary)
        recording.build_library(PROBE, folders, mechanisms, folder / "library.h5")
        harness.fresh(recording.our_recording, folder / "library.h5", N_UNITS, duration, 2, folder)
        for title, case in CASES.items():
            pairs = pairs_of(folder / "recording.h5", folder, *case, repeats)
            case = f"{title}, {PROBE}, {duration:g} s"
            rows.append(harness.time_row(case, pairs, peer_name="a copy of recording.h5", unit="s", limit_ratio=LIMIT_COPY))
    harness.report("exports", rows, packages=("numpy", "h5py", "spikeinterface", "zarr", "pynwb"))


if __name__ == "__main__":
    main()

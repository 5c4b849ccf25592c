"""A table of what a run of the default configuration holds, to compare later runs with.

`python tests/workflow/digests.py results > tests/workflow/default_run.json` writes it anew, after a change that is meant to
change results; CHANGELOG.md says which change that was.
"""

import csv
import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np

#: Packages that compute, and the compiler behind numba
PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "neuron", "LFPy", "h5py", "MEAutility")
#: Folders of results that are compared; figures are drawn from them
STAGES = ("intracellular", "libraries", "recordings")
#: HDF5 groups that say how something was made
PROVENANCE = ("provenance",)
#: How many values of an array are kept, spread evenly
N_VALUES = 8


def environment():
    """Return what decides about the last bits: the processor, as the compilers see it, and the versions of packages."""
    import llvmlite.binding

    features = hashlib.sha256(llvmlite.binding.get_host_cpu_features().flatten().encode()).hexdigest()[:16]
    return {"processor": llvmlite.binding.get_host_cpu_name(), "features": features} | {
        name: version(name) for name in PACKAGES
    }


def arrays(results):
    """Yield the name and the content of every HDF5 dataset and every column of a CSV file below a folder, without figures."""
    for path in sorted(path for stage in STAGES for path in (results / stage).rglob("*.h5")):
        with h5py.File(path) as file:
            found = []
            file.visititems(lambda name, item, found=found: found.append(name) if isinstance(item, h5py.Dataset) else None)
            for name in found:
                if not name.startswith(PROVENANCE):
                    yield f"{path.relative_to(results)}:{name}", file[name][()]
    for path in [results / "cells.csv", *sorted((results / "libraries").rglob("*.csv"))]:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        for name, column in zip(header, zip(*rows, strict=True), strict=True):
            yield f"{path.relative_to(results)}:{name}", np.array(column, dtype=object)


def describe(values):
    """Return shape, type and SHA-256 of an array; of one of floating point numbers also a few statistics and values."""
    values = np.asarray(values)
    is_text = values.dtype.kind in "OSU"
    if is_text:
        values = np.vectorize(lambda value: value.decode() if isinstance(value, bytes) else str(value), otypes=[object])(values)
    content = json.dumps(values.tolist()).encode() if is_text else values.tobytes()
    row = {"shape": list(values.shape), "dtype": "text" if is_text else values.dtype.str}
    row["sha256"] = hashlib.sha256(content).hexdigest()
    numbers = as_numbers(values) if is_text else values
    if numbers is not None and numbers.dtype.kind == "f" and numbers.size:
        row["statistics"] = [float(f"{value:.8g}") for value in statistics(numbers)]
    return row


def as_numbers(texts):
    """Return the numbers in a column of a CSV file, NaN where it is empty; None if they are whole or something is no number."""
    try:
        numbers = np.array([float(text or "nan") for text in texts.ravel()])
    except ValueError:
        return None
    return None if np.array_equal(numbers, np.round(numbers), equal_nan=True) else numbers


def statistics(values):
    """Return mean, standard deviation, smallest and largest of the numbers that are not NaN, how many are NaN, and some."""
    finite = values[~np.isnan(values)].astype(float)
    some = values.ravel()[np.linspace(0, values.size - 1, min(N_VALUES, values.size)).astype(int)]
    numbers = [finite.mean(), finite.std(), finite.min(), finite.max()] if finite.size else []
    return [*numbers, values.size - finite.size, *some.astype(float)]


def same_bytes(expected, found):
    """Say whether two rows of the table describe the same array."""
    return all(expected[key] == found[key] for key in ("shape", "dtype", "sha256"))


def close(expected, found, tolerance):
    """Say whether they do but for rounding: a share of the largest value of the array. Integers and text are exact."""
    if "statistics" not in expected or any(expected[key] != found[key] for key in ("shape", "dtype")):
        return same_bytes(expected, found)
    ours, theirs = np.array(found["statistics"]), np.array(expected["statistics"])
    return np.allclose(ours, theirs, rtol=0, atol=tolerance * np.nanmax(np.abs(theirs)), equal_nan=True)


def table(results):
    """Return the description of every array of a run, by name."""
    return {name: describe(values) for name, values in arrays(Path(results))}


if __name__ == "__main__":
    # A line for each array, so that `git diff` shows which ones changed.
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in table(sys.argv[1]).items())
    print(f'{{"environment": {json.dumps(environment())},\n"arrays": {{\n{rows}\n}}}}')

"""Print the unit tests of what differs from the main branch, for `make check`.

A test module stands where its module stands, as `tests/unit/<stage>/test_<module>.py`. For a module without one, those of its
folder are printed.
"""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
UNIT, PACKAGE = Path("tests/unit"), Path("scripts/allenrec")


def changed_files():
    """Return the files that differ from where this branch left the main branch, and those that git does not know yet."""
    base = next(filter(None, (git("merge-base", "HEAD", name) for name in ("origin/main", "main", "HEAD"))))
    names = git("diff", "--name-only", base) + "\n" + git("ls-files", "--others", "--exclude-standard")
    return [Path(name) for name in names.splitlines() if name]


def git(*arguments):
    """Return what git says, "" if it refuses."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def tests_of(path):
    """Return the unit tests of a file: a module, a folder, or None."""
    if path.is_relative_to(UNIT):
        return path if path.name.startswith("test_") else path.parent
    if path.parts[0] in ("config", "docs"):
        return UNIT / "settings"
    if not path.is_relative_to(PACKAGE):
        return None
    place = UNIT / path.relative_to(PACKAGE).parent
    if (ROOT / place / f"test_{path.stem}.py").exists():
        return place / f"test_{path.stem}.py"
    # A module right below the package has its own test or none; a folder of unit tests would be all of them.
    folders = [folder for folder in (place, *place.parents) if folder.is_relative_to(UNIT) and folder != UNIT]
    return next((folder for folder in folders if (ROOT / folder).is_dir()), None)


if __name__ == "__main__":
    found = {test for path in changed_files() if (test := tests_of(path)) and (ROOT / test).exists() and test != UNIT}
    # A folder has the tests of its modules already.
    print(*sorted(str(test) for test in found if not found & set(test.parents)))

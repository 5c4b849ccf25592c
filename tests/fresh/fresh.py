"""Make bare Debian systems and run the README's commands in each, on a clone of the last commit: `make test-fresh`.

A system has what the README names (`apt install ...`) and nothing more: no libpython, no git, no locale. The commands run as a
user whose home cannot be written, and then `make run` as root. Chosen by environment variables:

FRESH_SUITES    Debian releases; "bookworm trixie" unless set
FRESH_COMMANDS  targets of make; "run test" unless set
FRESH_PYTHON    the folder of a Python to use instead of Debian's, such as ~/.pyenv/versions/3.12.1; it is only read

Needs root, git and debootstrap. Downloads, which are those of this machine's mirror, and logs stay in .fresh/; the systems go.
Exit code: 0 if all is well, 1 if a command failed, 3 if a system could not be made here.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from debian import (
    FRESH,
    NAMESPACE,
    ROOT,
    CannotBeMadeError,
    clone_last_commit,
    last_lines,
    make_debian,
    need,
    needed_packages,
    runs,
    settings_of_pip,
)

USER = "tester"
CLONE = f"/home/{USER}/allenrec"

#: The arguments are the system, pip's cache, a Python or nothing, the user, and the command after its environment.
ENTER = """set -e; system=$1 cache=$2 python=$3 user=$4; shift 4
mount -t proc proc "$system/proc"
mkdir -p "$system/dev/shm"; mount -t tmpfs tmpfs "$system/dev/shm"
mount --bind "$cache" "$system/cache"
[ -z "$python" ] || mount --bind -o ro "$python" "$system$python"
exec chroot --userspec="$user" "$system" /usr/bin/env -i "$@"
"""


def make_system(system, suite, python):
    """Make a bare system with a clone of the last commit."""
    make_debian(system, suite, needed_packages())
    (system / "cache").mkdir()
    if python:
        Path(f"{system}{python}").mkdir(parents=True, exist_ok=True)
        for folder in Path(python).parents:  # also if it is in the home of root
            Path(f"{system}{folder}").chmod(0o755)
    subprocess.run(["chroot", system, "useradd", "--create-home", USER], check=True)
    clone_last_commit(f"{system}{CLONE}")
    subprocess.run(["chroot", system, "chown", "-R", f"{USER}:", CLONE], check=True)


def variables(python):
    """Return the environment of the commands, as `env` takes it: no home that can be written, no locale, pip as here."""
    own = ["PATH=/usr/bin:/bin", "HOME=/nonexistent", "PIP_CACHE_DIR=/cache", f"PYTHON={python or '/usr'}/bin/python3"]
    proxies = [f"{name}={os.environ[name]}" for name in ("http_proxy", "https_proxy", "no_proxy") if name in os.environ]
    return own + proxies + [f"PIP_{name.upper().replace('-', '_')}={value}" for name, value in settings_of_pip().items()]


def run(system, user, targets, python, log):
    """Run targets of make in a system; return whether they ended well."""
    cache = FRESH / "pip"
    cache.mkdir(exist_ok=True)
    # Also what root left in it
    subprocess.run(["chown", "-R", str(os.stat(f"{system}{CLONE}").st_uid), cache], check=True)
    make = ["make", "--no-print-directory", "-C", CLONE, *targets]
    command = ["sh", "-c", ENTER, "sh", system, cache, python, user, *variables(python), *make]
    return runs([*NAMESPACE, *command], log)


def all_well_on(suite, commands, python):
    """Make a system, run the commands in it, print how each ended, and return whether all ended well."""
    system, ends = FRESH / suite, []
    shutil.rmtree(system, ignore_errors=True)
    as_root = [("root", ["clean", "run"])] if "run" in commands else []
    try:
        make_system(system, suite, python)
        for user, targets in [(USER, [command]) for command in commands] + as_root:
            log, start = FRESH / f"{suite}-{user}-{targets[-1]}.log", time.monotonic()
            well = run(system, user, targets, python, log)
            ended = f"{'passed' if well else 'FAILED'} after {time.monotonic() - start:.0f} s"
            print(f"{suite}: make {' '.join(targets)}, as {user}: {ended}; {log.relative_to(ROOT)} ends with")
            print(*(f"  {line}" for line in last_lines(log, 1 if well else 20)), sep="\n")
            ends.append(well)
    finally:
        shutil.rmtree(system, ignore_errors=True)
    return all(ends)


def main():
    """Test all systems; exit with a code that says how it went."""
    sys.stdout.reconfigure(line_buffering=True)
    suites, commands = os.environ.get("FRESH_SUITES", "bookworm trixie"), os.environ.get("FRESH_COMMANDS", "run test")
    python = os.environ.get("FRESH_PYTHON", "").rstrip("/")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the system goes
    try:
        need("debootstrap", "git")
        print(f"On each of {suites}: {' '.join(needed_packages())} and nothing more; then make {commands}.")
        failed = [suite for suite in suites.split() if not all_well_on(suite, commands.split(), python)]
    except CannotBeMadeError as error:
        print(f"NOT TESTED on a bare system: {error}", file=sys.stderr)
        sys.exit(3)
    print(f"FAILED: {' '.join(failed)}" if failed else f"All commands passed on {suites}.")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
